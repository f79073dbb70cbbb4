"""Expressions of register maps, such as `power_import - power_export` or `first(energy_import, 0)`.

When a map is loaded, each expression is compiled once into a function of the readings' values. Python's parser makes
a syntax tree of the text; each node of the tree becomes a closure over the closures of its parts. Python itself never
executes the text. An expression may contain names, numbers, `+ - * /`, parentheses and the functions of `FUNCTIONS`. It
may also contain `obis("1-1:1.7.0")`, the value of any line by its code. If a part is absent, the result is absent; some
functions make an exception.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import inf

from gateway.problems.quoting import cut, quoted
from gateway.protocol.p1.obis import Value, entry_of, own_entry
from gateway.protocol.p1.obis_line import CODE
from gateway.protocol.p1.readings import OWN_CHANNEL_1

Evaluate = Callable[[Mapping[str, Value]], Value | None]
"""Function from the values of readings to the value of an expression; None if that is absent."""

MAX_EXPRESSION_LENGTH = 1000
"""Longest expression, in characters: far more than a formula needs, far less than deep nesting takes."""
MAX_DEPTH = 100
"""Largest number of operators and functions within each other; evaluating them takes stack."""

SMALLEST_NUMBER, LARGEST_NUMBER = 1e-30, 1e30
"""Limits of the size of a number in an expression, beyond every reading and every register but a float."""

FUNCTIONS = {"min": (1, 9), "max": (1, 9), "abs": (1, 1), "first": (1, 9), "sign": (2, 2), "unless": (2, 9)}
"""Function → least and most arguments.

`first(a, b)` is the first argument that is present. `sign(a, b)` is the size of `a` with the sign of `b`: a meter
sends a current without sign, and the power of its phase has one. `unless(a, b, c)` is `a` if neither `b` nor `c` is
present: some values are only valid for a meter with one phase.
"""


_CODE = re.compile(CODE)
MAX_GROUP = 255
"""Largest number of a value group of an OBIS code."""


class ExpressionError(ValueError):
    """A `value` in a register map is not an expression; the author of the map must correct it."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled `value`."""

    text: str
    names: frozenset[str]
    """Names of readings."""
    codes: frozenset[str]
    """OBIS codes of `obis()`."""
    evaluate: Evaluate
    tree: ast.expr


class _Constants(ast.NodeTransformer):
    """Replaces names by the constants that they stand for."""

    def __init__(self, constants: Mapping[str, int | float]) -> None:
        self._constants = constants

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return the constant of a name that has one."""
        if node.id not in self._constants:
            return node
        number = self._constants[node.id]
        constant: ast.expr = ast.Constant(abs(number))
        return ast.copy_location(ast.UnaryOp(ast.USub(), constant) if number < 0 else constant, node)


def compile_expression(text: str, constants: Mapping[str, int | float] | None = None) -> Expression:
    """Compile `text`; each name in `constants` stands for its number.

    Raises:
        ExpressionError: it contains anything but names, numbers, operators and the functions above.

    """
    if len(text) > MAX_EXPRESSION_LENGTH:
        raise ExpressionError(f"longer than {MAX_EXPRESSION_LENGTH} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        if constants and any(name in text for name in constants):
            tree = _Constants(constants).visit(tree)
        if len(text) > MAX_DEPTH and _depth(tree) > MAX_DEPTH:  # each level takes a character
            raise ExpressionError(f"nested more than {MAX_DEPTH} deep")
        evaluate = _compile(tree, text)
    except ExpressionError:
        raise
    except (SyntaxError, ValueError):  # ValueError for the character NUL in Python 3.11
        raise ExpressionError(f"{quoted(text)} is not an expression such as power_net / 1000") from None
    except (RecursionError, MemoryError):  # Python's parser raises either
        raise ExpressionError("nested too deeply") from None
    nodes = list(ast.walk(tree))
    functions = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    names = {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in functions}
    codes = {code for node in nodes if (code := code_of(node))}
    return Expression(text, frozenset(names), frozenset(codes), evaluate, tree)


def conditions_of(tree: ast.expr) -> Iterator[frozenset[str]]:
    """Yield, for each `unless()` of an expression, the names of the readings that must all be absent for its value."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="unless"), args=[_, *others]):
                yield frozenset(each.id for other in others for each in ast.walk(other) if isinstance(each, ast.Name))


