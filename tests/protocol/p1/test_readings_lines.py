"""Readings: what one line says, in every shape that meters give it and in those that nobody should."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gateway.protocol.p1.obis import entry_of
from gateway.protocol.p1.reading import Reading
from gateway.protocol.p1.readings import Readings, read
from gateway.protocol.p1.telegram import Telegram
from tests.protocol.p1.stream import only, telegram_of


def read_lines(*lines: str) -> Readings:
    return read(only(telegram_of(*lines)))


def read_line(line: str) -> Reading:
    [reading] = read_lines(line).lines
    return reading


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("line", "value", "unit", "base_value", "base_unit"),
    [
        ("1-0:1.8.1(012345.678*kWh)", "12345.678", "kWh", "12345678", "Wh"),
        ("1-0:1.8.0(000012345*Wh)", "12345", "Wh", "12345", "Wh"),
        ("1-0:1.8.0*255(00001234.1234567*kWh)", "1234.1234567", "kWh", "1234123.4567", "Wh"),
        ("1-0:1.7.0(00.001*kW)", "0.001", "kW", "1", "W"),
        ("1-0:1.7.0(000458.90*W)", "458.90", "W", "458.90", "W"),
        ("1-0:16.7.0(-000458.90*W)", "-458.90", "W", "-458.90", "W"),
        ("1-0:32.7.0(0.2301*kV)", "0.2301", "kV", "230.1", "V"),
        ("1-0:31.7.0(01500*mA)", "1500", "mA", "1.5", "A"),
        ("1-0:31.7.0(0.0015*kA)", "0.0015", "kA", "1.5", "A"),
        ("1-0:14.7.0(49.98*Hz)", "49.98", "Hz", "49.98", "Hz"),
        ("1-0:14.7.0(0.04998*kHz)", "0.04998", "kHz", "49.98", "Hz"),
        ("1-0:3.7.0(0000.135*kVAr)", "0.135", "kVAr", "135", "var"),
        ("1-0:3.8.0(000000.135*kvarh)", "0.135", "kvarh", "135", "varh"),
        ("1-0:9.7.0(01.234*kVA)", "1.234", "kVA", "1234", "VA"),
        ("0-0:17.0.0(016*A)", "16", "A", "16", "A"),
        ("0-0:17.0.0(999.9*kW)", "999.9", "kW", "999900", "W"),
        ("1-0:13.7.0(0.999)", "0.999", None, "0.999", None),
        ("1-0:13.7.0(0998)", "0.998", None, "0.998", None),
        ("1-0:13.7.0(1*W)", "1", "W", "1", "W"),
        ("1-0:13.7.0(00*W)", "0", "W", "0", "W"),
        ("1-0:13.7.0(0001*W)", "1", "W", "1", "W"),
        ("0-1:96.99.9(12.5*kW)", "12.5", "kW", "12500", "W"),
    ],
)
def test_a_number_is_converted_by_the_unit_on_its_line(
    line: str, value: str, unit: str | None, base_value: str, base_unit: str | None
) -> None:
    reading = read_line(line)
    assert reading.error is None
    assert (reading.value, reading.unit) == (Decimal(value), unit)
    assert (reading.base_value, reading.base_unit) == (Decimal(base_value), base_unit)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        *(
            ("1-0:1.7.0(xx.x*kW)", "not a number"),
            ("1-0:1.7.0(*kW)", "not a number"),
            ("1-0:1.7.0(NaN*kW)", "not a number"),
        ),
        *(
            ("1-0:1.7.0(Infinity*kW)", "not a number"),
            ("1-0:1.7.0(1E9*kW)", "not a number"),
            ("1-0:1.7.0(1e3*kW)", "number"),
        ),
        *(
            ("1-0:1.7.0(0*2*kW)", "not a number"),
            ("1-0:1.7.0(00,100*kW)", "not a number"),
            ("1-0:1.7.0(1_0*kW)", "number"),
        ),
        *(
            ("1-0:1.7.0(+1*kW)", "not a number"),
            ("1-0:1.7.0( 1*kW)", "not a number"),
            ("1-0:1.7.0(1.*kW)", "not a number"),
        ),
        *(
            ("1-0:1.7.0(001.2 kW)", "not a number"),
            ("1-0:1.7.0(1*kW*h)", "not a number"),
            ("1-0:1.7.0(1*)", "not a number"),
        ),
        *(("1-0:1.7.0(1)", "no unit"), ("1-0:1.7.0(1*V)", "expected"), ("1-0:1.7.0(1*kWh)", "expected")),
        *(("1-0:1.8.1(1*kW)", "expected"), ("1-0:32.7.0(230*A)", "expected"), ("1-0:1.7.0(1*hp)", "unknown unit")),
        *(("1-0:1.7.0(1*kW)(2*kW)", "2 value groups"), ("0-0:96.7.21(1.5)", "whole number")),
        *(("0-0:96.14.0(-1)", "whole number"), ("0-1:24.1.0(AB)", "whole number")),
        *(("0-1:24.2.1(0)", "1 value groups"), ("0-1:24.2.1(1)(2)(3)", "3 value groups")),
        *(("0-1:24.3.0(120214090000)(00)(60)(1)(m3)(1.0)", "6 value groups"), ("1-0:1.6.0(210118070000W)(2*A)", "W")),
        *((f"1-0:1.8.1({'9' * 19}*kWh)", "not a number"), ("1-0:1.7.0(1*" + "k" * 9 + ")", "not a number")),
        *(("1-0:1.7.0(2147483.647*kW)", "more than any"), ("1-0:1.7.0(4294967295*W)", "more than any")),
        *(("1-0:31.7.0(65535*A)", "more than any"), ("1-0:36.7.0(-2147483648*W)", "more than any")),
    ],
)
def test_a_line_of_the_wrong_shape_is_a_fault_and_no_value(line: str, why: str) -> None:
    readings = read_lines("1-0:2.7.0(00.001*kW)", line, "1-0:14.7.0(50.0*Hz)")
    [fault] = readings.errors
    assert why in fault.reason
    assert (fault.number, fault.line) == (3, line)  # the identification is line 1, and empty lines do not count
    bad = readings.lines[1]
    assert (bad.value, bad.base_value, bad.unit, bad.time) == (None, None, None, None)
    assert (bad.code + bad.text, bad.name, bad.error) == (line, entry_of(bad.code).name, fault.reason)
    assert readings.values.keys() == {"identification", "power_export", "frequency"}


@pytest.mark.parametrize(
    "line",
    [
        *(
            "garbage",
            "1-0:1.7.0",
            "1-0:1.7.0(",
            "1-0:1.7.0(1*kW",
            "1-0:1.7.0 (1*kW)",
            "1-0:1.7.0(1*kW) ",
            "1-0:1.7(1*kW)",
        ),
        *("1.7.0(1*kW)", "1-0:1.7.0.1(1*kW)", "1-0:1.7.0*254(1*kW)", "1-0:1.7.0((1*kW))", "x1-0:1.7.0(1*kW)"),
        *("1-0 :1.7.0(1*kW)", "1-0:1.7.0(1*kW)x", "1-0:1.7.0)1*kW("),
    ],
)
def test_a_line_that_is_no_obis_line_is_kept_as_a_fault(line: str) -> None:
    readings = read_lines(line, "1-0:2.7.0(00.001*kW)")
    assert [(error.number, error.line, error.reason) for error in readings.errors] == [(2, line, "not an OBIS line")]
    assert readings.lines[0] == Reading(line, line, None, None, None, None, None, "", error="not an OBIS line")
    assert readings.values["power_export"] == 1
    assert "power_import" not in readings.values


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("0-0:96.14.0(0002)", "tariff", 2),
        ("0-0:96.7.21(00006)", "power_failures", 6),
        ("0-1:24.1.0(003)", "mbus1_type", 3),
        ("0-1:24.1.0(03)", "mbus1_type", 3),
        ("1-3:0.2.8(50)", "p1_version", "50"),
        ("0-0:96.13.0(48656C6C6F)", "text_message", "Hello"),
        ("0-0:96.1.1(4B3845473030343034)", "equipment_identifier", "K8EG00404"),
        ("0-0:96.1.1(4B38450000)", "equipment_identifier", "K8E"),
        ("0-0:96.1.1(00FF)", "equipment_identifier", "00FF"),
        ("0-0:96.1.1(not hexadecimal)", "equipment_identifier", "not hexadecimal"),
        ("0-0:1.0.0(250701120000W)", "clock", utc(2025, 7, 1, 11)),
        (
            "1-0:99.97.0(1)(0-0:96.7.19)(190101000000W)(12*s)",
            "power_failure_log",
            "(1)(0-0:96.7.19)(190101000000W)(12*s)",
        ),
        ("1-1:31.4.0(100*A)(-063*A)", "1-1:31.4.0", "(100*A)(-063*A)"),
        ("0-0:199.1.2(anything: at all)", "0-0:199.1.2", "(anything: at all)"),
    ],
)
def test_what_is_no_measured_number_is_a_count_a_time_or_a_text(line: str, name: str, value: int | str) -> None:
    readings = read_lines(line)
    assert readings.errors == ()
    assert readings.values[name] == value
    assert type(readings.values[name]) is type(value)


@pytest.mark.parametrize(
    "line",
    [
        *(
            "1-0:1.7.0()",
            "0-0:96.14.0()",
            "0-0:96.13.0()",
            "0-0:96.1.1()",
            "0-0:1.0.0()",
            "1-0:99.97.0()",
            "0-0:199.1.2()",
        ),
        *("0-0:1.0.0(000101000000W)", "0-0:1.0.0(632525252525S)", "0-1:24.2.1(700101010000W)(00000000)"),
        *("0-1:24.2.1(632525252525S)(00000.000)", "0-1:24.2.1(632525252525W)(00000.000*m3)", "0-1:24.2.1()()"),
        *(
            "0-1:24.2.1(210118070001W)()",
            "0-1:24.2.1(000101010000W)(0000000000)",
            "0-1:24.2.1(210118070001W)(00001.000)",
        ),
        *("0-1:24.3.0(632525252525)(00)(60)(1)(0-1:24.2.1)(m3)\n(00000.000)", "0-1:24.3.0()()()()()()()"),
    ],
)
def test_what_says_nothing_is_absent_without_a_fault(line: str) -> None:
    readings = read_lines(line)
    assert readings.errors == ()
    assert [reading.base_value for reading in readings.lines] == [None]
    assert readings.values.keys() == {"identification"}


@pytest.mark.parametrize("separator", ["\r\n", "\n", "\r", "\n\r", ""])
def test_the_gas_of_dsmr_2_2_is_on_two_lines_or_on_one(separator: str) -> None:
    line = f"0-1:24.3.0(120214090000)(00)(60)(1)(0-1:24.2.1)(m3){separator}(02846.117)"
    body = f"/ISk5\\2MT382-1003\r\n\r\n0-1:24.1.0(3)\r\n{line}\r\n0-1:24.4.0(1)\r\n".encode()
    readings = read(Telegram(body + b"!\r\n", len(body), checked=False))
    assert readings.errors == ()
    assert [reading.code for reading in readings.lines] == ["0-1:24.1.0", "0-1:24.3.0", "0-1:24.4.0"]
    assert readings.values["gas_reading"] == Decimal("2846.117")
    assert readings.values["gas_reading_time"] == utc(2012, 2, 14, 8)
    assert readings.values["mbus1_valve"] == 1


def test_a_peak_has_its_time_whichever_group_comes_first() -> None:
    for line in ("1-0:1.6.0(230912174500S)(04.321*kW)", "1-0:1.6.0(04.321*kW)(230912174500S)"):
        readings = read_lines(line)
        assert readings.values["demand_peak"] == 4321
        assert readings.values["demand_peak_time"] == utc(2023, 9, 12, 15, 45)


def test_a_value_at_no_time_is_kept_unless_it_is_zero() -> None:
    readings = read_lines("0-1:24.2.1(632525252525W)(00123.456*m3)")
    assert readings.values["mbus1_reading"] == Decimal("123.456")
    assert "mbus1_reading_time" not in readings.values


@pytest.mark.parametrize("line", ["1-0:1.7.0(001.322kW)", "1-0:1.7.0(001.322*kW )", "1-0:1.7.0(1322W)"])
def test_a_unit_without_its_star_or_with_a_blank_behind_it_is_read(line: str) -> None:
    readings = read_lines(line)
    assert (readings.errors, readings.values["power_import"], readings.units["power_import"]) == ((), 1322, "W")


def test_a_peak_may_come_without_the_time_it_was_reached() -> None:
    readings = read_lines("1-0:1.6.0(007.072kW)")
    assert (readings.errors, readings.values["demand_peak"]) == ((), 7072)
    assert "demand_peak_time" not in readings.values


HOURLY = "0-1:24.3.0(120214090000)({})(60)(1)(0-1:24.2.1)(m3)(02846.117)"


@pytest.mark.parametrize("status", ["", "00", "08", "28", "E8", "000008", "F0"])
def test_an_hourly_value_with_a_status_that_does_not_concern_it_is_read(status: str) -> None:
    readings = read_lines(HOURLY.format(status))
    assert (readings.errors, readings.values["mbus1_reading"]) == ((), Decimal("2846.117"))
    assert "mbus1_reading_time" in readings.values


@pytest.mark.parametrize("status", ["01", "04", "05", "2C", "2c", "FF", "000004", "06"])
def test_an_hourly_value_that_its_meter_calls_not_valid_is_absent(status: str) -> None:
    readings = read_lines(HOURLY.format(status))
    assert readings.errors == ()
    assert not {"mbus1_reading", "mbus1_reading_time"} & readings.values.keys()


def test_an_hourly_value_of_a_meter_whose_clock_is_not_valid_has_no_time() -> None:
    readings = read_lines(HOURLY.format("02"))
    assert readings.values["mbus1_reading"] == Decimal("2846.117")
    assert "mbus1_reading_time" not in readings.values


def test_a_status_that_is_not_hexadecimal_makes_the_line_unreadable() -> None:
    readings = read_lines(HOURLY.format("ok"))
    assert "hexadecimal" in readings.errors[0].reason
    assert "mbus1_reading" not in readings.values


SWISS = ("0-0:96.1.4(50217)", "1-1:1.8.0(004321.098*kWh)", "1-1:1.7.0(00.000*kW)", "1-1:2.7.0(01.250*kW)")


@pytest.mark.parametrize("phase", ["1-1:22.7.0(01.250*kW)", "1-0:22.7.0(01.250*kW)"])
def test_lines_of_channel_1_are_the_meters_own_where_it_has_no_others(phase: str) -> None:
    readings = read_lines(*SWISS, phase)
    assert readings.errors == ()
    assert readings.values["energy_import"] == 4321098
    assert (readings.values["power_net"], readings.values["power_export_l1"]) == (-1250, 1250)
    assert readings.lines[1].code == "1-1:1.8.0"


@pytest.mark.parametrize("line", ["1-0:1.7.0(00.300*kW)", "1-0:1.8.1(000001.000*kWh)"])
def test_lines_of_channel_1_are_something_elses_where_a_quantity_is_on_both_channels(line: str) -> None:
    readings = read_lines(*SWISS, line)
    assert readings.errors == ()
    assert not {"power_net", "power_export"} & readings.values.keys()
    assert readings.values["1-1:2.7.0"] == 1250
    assert readings.values.get("power_import") == (300 if "1.7.0" in line else None)


def test_lines_of_channel_1_without_a_total_are_not_the_meters_own() -> None:
    readings = read_lines("1-1:32.7.0(230.1*V)", "1-0:1.7.0(00.300*kW)")
    assert "voltage_l1" not in readings.values


def test_the_meaning_of_channel_1_follows_each_telegram_and_not_the_one_before() -> None:
    own, other = (only(telegram_of(*lines)) for lines in (SWISS, (*SWISS, "1-0:1.7.0(00.300*kW)")))
    readings = None
    for telegram in (own, own, other, other, own):
        before, readings = readings, read(telegram, readings)
        assert readings == read(telegram), before


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("1-0:99.9.9(00500)", 500),
        ("1-0:99.9.9(-5.5)", Decimal("-5.5")),
        ("1-0:99.9.9(1.5kW)", 1500),
        ("1-0:99.9.9(120214090000W)(00012.5*m3)", Decimal("12.5")),
        ("1-0:99.9.9(12A)", "(12A)"),
        ("1-0:99.9.9(1)(2)", "(1)(2)"),
    ],
)
def test_a_code_without_a_name_has_its_number_under_its_code(line: str, value: Decimal | int | str) -> None:
    assert read_lines(line).values["1-0:99.9.9"] == value
