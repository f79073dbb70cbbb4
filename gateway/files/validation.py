"""Validates plain data from a YAML file with a pydantic model, and reports every problem with its place in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.files.yaml_file import Document, FileError, Loc, Problem

Model = TypeVar("Model", bound=BaseModel)

MAX_FAULTS = 100
"""Largest number of problems that are reported at once."""


def validate(document: Document, model: type[Model]) -> Model:
    """Return the document as a `model`.

    Raises:
        FileError: with every problem that the model finds, up to `MAX_FAULTS`.

    """
    try:
        return model.model_validate({} if document.data is None else document.data)
    except ValidationError as error:
        faults = [_explain(document, model, item) for item in error.errors()]
        raise FileError(list(dict.fromkeys(faults))[:MAX_FAULTS]) from None


@dataclass(frozen=True, slots=True)
class Salvaged(Generic[Model]):
    """The valid part of a document, so that later checks can find more problems in it."""

    model: Model
    faults: list[Problem]
    lost: frozenset[Loc]
    """Parts that were left out: `(key,)`, or `(key, position)` of an item of the list."""


def salvage(document: Document, model: type[Model], entries: str) -> Salvaged[Model]:
    """Return the document as a `model` without required keys, leaving out the parts with problems.

    Args:
        document: the document to validate.
        model: its model.
        entries: the key of a list from which single items are left out; otherwise the whole key is.

    Raises:
        FileError: when nothing is left.

    """
    data = {} if document.data is None else document.data
    try:
        return Salvaged(model.model_validate(data), [], frozenset())
    except ValidationError as error:
        faults = list(dict.fromkeys(_explain(document, model, item) for item in error.errors()))[:MAX_FAULTS]
        lost = {item["loc"][: 2 if item["loc"][:1] == (entries,) else 1] for item in error.errors()}
    if not isinstance(data, dict) or () in lost:
        raise FileError(faults)
    rest = {key: value for key, value in data.items() if (key,) not in lost}
    if entries in rest:
        rest[entries] = [item for position, item in enumerate(rest[entries]) if (entries, position) not in lost]
    return Salvaged(model.model_validate(rest), faults, frozenset(lost))


def suggest(word: str, known: Sequence[str]) -> str:
    """Return `Did you mean ...?` with the most similar known word, or nothing if none is similar."""
    import difflib  # noqa: PLC0415 - only when something is wrong

    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]}?" if near else ""


def _explain(document: Document, model: type[BaseModel], error: Mapping[str, Any]) -> Problem:
    loc, found = _loc_in(document.data, error["loc"]), error.get("input")
    match error["type"]:
        case "extra_forbidden":
            known = _keys_of(model, loc[:-1])
            key = str(loc[-1])
            if not key.isprintable():  # copied from a web page, with an invisible character
                return document.fault(loc, f"unknown key {key!a}", "Type it again: it contains an invisible character")
            return document.fault(loc, "unknown key", suggest(key, known) or f"Known here: {', '.join(known)}")
        case "missing":
            return document.fault((*loc, str(error["loc"][-1])), "is missing")
        case "literal_error":
            choices = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            return document.fault(loc, f"{_shown(found)} is none of {', '.join(choices)}", suggest(str(found), choices))
        case "model_type" | "dict_type":
            return document.fault(loc, f"keys with values are expected here (found {_shown(found)})")
        case "list_type":
            hint = 'Begin each item with "- "' if isinstance(found, dict) else ""
            return document.fault(loc, f"a list is expected here (found {_shown(found)})", hint)
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    what, _, hint = message.partition(" | ")
    shown = _shown(found)
    return document.fault(loc, what if shown in what or not _is_plain(found) else f"{what} (found {shown})", hint)


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int, float, bool)) or value is None


def _shown(value: object) -> str:
    """Return a value as YAML writes it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "keys with values"
    return repr(value) if _is_plain(value) else f"a {type(value).__name__}"


def _loc_in(data: Any, loc: Sequence[Any]) -> Loc:
    """Return `loc` without the parts that pydantic adds and the file does not have, such as members of a union."""
    found: list[str | int] = []
    for part in loc:
        if isinstance(data, dict):
            key = next((key for key in data if str(key) == str(part)), None)
            if key is not None:
                found.append(str(key))
                data = data[key]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            found.append(part)
            data = data[part]
    return tuple(found)


def _keys_of(model: type[BaseModel], loc: Loc) -> list[str]:
    current: Any = model
    for part in loc:
        fields = getattr(current, "model_fields", {})
        if part in fields:
            current = _model_in(fields[part].annotation) or current
    return list(current.model_fields)


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, getattr(annotation, "__args__", ()))), None)
