"""Validates plain data from a YAML file with a pydantic model, and reports every problem with its place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import Any, Generic, TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from gateway.files.document import Document, FileError, Loc, dotted
from gateway.files.pydantic_errors import is_plain, sentence_of, shown
from gateway.problems.problem import HERE, Problem, Scalar, in_order, problem_of
from gateway.problems.quoting import cut, quoted

Model = TypeVar("Model", bound=BaseModel)

MAX_FOUND = 1000
"""Largest number of errors that become problems: of a value with several possible types, each has one."""
MAX_COMPARED, MAX_WORD_CHARACTERS = 500, 60
"""Largest number of known words, and of characters, that a misspelled word is compared with and by."""
MIN_PART_CHARACTERS = 3
"""Smallest length of a part of a known word that stands for it."""


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
    """Return `Did you mean ...?` with the most similar known word, or one that contains this one; or nothing."""
    import difflib  # noqa: PLC0415 - only when something is wrong

    if len(known) > MAX_COMPARED:
        known = [name for name in known if name[:1] == word[:1]][:MAX_COMPARED]
    word = word[:MAX_WORD_CHARACTERS]
    near = difflib.get_close_matches(word, known, n=1)
    if not near and len(word) >= MIN_PART_CHARACTERS:
        near = [name for name in known if word.casefold() in name.casefold()]
    return f"Did you mean {near[0]}?" if near else ""


def problems_of(document: Document, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Return the problems that pydantic found in a document."""
    found: dict[object, Problem] = {}
    for item in islice(error.errors(), MAX_FOUND):
        problem = _problem(document, model, item)
        # For a union, pydantic reports an error of each member. Keep the last one: its text names all that is possible.
        is_kind = item["type"].endswith(("_type", "_parsing", "_from_float"))
        found[problem.place if is_kind else problem] = problem
    return in_order(found.values())


def _problem(document: Document, model: type[BaseModel], error: Mapping[str, Any]) -> Problem:
    loc, found = loc_in(document.data, error["loc"]), error.get("input")
    match error["type"]:
        case "extra_forbidden" | "invalid_key":
            return _unknown_key(document, loc, model)
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


def _unknown_key(document: Document, loc: Loc, model: type[BaseModel]) -> Problem:
    key, known = str(loc[-1]), _keys_of(model, loc[:-1])
    if not key.isprintable():  # copied from a web page, with a special space
        hint = "Type the key again: one of its characters is invisible"
        return document.problem(loc, "unknown-key", f"unknown key {quoted(key)}", hint, key=cut(key))
    hint = _right_level(document, loc, model) or suggest(key, known) or _elsewhere(document, loc, model)
    if not hint and key.isdecimal() and _value_at(document.data, loc) is None:  # `scale: 0,1` is two keys
        hint = "If it is the end of a number with a comma, write a point, such as 0.1"
    hint = hint or f"Known here: {', '.join(known)}"
    return document.problem(loc, "unknown-key", "unknown key", hint, key=cut(key))


def _right_level(document: Document, loc: Loc, model: type[BaseModel]) -> str:
    """Return where a key belongs that is a level too deep, or not deep enough; empty for another mistake."""
    key = str(loc[-1])
    for depth in range(len(loc) - 2, -1, -1):
        keys, beside = _keys_of(model, loc[:depth]), loc[depth]
        if key in keys and beside in keys:
            return f"It belongs beside {beside}, not in it. {_indented_like(document, loc[: depth + 1])}"
    container = _value_at(document.data, loc[:-1])
    before = [name for name in takewhile(lambda name: str(name) != key, container) if isinstance(name, str)]
    fields = getattr(_model_at(model, loc[:-1]), "model_fields", {})
    for name in reversed(before):
        if name in fields and _takes(fields[name].annotation, key):
            is_list = get_origin(fields[name].annotation) is list
            return _inside(document, (*loc[:-1], name), container[name], f"- {key}: ..." if is_list else "")
    return ""


