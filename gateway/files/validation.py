"""Validates plain data from a YAML file with a pydantic model, and reports every problem with its place in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from gateway.files.pydantic_errors import is_plain, sentence_of, shown
from gateway.files.yaml_file import Document, FileError, Loc
from gateway.problems.problem import HERE, Problem, Scalar, in_order, problem_of

Model = TypeVar("Model", bound=BaseModel)


def invalid(code: str, what: str, hint: str = "", *, short: str = "", **values: Scalar) -> PydanticCustomError:
    """Return the error for a validator to raise; the arguments are those of `problem_of`."""
    problem = problem_of(code, what, hint, short=short, place=HERE, **values)
    # The message is for developers: users see the problem, with its place.
    return PydanticCustomError("invalid", "{text}", {"problem": problem, "text": str(problem)})


def validate(document: Document, model: type[Model]) -> Model:
    """Return the document as a `model`.

    Raises:
        FileError: the document has problems; it carries all of them.

    """
    try:
        return model.model_validate({} if document.data is None else document.data)
    except ValidationError as error:
        raise FileError(problems_of(document, model, error)) from None


@dataclass(frozen=True, slots=True)
class SalvageResult(Generic[Model]):
    """The valid part of a document, so that later checks can find more problems in it."""

    model: Model
    problems: list[Problem]
    lost: frozenset[Loc]
    """The parts that were left out: `(key,)`, or `(key, position)` for an item of a list."""


def salvage(document: Document, model: type[Model], entries: str) -> SalvageResult[Model]:
    """Return the document as a `model` without its invalid parts.

    Args:
        document: the document.
        model: a model in which every key has a default.
        entries: the key of a list from which single invalid items are left out; any other key is left out whole.

    Raises:
        FileError: nothing valid is left.

    """
    data = {} if document.data is None else document.data
    try:
        return SalvageResult(model.model_validate(data), [], frozenset())
    except ValidationError as error:
        problems = problems_of(document, model, error)
        lost = {item["loc"][: 2 if item["loc"][:1] == (entries,) else 1] for item in error.errors()}
    if not isinstance(data, dict) or () in lost:
        raise FileError(problems)
    rest = {key: value for key, value in data.items() if (key,) not in lost}
    if entries in rest:
        rest[entries] = [item for position, item in enumerate(rest[entries]) if (entries, position) not in lost]
    return SalvageResult(model.model_validate(rest), problems, frozenset(lost))


def suggest(word: str, known: Sequence[str]) -> str:
    """Return `Did you mean ...?` with the most similar known word, or nothing if none is similar."""
    import difflib  # noqa: PLC0415 - only when something is wrong

    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]}?" if near else ""


def problems_of(document: Document, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Return the problems that pydantic found in a document."""
    found: dict[object, Problem] = {}
    for item in error.errors():
        problem = _problem(document, model, item)
        # For a union, pydantic reports an error of each member. Keep the last one: its text names all that is possible.
        is_kind = item["type"].endswith(("_type", "_parsing", "_from_float"))
        found[problem.place if is_kind else problem] = problem
    return in_order(found.values())


def _problem(document: Document, model: type[BaseModel], error: Mapping[str, Any]) -> Problem:
    loc, found = loc_in(document.data, error["loc"]), error.get("input")
    match error["type"]:
        case "extra_forbidden":
            return _unknown_key(document, loc, _keys_of(model, loc[:-1]))
        case "missing":
            key = str(error["loc"][-1])
            return document.problem((*loc, key), "missing-key", "is missing", f"Add {key}:", key=key)
        case "literal_error" | "enum":
            choices = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            what = f"{shown(found)} is not one of {', '.join(choices)}"
            return document.problem(loc, "not-a-choice", what, suggest(str(found), choices))
    own: Problem | None = error.get("ctx", {}).get("problem")
    if own is None:
        code, what, hint = sentence_of(error)
        return document.problem(loc, code, what, hint)
    text = shown(found)
    what = own.what if text in own.what or not is_plain(found) else f"{own.what} (found {text})"
    return replace(own, place=document.place(loc), what=what)


def _unknown_key(document: Document, loc: Loc, known: Sequence[str]) -> Problem:
    key = str(loc[-1])
    if not key.isprintable():  # copied from a web page, with a special space
        hint = "Type the key again: one of its characters is invisible"
        return document.problem(loc, "unknown-key", f"unknown key {key!a}", hint, key=key)
    hint = suggest(key, known) or f"Known here: {', '.join(known)}"
    return document.problem(loc, "unknown-key", "unknown key", hint, key=key)


def loc_in(data: Any, loc: Sequence[Any]) -> Loc:
    """Return `loc` without the parts that are not in the file, such as the members of a union."""
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
    """Return the keys of the model that is at `loc` in `model`."""
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