def code_of(node: ast.AST) -> str | None:
    """Return the OBIS code of a call of `obis()`, or None for any other node."""
    match node:
        case ast.Call(func=ast.Name(id="obis"), args=[ast.Constant(value=str() as code)], keywords=[]):
            return code
    return None


def readings_of(code: str) -> frozenset[str]:
    """Return the names of the readings that `obis()` of this code can come from."""
    own = own_entry(code)
    return frozenset({entry_of(code).name, own.name} if own else {entry_of(code).name})


def unit_of(code: str) -> str | None:
    """Return the base unit of the line with this code; None if only the line itself has it."""
    return (own_entry(code) or entry_of(code)).unit


def _depth(node: ast.AST) -> int:
    return 1 + max(map(_depth, ast.iter_child_nodes(node)), default=0)


def _compile(node: ast.expr, text: str) -> Evaluate:
    match node:
        case ast.Name(id=name):
            return lambda values: values.get(name)
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool) and number != inf:
            if number and not SMALLEST_NUMBER <= abs(number) <= LARGEST_NUMBER:
                raise ExpressionError(f"a number is 0, or from {SMALLEST_NUMBER:g} to {LARGEST_NUMBER:g}")
            constant = Decimal(str(number))
            return lambda _: constant
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _number(operand, text)
            return lambda values: None if (value := inner(values)) is None else -value
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _binary(_OPERATORS[type(op)], _number(left, text), _number(right, text))
        case ast.Call(func=ast.Name(id="obis")):
            return _line(code_of(node) or "")
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            least, most = FUNCTIONS[name]
            if not least <= len(arguments) <= most:
                raise ExpressionError(f"{name}() takes {least} to {most} arguments, not {len(arguments)}")
            compiler = _compile if name in ("first", "unless") else _number
            return _function(name, [compiler(argument, text) for argument in arguments])
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            raise ExpressionError(f"no function {cut(name)}(); there are {', '.join(FUNCTIONS)}")
    raise ExpressionError(f"{quoted(ast.get_source_segment(text.strip(), node))} is not allowed here")


def _line(code: str) -> Evaluate:
    """Return the function that looks up the number of a line by its code."""
    if not _CODE.fullmatch(code) or any(int(group) > MAX_GROUP for group in re.findall("[0-9]+", code)):
        raise ExpressionError('obis() takes a code as it is on the line, such as obis("1-1:1.7.0")')
    name, own = entry_of(code).name, own_entry(code)

    def line(values: Mapping[str, Value]) -> Value | None:
        value = values.get(name)
        if value is None and own and OWN_CHANNEL_1 in values:
            value = values.get(own.name)
        return None if isinstance(value, str) else value

    return line


_Number = Callable[[Mapping[str, Value]], Decimal | int | None]


def _number(node: ast.expr, text: str) -> _Number:
    evaluate = _compile(node, text)

    def number(values: Mapping[str, Value]) -> Decimal | int | None:
        value = evaluate(values)
        return None if isinstance(value, str) else value

    return number


def _divide(left: Decimal | int, right: Decimal | int) -> Decimal | None:
    return Decimal(left) / right if right else None


_OPERATORS: dict[type[ast.operator], Callable[[Decimal | int, Decimal | int], Decimal | int | None]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: _divide,
}


def _binary(
    operator: Callable[[Decimal | int, Decimal | int], Decimal | int | None], left: _Number, right: _Number
) -> Evaluate:
    def binary(values: Mapping[str, Value]) -> Value | None:
        a, b = left(values), right(values)
        return None if a is None or b is None else operator(a, b)

    return binary


def _function(name: str, arguments: list[Evaluate]) -> Evaluate:
    if name == "first":
        return lambda values: next((v for argument in arguments if (v := argument(values)) is not None), None)
    if name == "unless":
        what, *others = arguments
        return lambda values: None if any(other(values) is not None for other in others) else what(values)
    apply = _APPLY[name]

    def function(values: Mapping[str, Value]) -> Value | None:
        present = [value for argument in arguments if (value := argument(values)) is not None]
        return apply(present) if len(present) == len(arguments) else None

    return function


def _sign(arguments: list[Value]) -> Value:
    size, by = (Decimal(argument) for argument in arguments)
    return -abs(size) if by < 0 else abs(size)


_APPLY: dict[str, Callable[[list[Value]], Value]] = {
    "min": lambda arguments: min(Decimal(argument) for argument in arguments),
    "max": lambda arguments: max(Decimal(argument) for argument in arguments),
    "abs": lambda arguments: abs(Decimal(arguments[0])),
    "sign": _sign,
}
