"""The expressions of register maps, evaluated over fractions and without the gateway's own code."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any


def evaluate(text: str, values: Mapping[str, Any]) -> Fraction | None:
    """The number that an expression makes of readings (name → number in base units); None when it is absent."""
    names = _Names(_FUNCTIONS)
    names.values_by_name = values
    # Only the project's own map files are evaluated; Python's own rules of precedence are what the language promises.
    return _maybe(eval(text, {"__builtins__": {}}, names)).number


class _Names(dict[str, Any]):
    """Functions, and what is no function is a reading, absent where the telegram lacks it."""

    values_by_name: Mapping[str, Any]

    def __missing__(self, name: str) -> _Maybe:
        return _maybe(self.values_by_name.get(name))


class _Maybe:
    """A number that may be absent, and then makes absent whatever is made of it."""

    def __init__(self, number: Fraction | None) -> None:
        self.number = number

    def __add__(self, other: object) -> _Maybe:
        return _apply(lambda a, b: a + b, self, other)

    def __sub__(self, other: object) -> _Maybe:
        return _apply(lambda a, b: a - b, self, other)

    def __mul__(self, other: object) -> _Maybe:
        return _apply(lambda a, b: a * b, self, other)

    def __truediv__(self, other: object) -> _Maybe:
        return _apply(lambda a, b: a / b if b else None, self, other)

    def __radd__(self, other: object) -> _Maybe:
        return _maybe(other) + self

    def __rsub__(self, other: object) -> _Maybe:
        return _maybe(other) - self

    def __rmul__(self, other: object) -> _Maybe:
        return _maybe(other) * self

    def __rtruediv__(self, other: object) -> _Maybe:
        return _maybe(other) / self

    def __neg__(self) -> _Maybe:
        return 0 - self


def _maybe(number: object) -> _Maybe:
    if isinstance(number, _Maybe):
        return number
    return _Maybe(None if number is None or isinstance(number, str) else Fraction(str(number)))


def _apply(function: Any, *arguments: object) -> _Maybe:
    numbers = [_maybe(argument).number for argument in arguments]
    return _Maybe(None if None in numbers else function(*numbers))


def _present(*arguments: object) -> list[_Maybe]:
    return [each for each in map(_maybe, arguments) if each.number is not None]


_FUNCTIONS = {
    "min": lambda *arguments: _apply(min, *arguments),
    "max": lambda *arguments: _apply(max, *arguments),
    "abs": lambda argument: _apply(abs, argument),
    "first": lambda *arguments: next(iter(_present(*arguments)), _Maybe(None)),
    "sign": lambda size, by: _apply(lambda a, b: -abs(a) if b < 0 else abs(a), size, by),
    "unless": lambda number, *others: _Maybe(None) if _present(*others) else _maybe(number),
}