def _elsewhere(document: Document, loc: Loc, model: type[BaseModel]) -> str:
    """Return where a key belongs that is a key of only one part below it, or of the document; empty for another key."""
    key, here = str(loc[-1]), loc[:-1]
    for data, part, start in (
        (_value_at(document.data, here), _model_at(model, here), here),
        (document.data, model, ()),
    ):
        places = list(islice(_places(data, key, part, start), 2))
        if len(places) == 1:
            return f"It belongs in {dotted(places[0])}"
    return ""


def _places(data: Any, key: str, model: Any, loc: Loc) -> Iterator[Loc]:
    """Yield the parts of `data` that can have a key of that name; of a list or a mapping, only the first entry.

    Where a part is missing, its default counts.
    """
    if isinstance(data, BaseModel):
        data = dict(data)
    if not isinstance(data, dict):
        return
    fields = getattr(model, "model_fields", {})
    if key in fields:
        yield loc
    for name, field in fields.items():
        inner = data[name] if name in data else field.get_default(call_default_factory=True)
        here: Loc = (*loc, name)
        annotation = field.annotation
        if get_origin(annotation) is list and isinstance(inner, list) and inner:
            inner, here = inner[0], (*here, 0)
        elif get_origin(annotation) is dict and isinstance(inner, dict) and inner:
            first = next(iter(inner))
            inner, here = inner[first], (*here, str(first))
        yield from _places(inner, key, _model_in(annotation), here)


def _inside(document: Document, loc: Loc, value: Any, as_item: str) -> str:
    """Return how to write a key inside the value at `loc`; `as_item` is how it looks as the first item of a list."""
    name, line = loc[-1], document.position(loc)[0]
    if isinstance(value, list) and value and isinstance(value[-1], dict) and value[-1]:
        first = str(next(iter(value[-1])))
        return f"It belongs in an item of {name}. {_indented_like(document, (*loc, len(value) - 1, first))}"
    if isinstance(value, dict) and value:
        return f"It belongs in {name}. {_indented_like(document, (*loc, str(next(iter(value)))))}"
    if as_item:
        return f'It belongs in {name}. Write "{as_item}" below line {line}, indented by two spaces'
    return f"It belongs in {name}. Indent it by two spaces more than line {line}"


def _indented_like(document: Document, loc: Loc) -> str:
    spaces = document.position(loc)[1] - 1
    return f"Indent it with {spaces} spaces" if spaces else "Begin a line with it"


def _takes(annotation: Any, key: str) -> bool:
    """Return whether a value of that type can have a key of that name."""
    if get_origin(annotation) is dict:
        return key.isdecimal()
    return key in getattr(_model_in(annotation), "model_fields", {})


def _value_at(data: Any, loc: Loc) -> Any:
    for part in loc:
        data = data[next(key for key in data if str(key) == part)] if isinstance(data, dict) else data[part]
    return data


def loc_in(data: Any, loc: Sequence[Any]) -> Loc:
    """Return `loc` without the parts that are not in the file, such as the members of a union."""
    found: list[str | int] = []
    for part in loc:
        if isinstance(data, dict):
            key = part if part in data else next((key for key in data if str(key) == str(part)), None)
            if key is not None:
                found.append(str(key))
                data = data[key]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            found.append(part)
            data = data[part]
    return tuple(found)


def _keys_of(model: type[BaseModel], loc: Loc) -> list[str]:
    """Return the keys of the model that is at `loc` in `model`."""
    return list(_model_at(model, loc).model_fields)


def _model_at(model: type[BaseModel], loc: Loc) -> Any:
    current: Any = model
    for part in loc:
        fields = getattr(current, "model_fields", {})
        if part in fields:
            current = _model_in(fields[part].annotation) or current
    return current


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, getattr(annotation, "__args__", ()))), None)
