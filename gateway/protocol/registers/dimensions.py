"""Check the units of an expression: volts and watts cannot be added.

`dimension_of` walks the tree of the expression. Each reading has a base unit; sums and comparisons need one unit, and
a product or quotient has a unit only if the other side is a plain number.
"""

from __future__ import annotations

import ast

from gateway.problems.quoting import cut
from gateway.protocol.p1.names import NAMES
from gateway.protocol.registers.expression import code_of, unit_of


class UnitError(ValueError):
    """An expression mixes quantities; the author of the map must correct it."""


def dimension_of(tree: ast.expr) -> str | None:
    """Return the base unit of a compiled expression over known names; None for a number without unit.

    Raises:
        UnitError: quantities of different units are added or compared.

    """
    match tree:
        case ast.Name(id=name):
            return NAMES[name].unit
        case ast.Call(func=ast.Name(id="obis")):
            return unit_of(code_of(tree) or "")
        case ast.UnaryOp(operand=operand):
            return dimension_of(operand)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            units = [unit for unit in (dimension_of(left), dimension_of(right)) if unit]
            return units[0] if len(units) == 1 else None
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            dividend, divisor = dimension_of(left), dimension_of(right)
            return dividend if divisor is None else None
        case ast.BinOp(left=left, right=right):
            return _common([left, right])
        case ast.Call(func=ast.Name(id="sign" | "unless"), args=arguments):
            unit, *_ = (dimension_of(argument) for argument in arguments)
            return unit
        case ast.Call(args=arguments):
            return _common(arguments)
    return None


def _common(parts: list[ast.expr]) -> str | None:
    """Return the unit of all parts; a plain number goes with any unit."""
    units = {dimension_of(part) for part in parts if not _is_plain_number(part)}
    if len(units) > 1:
        names = " and ".join(sorted(unit or "a number without unit" for unit in units))
        mixed = ", ".join(cut(ast.unparse(part)) for part in parts)
        raise UnitError(f"{mixed} cannot be combined: they are in {names}")
    return units.pop() if units else None


def _is_plain_number(tree: ast.expr) -> bool:
    """Return whether it contains no reading, as -100 or 2 * 3."""
    return not any((isinstance(node, ast.Name) and node.id in NAMES) or code_of(node) for node in ast.walk(tree))
