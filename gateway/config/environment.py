"""Environment variables that override keys of the configuration, for containers.

`DSMR_GATEWAY_METER__HOST=192.168.1.13` is `meter.host`, and `DSMR_GATEWAY_MODBUS__0__LISTEN=:5020` is
`modbus[0].listen`. A value is read as it would be in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from gateway.files.document import Document, FileError, Loc
from gateway.files.yaml_file import parse
from gateway.problems.problem import Place, Problem, problem_of
from gateway.problems.quoting import cut, printable

PREFIX = "DSMR_GATEWAY_"
SEPARATOR = "__"
_KEYED = ("units", "meters")
"""Keys whose children are named by numbers; elsewhere a number is a position in a list."""


def is_overridden(environment: Mapping[str, str]) -> bool:
    """Return whether any variable sets a key of the configuration."""
    return any(name.startswith(PREFIX) for name in environment)


def override(document: Document, environment: Mapping[str, str]) -> list[Problem]:
    """Write the values of the variables into `document`; problems will name the variable.

    Returns:
        The problems of variables that name no place in the configuration, or whose value cannot be read.

    """
    problems: list[Problem] = []
    for name in sorted(environment, key=_in_order):
        if name.startswith(PREFIX):
            try:
                _put(document, name, parse(environment[name], name).data)
            except FileError as error:
                problems += [problem.at(Place(printable(name))) for problem in error.problems]
    return problems


def _put(document: Document, name: str, value: Any) -> None:
    *way, last = name.removeprefix(PREFIX).split(SEPARATOR)
    if document.data is None:
        document.data = {}
    container: Any = document.data
    loc: Loc = ()
    for part, following in pairwise([*way, last]):
        key = _key(name, container, part)
        loc = (*loc, key if isinstance(container, list) else str(key))
        beneath = _get(container, key)
        if not isinstance(beneath, dict | list):
            beneath = [] if following.isdecimal() and str(key).lower() not in _KEYED else {}
            _key(name, beneath, following)  # raises before an empty list is left behind
            _set(container, key, beneath)
        container = beneath
    key = _key(name, container, last)
    _set(container, key, value)
    document.variables[(*loc, key if isinstance(container, list) else str(key))] = printable(name)


def _in_order(name: str) -> list[tuple[int, str]]:
    """Return a sort key that puts the tenth item of a list after the second."""
    return [(int(part) if part.isdecimal() else -1, part) for part in name.split(SEPARATOR)]


def _key(name: str, container: Any, part: str) -> Any:
    """Return the key or position for a part of a variable's name, which is in capitals."""
    if isinstance(container, list):
        if not part.isdecimal() or int(part) > len(container):
            what = f"{cut(part)} is not a position in a list of {len(container)} entries"
            hint = f"The next position is {len(container)}"
            raise FileError([problem_of("not-a-position", what, hint, place=Place(name))])
        return int(part)
    if not part:
        hint = f"Write it like {PREFIX}METER__HOST"
        raise FileError([problem_of("variable-without-key", "the variable names no key", hint, place=Place(name))])
    known = next((key for key in container if str(key).upper() == part.upper()), None)
    return known if known is not None else int(part) if part.isdecimal() else part.lower()


def _get(container: Any, key: Any) -> Any:
    if isinstance(container, list):
        return container[key] if key < len(container) else None
    return container.get(key)


def _set(container: Any, key: Any, value: Any) -> None:
    if isinstance(container, list) and key == len(container):
        container.append(value)
    else:
        container[key] = value
