"""The settings of a map: numbers with a default that a unit may choose, and the unit id.

They are constants of the map's expressions. A real meter has them too: the ratio of its current transformers, or its
address, which clients read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from gateway.maps.file import Part
from gateway.maps.register_keys import ABSENT
from gateway.problems.problem import Problem
from gateway.problems.quoting import cut
from gateway.protocol.p1.names import NAMES
from gateway.protocol.registers.expression import FUNCTIONS, ExpressionError, compile_expression

UNIT_ID = "unit_id"
"""Name of the setting that every map has."""

Constants = Mapping[str, int | float]
"""Name of a setting → its number."""


def check_settings(chain: Sequence[Part]) -> list[Problem]:
    """Return a problem for each setting whose name already means something else."""
    taken = {UNIT_ID, ABSENT, *NAMES, *FUNCTIONS}
    return [
        part.document.problem(("settings", name), "name-is-taken", f"{cut(name)} already has a meaning", "Rename it")
        for part in chain
        for name in part.file.settings
        if name in taken
    ]


def scale_of(scale: float | str, constants: Constants) -> Decimal | None:
    """Return the number of a `scale`, which may be an expression of settings; None if it is none, or 0."""
    number = _number_of(scale, constants) if isinstance(scale, str) else Decimal(str(scale))
    return number if number.is_finite() and number != 0 else None


def _number_of(text: str, constants: Constants) -> Decimal:
    """Return the value of an expression of settings, 0 if it is none."""
    try:
        expression = compile_expression(text, constants)
    except ExpressionError:
        return Decimal(0)
    value = None if expression.names or expression.codes else expression.evaluate({})
    return Decimal(0) if value is None or isinstance(value, str) else Decimal(value)
