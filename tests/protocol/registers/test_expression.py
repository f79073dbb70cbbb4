"""Expressions: what they are worth, what is absent, and that nothing but an expression is taken for one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.p1.obis import Value, entry_of
from gateway.protocol.p1.readings import OWN_CHANNEL_1
from gateway.protocol.registers.expression import (
    FUNCTIONS,
    MAX_DEPTH,
    MAX_EXPRESSION_LENGTH,
    ExpressionError,
    compile_expression,
    conditions_of,
    readings_of,
    unit_of,
)

VALUES: dict[str, Value] = {"a": Decimal("230.1"), "b": Decimal("-4.5"), "n": 7, "zero": Decimal("0.000"), "t": "text"}


def worth(text: str, values: Mapping[str, Value] = VALUES) -> Value | None:
    return compile_expression(text).evaluate(values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "230.1"),
        ("  a\n", "230.1"),
        ("7", "7"),
        ("0.1", "0.1"),
        ("-b", "4.5"),
        ("--b", "-4.5"),
        ("a + b", "225.6"),
        ("a - b", "234.6"),
        ("a * b", "-1035.45"),
        ("n / 2", "3.5"),
        ("n - 2 - 1", "4"),
        ("n - (2 - 1)", "6"),
        ("n + 2 * 3", "13"),
        ("(n + 2) * 3", "27"),
        ("0.1 + 0.2", "0.3"),
        ("min(a, b, n)", "-4.5"),
        ("max(a, b, n)", "230.1"),
        ("min(a)", "230.1"),
        ("abs(b)", "4.5"),
        ("abs(b) + max(n, 0)", "11.5"),
        ("first(a, 0)", "230.1"),
        ("first(missing, n)", "7"),
        ("first(missing, gone, 0)", "0"),
        ("first(missing + 1, -n)", "-7"),
        ("first(zero, n)", "0"),
    ],
)
def test_an_expression_is_worth_what_arithmetic_says(text: str, expected: str) -> None:
    assert worth(text) == Decimal(expected)


@pytest.mark.parametrize(
    ("size", "by", "expected"),
    [("2", "-1", "-2"), ("2", "1", "2"), ("2", "0", "2"), ("-2", "-1", "-2"), ("-2", "1", "2"), ("0", "-1", "0")],
)
def test_sign_takes_the_size_of_one_and_the_direction_of_the_other(size: str, by: str, expected: str) -> None:
    assert worth("sign(a, b)", {"a": Decimal(size), "b": Decimal(by)}) == Decimal(expected)


def test_unless_is_absent_as_soon_as_one_of_the_others_is_present() -> None:
    assert worth("unless(a, missing)") == worth("unless(a, missing, gone)") == Decimal("230.1")
    for text in ("unless(a, n)", "unless(a, zero)", "unless(a, missing, n)", "unless(a, t)", "unless(missing, gone)"):
        assert worth(text) is None
    assert worth("first(unless(n, a), 3)") == 3


def test_a_text_is_passed_on_unchanged_and_is_not_a_number() -> None:
    assert worth("t") == "text"
    assert worth("first(missing, t)") == "text"
    for text in ("t + 1", "-t", "abs(t)", "max(t, 1)", "sign(a, t)"):
        assert worth(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "missing",
        "-missing",
        "a + missing",
        "missing - a",
        "missing * 0",
        "0 / missing",
        "min(a, missing)",
        "max(missing, a)",
        "abs(missing)",
        "sign(a, missing)",
        "sign(missing, a)",
        "first(missing, gone)",
        "a + first(missing)",
    ],
)
def test_what_is_made_of_something_absent_is_absent(text: str) -> None:
    assert worth(text) is None


@pytest.mark.parametrize("text", ["a / zero", "a / 0", "0 / 0", "n / (n - 7)"])
def test_a_division_by_zero_is_absent(text: str) -> None:
    assert worth(text) is None
    assert worth(f"first({text}, 5)") == 5


def test_the_names_of_readings_are_listed_and_those_of_functions_are_not() -> None:
    assert compile_expression("max(power_import, 0) - abs(power_export)").names == {"power_import", "power_export"}
    assert compile_expression("min + 1").names == {"min"}
    assert compile_expression("1").names == frozenset()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not an expression such as"),
        (" ", "is not an expression such as"),
        ("a +", "is not an expression such as"),
        ("a b", "is not an expression such as"),
        ("a = 1", "is not an expression such as"),
        ("a; b", "is not an expression such as"),
        ("import os", "is not an expression such as"),
        ("lambda: a", "'lambda: a' is not allowed here"),
        ("a ** 2", r"'a \*\* 2' is not allowed here"),
        ("a // 2", "'a // 2' is not allowed here"),
        ("a % 2", "'a % 2' is not allowed here"),
        ("a << 2", "'a << 2' is not allowed here"),
        ("+a", r"'\+a' is not allowed here"),
        ("~a", "'~a' is not allowed here"),
        ("not a", "'not a' is not allowed here"),
        ("a and b", "'a and b' is not allowed here"),
        ("a < b", "'a < b' is not allowed here"),
        ("a if b else 0", "'a if b else 0' is not allowed here"),
        ("a.real", "'a.real' is not allowed here"),
        ("a[0]", r"'a\[0\]' is not allowed here"),
        ("(a, b)", r"'\(a, b\)' is not allowed here"),
        ("[a]", r"'\[a\]' is not allowed here"),
        ("{a}", "'{a}' is not allowed here"),
        ("'text'", "is not allowed here"),
        ("True", "'True' is not allowed here"),
        ("None", "'None' is not allowed here"),
        ("1j", "'1j' is not allowed here"),
        ("1e999", "'1e999' is not allowed here"),
        ("(a := 1)", "'a := 1' is not allowed here"),
        ("first(a, b.c)", "'b.c' is not allowed here"),
        ("__import__('os')", r"no function __import__\(\); there are min, max, abs, first, "),
        ("round(a)", r"no function round\(\)"),
        ("a.b()", r"'a.b\(\)' is not allowed here"),
        ("abs(x=a)", "is not allowed here"),
        ("max(*a)", "is not allowed here"),
        ("abs()", r"abs\(\) takes 1 to 1 arguments, not 0"),
        ("abs(a, b)", r"abs\(\) takes 1 to 1 arguments, not 2"),
        ("sign(a)", r"sign\(\) takes 2 to 2 arguments, not 1"),
        ("min()", r"min\(\) takes 1 to 9 arguments, not 0"),
        ("a\0b", "is not an expression such as"),
    ],
)
def test_anything_else_is_refused_for_its_reason(text: str, why: str) -> None:
    with pytest.raises(ExpressionError, match=why):
        compile_expression(text)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_takes_no_more_arguments_than_it_says(name: str) -> None:
    least, most = FUNCTIONS[name]
    for count in range(most + 2):
        text = f"{name}({', '.join(['n'] * count)})"
        if least <= count <= most:
            assert compile_expression(text).names == {"n"}
        else:
            with pytest.raises(ExpressionError, match=f"takes {least} to {most} arguments, not {count}"):
                compile_expression(text)


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1e31", "1e-31", "1e400"])
def test_a_number_beyond_all_readings_is_not_a_number(number: str) -> None:
    assert worth("1" + "0" * 30) == Decimal(10) ** 30
    with pytest.raises(ExpressionError):
        compile_expression(f"power_net * {number}")


def test_the_longest_expression_is_read_and_one_character_more_is_not() -> None:
    text = "a" * MAX_EXPRESSION_LENGTH
    assert compile_expression(text).names == {text}
    with pytest.raises(ExpressionError, match=f"longer than {MAX_EXPRESSION_LENGTH} characters"):
        compile_expression(text + "a")


NESTED: dict[str, Callable[[int], str]] = {
    "signs": lambda n: "-" * n + "n",
    "functions": lambda n: "abs(" * n + "n" + ")" * n,
    "sums": lambda n: "0+" * n + "n",
    "parentheses": lambda n: "0+(" * n + "n" + ")" * n,
    "first of one": lambda n: "first(" * n + "n" + ")" * n,
    "unless": lambda n: "unless(" * n + "n" + ", x)" * n,
}


@pytest.mark.parametrize("nest", NESTED.values(), ids=NESTED)
def test_what_compiles_evaluates_however_deep_it_is_nested(nest: Callable[[int], str]) -> None:
    compiled = 0
    for depth in (*range(1, 2 * MAX_DEPTH), 490, 980):
        text = nest(depth)
        if len(text) > MAX_EXPRESSION_LENGTH:
            continue
        try:
            expression = compile_expression(text)
        except ExpressionError as error:
            assert "nest" in str(error)  # noqa: PT017 - only some of them are refused
            continue
        compiled = depth
        # Telegrams come when the stack is already deeper than it was at the start.
        assert abs(_deeper(sys.getrecursionlimit() // 3, lambda e=expression: e.evaluate(VALUES))) == 7  # type: ignore[misc]
    assert MAX_DEPTH // 2 < compiled < MAX_DEPTH


def _deeper(frames: int, call: Callable[[], Value]) -> Decimal:
    return Decimal(call()) if frames == 0 else _deeper(frames - 1, call)


@given(st.text(alphabet=st.sampled_from("ab01.+-*/(), \n\t'\"#_=<>[]{}:;\\minaxfrst\0\u00e9"), max_size=60) | st.text())
@settings(max_examples=500)
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        expression = compile_expression(text)
    except ExpressionError:
        return
    value = expression.evaluate(dict.fromkeys(expression.names, Decimal(3)))
    assert value is None or isinstance(value, (Decimal, int))


operators = st.sampled_from("+-*")


def formulas() -> st.SearchStrategy[str]:
    atoms = st.sampled_from(["a", "b", "n"]) | st.integers(0, 50).map(str) | st.just("0.25")
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.tuples(inner, operators, inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
            inner.map(lambda t: f"-{t}"),
            st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        ),
        max_leaves=6,
    )


@given(formulas())
@settings(max_examples=300)
def test_a_formula_agrees_with_exact_fractions(text: str) -> None:
    # Python itself works it out, over numbers that lose nothing.
    exact = {name: Fraction(VALUES[name]) for name in ("a", "b", "n")} | {"min": min, "max": max}
    value = worth(text)
    assert value is not None
    assert Fraction(value) == Fraction(eval(text.replace("0.25", "Fraction('0.25')"), {"Fraction": Fraction, **exact}))


def test_a_line_is_looked_up_by_its_code() -> None:
    assert worth('obis("1-0:1.7.0") * 2', {"power_import": Decimal(230)}) == 460
    assert worth('obis("1-0:1.7.0")', {}) is None
    assert worth('obis("0-0:96.1.1")', {"equipment_identifier": "E0012"}) is None
    assert compile_expression('obis("1-0:1.7.0")').codes == {"1-0:1.7.0"}


@pytest.mark.parametrize("code", ["", "1.7.0", "1-0:1.7", "1-0:256.7.0", "1-999:1.7.0", "power_import"])
def test_what_is_not_a_code_is_not_looked_up(code: str) -> None:
    with pytest.raises(ExpressionError, match=r"obis\(\) takes a code as it is on the line"):
        compile_expression(f'obis("{code}")')


def test_a_code_has_the_unit_and_the_reading_of_its_line() -> None:
    assert (unit_of("1-0:1.7.0"), readings_of("1-0:1.7.0")) == ("W", {"power_import"})
    assert unit_of("1-0:199.7.0") is None


def test_a_constant_stands_for_its_number_and_other_names_stay() -> None:
    compiled = compile_expression("a * ratio - offset", {"ratio": 2, "offset": -3})
    assert compiled.names == {"a"}
    assert compiled.evaluate({"a": Decimal("1.5")}) == 6


def test_a_line_of_the_meters_own_channel_1_is_found_by_the_code_on_it() -> None:
    of_phase, of_total = ("1-1:1.7.0", "1-0:1.7.0")
    name, own = entry_of(of_phase).name, entry_of(of_total).name
    line = compile_expression(f'obis("{of_phase}")').evaluate
    assert line({own: Decimal(5)}) is None
    assert line({own: Decimal(5), OWN_CHANNEL_1: 1}) == 5
    assert line({own: Decimal(5), name: Decimal(6), OWN_CHANNEL_1: 1}) == 6
    assert line({own: "text", OWN_CHANNEL_1: 1}) is None


def test_the_readings_of_a_code_are_those_of_its_line_and_of_the_meters_own_channel() -> None:
    both = readings_of("1-1:1.7.0")
    assert both == {entry_of("1-1:1.7.0").name, "power_import"}
    assert readings_of("1-0:1.7.0") == {"power_import"}


def test_an_expression_that_cannot_be_read_is_quoted() -> None:
    with pytest.raises(ExpressionError, match=r"a \+\* b.* is not an expression such as power_net / 1000"):
        compile_expression("a +* b")


def test_an_expression_may_be_a_hundred_levels_deep() -> None:
    """A name is two levels of Python's tree, and each sign is one."""
    padding = " " * MAX_DEPTH
    assert compile_expression("-" * (MAX_DEPTH - 2) + "a" + padding).names == {"a"}
    with pytest.raises(ExpressionError, match="100 deep"):
        compile_expression("-" * (MAX_DEPTH - 1) + "a" + padding)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a" * (MAX_EXPRESSION_LENGTH + 1), "longer than 1000 characters"),
        ("-" * 150 + "a", "nested more than 100 deep"),
        ("a b", "'a b' is not an expression such as power_net / 1000"),
        ("a * 2e30", "a number is 0, or from 1e-30 to 1e+30"),
        ("abs(a, b)", "abs() takes 1 to 1 arguments, not 2"),
        ("round(a)", "no function round(); there are min, max, abs, first, sign, unless"),
        ("obis('x')", 'obis() takes a code as it is on the line, such as obis("1-1:1.7.0")'),
        ("obis()", 'obis() takes a code as it is on the line, such as obis("1-1:1.7.0")'),
        *((form.format("[1]"), "'[1]' is not allowed here") for form in ("{}", " {} ", "{} + a", "a + {}", "-{}")),
        *((form.format("[1]"), "'[1]' is not allowed here") for form in ("abs({})", "min(a, {})", "first(a, {})")),
        ("unless(a, [1])", "'[1]' is not allowed here"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_where(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("number", ["0", "1e-30", "1e30", "-1e30", "0.0"])
def test_the_smallest_and_the_largest_number_are_read(number: str) -> None:
    assert worth(number) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("a + b", []),
        ("first(a, b)", []),
        ("unless(a, b)", [{"b"}]),
        ("unless(a, b, -n)", [{"b", "n"}]),
        ("unless(a, b) + unless(n, zero)", [{"b"}, {"zero"}]),
        ("unless(unless(a, b), n)", [{"n"}, {"b"}]),
    ],
)
def test_the_conditions_of_an_expression_are_what_must_be_absent(text: str, conditions: list[set[str]]) -> None:
    assert list(conditions_of(compile_expression(text).tree)) == conditions
