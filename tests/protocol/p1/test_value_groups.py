"""The value groups of one line, by the kind of its code: their value, or the reason why they do not fit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gateway.protocol.p1.obis import Entry, Kind, Value
from gateway.protocol.p1.value_groups import UnreadableError, decode, to_base

STAMP, MOMENT = "210118070001W", 1_610_949_601
"""A time stamp, and its moment in unix seconds."""
HOURLY = ["210118070000", "00", "60", "1", "0-1:24.2.1", "m3", "00012.345"]


def hourly(**changed: str) -> list[str]:
    names = ("stamp", "status", "period", "count", "code", "unit", "number")
    return [changed.get(name, group) for name, group in zip(names, HOURLY, strict=True)]


@pytest.mark.parametrize(
    ("kind", "groups", "decoded"),
    [
        (Kind.NUMBER, ["012.5*kW"], (Decimal("12.5"), "kW", None)),
        (Kind.NUMBER, ["12.5kW"], (Decimal("12.5"), "kW", None)),
        (Kind.NUMBER, ["-12.5"], (Decimal("-12.5"), None, None)),
        (Kind.NUMBER, [""], (None, None, None)),
        (Kind.NUMBER, ["  "], (None, None, None)),
        (Kind.NUMBER, ["9" * 18 + "." + "9" * 12 + "*W"], (Decimal("9" * 18 + "." + "9" * 12), "W", None)),
        (Kind.FACTOR, ["0.998"], (Decimal("0.998"), None, None)),
        (Kind.FACTOR, ["0998"], (Decimal("0.998"), None, None)),
        (Kind.FACTOR, ["-0998"], (Decimal("-0.998"), None, None)),
        (Kind.FACTOR, ["998"], (Decimal(998), None, None)),
        (Kind.FACTOR, ["-998"], (Decimal(-998), None, None)),
        (Kind.FACTOR, ["0998*W"], (Decimal(998), "W", None)),
        (Kind.FACTOR, ["1.00"], (Decimal("1.00"), None, None)),
        (Kind.FACTOR, [""], (None, None, None)),
        (Kind.COUNT, ["00012"], (12, None, None)),
        (Kind.COUNT, ["9" * 18], (int("9" * 18), None, None)),
        (Kind.COUNT, [""], (None, None, None)),
        (Kind.TEXT, ["50"], ("50", None, None)),
        (Kind.TEXT, [""], (None, None, None)),
        (Kind.OCTETS, ["4B38"], ("K8", None, None)),
        (Kind.OCTETS, ["4B380000"], ("K8", None, None)),
        (Kind.OCTETS, ["4B3858"], ("K8X", None, None)),
        (Kind.OCTETS, ["0000"], ("0000", None, None)),
        (Kind.OCTETS, ["1F"], ("1F", None, None)),
        (Kind.OCTETS, ["plain"], ("plain", None, None)),
        (Kind.OCTETS, [""], (None, None, None)),
        (Kind.CLOCK, [STAMP], (MOMENT, None, None)),
        (Kind.CLOCK, ["000101000000W"], (None, None, None)),
        (Kind.TIMED, [STAMP, "00001.000*m3"], (Decimal("1.000"), "m3", MOMENT)),
        (Kind.TIMED, ["00001.000*m3", STAMP], (Decimal("1.000"), "m3", MOMENT)),
        (Kind.TIMED, [STAMP, "00000.000*m3"], (Decimal("0.000"), "m3", MOMENT)),
        (Kind.TIMED, ["632525252525W", "00001.000*m3"], (Decimal("1.000"), "m3", None)),
        (Kind.TIMED, ["632525252525W", "00000.000*m3"], (None, None, None)),
        (Kind.TIMED, [STAMP, "00001.000"], (None, None, None)),
        (Kind.PEAK, ["07.072*kW"], (Decimal("7.072"), "kW", None)),
        (Kind.PEAK, [STAMP, "07.072*kW"], (Decimal("7.072"), "kW", MOMENT)),
        (Kind.HOURLY, HOURLY, (Decimal("12.345"), "m3", MOMENT - 1)),
        (Kind.HOURLY, hourly(status=""), (Decimal("12.345"), "m3", MOMENT - 1)),
        (Kind.HOURLY, hourly(status="F8"), (Decimal("12.345"), "m3", MOMENT - 1)),
        (Kind.HOURLY, hourly(status="02"), (Decimal("12.345"), "m3", None)),
        (Kind.HOURLY, hourly(status="01"), (None, None, None)),
        (Kind.HOURLY, hourly(status="04"), (None, None, None)),
        (Kind.HOURLY, hourly(status="0400"), (Decimal("12.345"), "m3", MOMENT - 1)),
        (Kind.HOURLY, hourly(number=""), (None, None, None)),
        (Kind.HOURLY, hourly(number="", status="x"), (None, None, None)),
        (Kind.OTHER, ["12.5*kW"], (Decimal("12.5"), "kW", None)),
        (Kind.OTHER, ["12.5kW"], (Decimal("12.5"), "kW", None)),
        (Kind.OTHER, ["12*kW"], (Decimal(12), "kW", None)),
        (Kind.OTHER, ["12kW"], ("(12kW)", None, None)),
        (Kind.OTHER, ["12.5*hp"], ("(12.5*hp)", None, None)),
        (Kind.OTHER, ["12.5"], ("(12.5)", None, None)),
        (Kind.OTHER, [STAMP, "12.5*kW"], (Decimal("12.5"), "kW", MOMENT)),
        (Kind.OTHER, [STAMP, "12.5kW"], (f"({STAMP})(12.5kW)", None, None)),
        (Kind.OTHER, ["x", "12.5*kW"], ("(x)(12.5*kW)", None, None)),
        (Kind.OTHER, [STAMP, "x*kW"], (f"({STAMP})(x*kW)", None, None)),
        (Kind.OTHER, ["1", "", "2"], ("(1)()(2)", None, None)),
        (Kind.OTHER, ["", ""], (None, None, None)),
    ],
)
def test_value_groups_are_worth_this(
    kind: Kind, groups: list[str], decoded: tuple[Value | None, str | None, int | None]
) -> None:
    found = decode(kind, groups)
    assert found == decoded
    assert [type(each) for each in found] == [type(each) for each in decoded]


@pytest.mark.parametrize(
    ("kind", "groups", "reason"),
    [
        (Kind.NUMBER, ["x*kW"], "'x*kW' is not a number"),
        (Kind.NUMBER, ["1" * 19 + "*W"], f"'{'1' * 19}*W' is not a number"),
        (Kind.NUMBER, ["1." + "1" * 13 + "*W"], f"'1.{'1' * 13}*W' is not a number"),
        (Kind.NUMBER, ["1*kW", "2*kW"], "2 value groups, expected one"),
        (Kind.COUNT, ["-1"], "'-1' is not a whole number"),
        (Kind.COUNT, ["1" * 19], f"'{'1' * 19}' is not a whole number"),
        (Kind.TEXT, [], "0 value groups, expected one"),
        (Kind.OCTETS, ["41", "42"], "2 value groups, expected one"),
        (Kind.CLOCK, [STAMP, STAMP], "2 value groups, expected one"),
        (Kind.TIMED, ["1*m3"], "1 value groups, expected a time and a value"),
        (Kind.TIMED, [STAMP, "1*m3", ""], "3 value groups, expected a time and a value"),
        (Kind.TIMED, [STAMP, "x*m3"], "'x*m3' is not a number"),
        (Kind.PEAK, [STAMP, "1*kW", ""], "3 value groups, expected a time and a value"),
        (Kind.HOURLY, HOURLY[:6], "6 value groups, expected seven"),
        (Kind.HOURLY, hourly(status="ok"), "the status 'ok' is not hexadecimal"),
        (Kind.HOURLY, hourly(status="1"), "the status '1' is not hexadecimal"),
        (Kind.HOURLY, hourly(number="x"), "'x*m3' is not a number"),
    ],
)
def test_value_groups_that_do_not_fit_have_a_reason(kind: Kind, groups: list[str], reason: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        decode(kind, groups)
    assert str(caught.value) == reason


POWER, FACTOR, PLAIN = Entry("power", Kind.NUMBER, "W"), Entry("factor", Kind.FACTOR), Entry("limiter", Kind.NUMBER)
UNNAMED, NAMED = Entry("1-0:99.9.9", Kind.OTHER), Entry("power_failure_log", Kind.OTHER)


@pytest.mark.parametrize(
    ("entry", "value", "unit", "in_base"),
    [
        (POWER, Decimal("1.5"), "kW", (Decimal("1500.0"), "W")),
        (POWER, Decimal("1.50"), "W", (Decimal("1.50"), "W")),
        (POWER, Decimal("1.5"), "KW", (Decimal("1500.0"), "W")),
        (POWER, None, None, (None, None)),
        (PLAIN, Decimal(16), "A", (Decimal(16), "A")),
        (PLAIN, Decimal(16), None, (Decimal(16), None)),
        (FACTOR, Decimal("0.9"), None, (Decimal("0.9"), None)),
        (FACTOR, Decimal(1), None, (Decimal(1), None)),
        (FACTOR, Decimal(-1), None, (Decimal(-1), None)),
        (FACTOR, Decimal("1.001"), None, (None, None)),
        (FACTOR, Decimal("-1.001"), None, (None, None)),
        (UNNAMED, "(00500)", None, (Decimal(500), None)),
        (UNNAMED, "(-5.5)", None, (Decimal("-5.5"), None)),
        (UNNAMED, "(5.5A)", None, ("(5.5A)", None)),
        (NAMED, "(00500)", None, ("(00500)", None)),
    ],
)
def test_a_value_is_converted_to_the_base_unit_of_its_quantity(
    entry: Entry, value: Value | None, unit: str | None, in_base: tuple[Value | None, str | None]
) -> None:
    assert to_base(entry, value, unit) == in_base


@pytest.mark.parametrize(
    ("value", "unit", "reason"),
    [
        (Decimal(1), None, "no unit, expected W"),
        (Decimal(1), "hp", "unknown unit 'hp'"),
        (Decimal(1), "V", "unit 'V', expected W"),
        ("text", "W", "unknown unit 'W'"),
    ],
)
def test_a_unit_of_another_quantity_has_a_reason(value: Value, unit: str | None, reason: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        to_base(POWER, value, unit)
    assert str(caught.value) == reason
