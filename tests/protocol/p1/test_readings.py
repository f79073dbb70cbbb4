"""Readings: every line of a telegram, in base units, each failure contained to its line."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.p1.readings import MAX_LINES, LineError, Readings, read, read_body
from gateway.protocol.p1.telegram import Telegram
from tests.conftest import own_telegram
from tests.protocol.p1.stream import only, telegram_of
from tests.telegrams import make


def read_own(name: str) -> Readings:
    return read(only(own_telegram(name)))


def read_lines(*lines: str) -> Readings:
    return read(only(telegram_of(*lines)))


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]


# --- whole telegrams


@pytest.mark.parametrize("name", make.METERS)
def test_every_line_of_each_meter_becomes_a_reading_in_its_order(name: str) -> None:
    readings = read_own(name)
    sent = [line.partition("(")[0] for line in make.lines(make.METERS[name]) if line[:1].isdigit()]
    assert [reading.code for reading in readings.lines] == sent
    assert readings.codes == set(sent)
    assert readings.errors == ()
    assert readings.identification == make.METERS[name].header[1:]
    assert readings.values["identification"] == readings.identification


@pytest.mark.parametrize("name", make.METERS)
def test_the_values_of_each_meter_are_those_it_was_made_of(name: str) -> None:
    meter, readings = make.METERS[name], read_own(name)

    def milli(number: float) -> Decimal:
        return Decimal(round(number * 1000))

    values = dict(
        zip(("energy_import_t1", "energy_import_t2", "energy_export_t1", "energy_export_t2"), meter.kwh, strict=True)
    )
    values |= {"power_import": meter.kw[0], "power_export": meter.kw[1]}
    for index, (imported, exported) in enumerate(zip(meter.phase_import_kw, meter.phase_export_kw, strict=True)):
        values |= {f"power_import_l{index + 1}": imported, f"power_export_l{index + 1}": exported}
    expected = {key: milli(value) for key, value in values.items()}
    expected |= {f"voltage_l{i}": Decimal(str(volts)) for i, volts in enumerate(meter.volts, 1)}
    expected |= {f"current_l{i}": amps for i, amps in enumerate(meter.amps, 1)}
    expected |= {f"voltage_sags_l{i}": sags for i, sags in enumerate(meter.sags, 1)}
    expected |= {"tariff": meter.tariff, "equipment_identifier": meter.equipment_id}
    assert expected == {key: readings.values[key] for key in expected}
    assert {readings.units[key] for key in expected if key.startswith("energy")} == {"Wh"}
    assert {readings.units[key] for key in expected if key.startswith("power")} == {"W"}


GAS = {
    "v22_iskra-me382": ("2846.117", (2012, 2, 14, 8)),
    "v22_iskra-mt382": ("7415.033", (2015, 3, 10, 17)),
    "v22_kamstrup-382jxc": ("3318.406", (2014, 6, 18, 10)),
    "v40_landisgyr-e350": ("903.552", (2014, 3, 7, 17)),
    "v42_landisgyr-zcf110": ("1677.201", (2017, 8, 26, 21)),
    "v42_landisgyr-zmf110": ("2950.448", (2018, 1, 31, 11)),
    "v42_kaifa-e0026": ("1120.395", (2016, 9, 15, 11)),
    "v50_sagemcom-t210d": ("2274.861", (2021, 1, 18, 6, 0, 1)),
    "v50_iskra-am550-solar": ("4036.719", (2023, 6, 11, 11, 15, 2)),
}
"""Cubic metres, and the moment in UTC."""


@pytest.mark.parametrize("name", GAS)
def test_gas_has_its_value_its_unit_and_its_time_in_every_version(name: str) -> None:
    readings = read_own(name)
    cubic_metres, moment = GAS[name]
    assert readings.values["gas_reading"] == Decimal(cubic_metres)
    assert readings.units["gas_reading"] == "m3"
    assert readings.values["gas_reading_time"] == utc(*moment)


def test_the_meters_clock_is_the_time_of_the_readings() -> None:
    assert read_own("v50_sagemcom-t210d").time == utc(2021, 1, 18, 6, 3, 52)
    assert read_own("v50_iskra-am550-solar").time == utc(2023, 6, 11, 11, 18, 27)
    assert read_own("v22_iskra-mt382").time is None


def test_an_m_bus_meter_that_is_gone_gives_no_reading() -> None:
    readings = read_own("v50_iskra-am550-solar")
    assert not {"mbus1_reading", "mbus1_reading_time", "mbus1_identifier"} & readings.values.keys()
    assert "0-1:24.2.1" in readings.codes
    assert readings.values["gas_reading"] == readings.values["mbus2_reading"]


def test_empty_values_are_absent_and_not_zero() -> None:
    readings = read_own("odd_empty-values")
    absent = {"tariff", "power_import", "power_net", "voltage_l1", "current_l1", "mbus1_identifier", "gas_reading"}
    assert not absent & readings.values.keys()
    assert readings.errors == ()
    whole = read_own("v50_sagemcom-t210d")
    assert readings.codes == whole.codes
    assert {"power_export", "voltage_l2", "current_l2"} <= readings.values.keys()


def test_a_value_that_is_no_number_spoils_its_own_line_only() -> None:
    readings, whole = read_own("bad_non-numeric-power"), read_own("v50_sagemcom-t210d")
    [fault] = readings.errors
    assert "--.---*kW" in fault.line
    assert fault.line == own_telegram("bad_non-numeric-power").split(b"\r\n")[fault.number].decode()
    lost = whole.values.keys() - readings.values.keys()
    assert lost == {"power_import", "power_net"}
    assert all(readings.values[name] == whole.values[name] for name in readings.values)


def test_texts_may_hold_slashes_exclamation_marks_and_2048_digits() -> None:
    odd = read_own("odd_slash-and-bang-in-text")
    assert odd.values["text_message"] == "Works 18/1! See grid.test/works !"
    assert odd.errors == ()
    long = read_own("odd_text-2048-digits").values["text_message"]
    assert len(str(long)) == 1024


@pytest.mark.parametrize("name", ["odd_lf-line-ends", "odd_lower-case-checksum"])
def test_line_ends_and_the_case_of_the_checksum_change_no_reading(name: str) -> None:
    assert read_own(name).values == read_own("v50_sagemcom-t210d").values


# --- lines that speak of the same


def test_a_line_that_comes_twice_with_the_same_value_is_one_value() -> None:
    readings = read_lines("1-0:1.7.0(00.100*kW)", "1-0:1.7.0(0.1*kW)")
    assert readings.values["power_import"] == 100
    assert readings.errors == ()
    assert len(readings.lines) == 2


def test_two_values_that_contradict_each_other_leave_none() -> None:
    readings = read_lines(
        "0-1:24.2.1(210118070001W)(00001.000*m3)",
        "0-1:24.2.3(210118070001W)(00002.000*m3)",
        "1-0:1.7.0(00.100*kW)",
        "1-0:1.7.0(00.200*kW)",
        "1-0:2.7.0(00.000*kW)",
    )
    lost = {"power_import", "power_net", "mbus1_reading", "mbus1_reading_time", "gas_reading"}
    assert not lost & readings.values.keys()
    assert readings.errors == (
        LineError(3, "0-1:24.2.3(210118070001W)(00002.000*m3)", "a second, different value of mbus1_reading"),
        LineError(5, "1-0:1.7.0(00.200*kW)", "a second, different value of power_import"),
    )
    assert not {"mbus1_reading", "power_import"} & readings.units.keys()


def test_two_counts_without_unit_that_contradict_each_other_leave_none() -> None:
    readings = read_lines("0-0:96.14.0(0001)", "0-0:96.14.0(0002)", "1-0:1.7.0(00.100*kW)")
    assert "tariff" not in readings.values
    assert readings.values["power_import"] == 100


def test_a_third_value_does_not_bring_back_what_two_others_contradict() -> None:
    readings = read_lines(*(f"1-0:1.7.0(00.{watts}*kW)" for watts in (100, 200, 100)))
    assert "power_import" not in readings.values


def test_of_what_is_contradicted_nothing_follows() -> None:
    readings = read_lines("0-0:17.0.0(999.9*kW)", "0-0:17.0.0(016*A)", "1-0:1.7.0(00.100*kW)")
    assert not [name for name in (*readings.values, *readings.units) if name.startswith("limiter")]
    assert readings.values["power_import"] == 100


def test_an_empty_line_of_the_same_code_contradicts_nothing() -> None:
    readings = read_lines("1-0:1.7.0(00.100*kW)", "1-0:1.7.0()")
    assert readings.values["power_import"] == 100
    assert readings.errors == ()


# --- the lines of the telegram before


def test_unchanged_lines_are_kept_and_changed_ones_are_read_again() -> None:
    first = read_own("v50_sagemcom-t210d")
    changed = own_telegram("v50_sagemcom-t210d").replace(b"(02.486*kW)", b"(02.487*kW)")
    body = changed[: changed.rindex(b"!")]
    second = read(Telegram(changed, len(body), checked=True), first)
    assert second.values["power_import"] == 2487
    taken_over = [a is b for a, b in zip(first.lines, second.lines, strict=True)]
    assert taken_over.count(False) == 1


@pytest.mark.parametrize("before", ["v50_iskra-am550-solar", "v22_iskra-mt382", "bad_non-numeric-power"])
def test_readings_are_the_same_whatever_telegram_came_before(before: str) -> None:
    telegram = only(own_telegram("v50_sagemcom-t210d"))
    assert read(telegram, read_own(before)) == read(telegram)


def test_a_fault_is_reported_again_while_its_line_stays() -> None:
    telegram = only(own_telegram("bad_non-numeric-power"))
    assert read(telegram, read(telegram)).errors == read(telegram).errors != ()


def test_what_is_kept_for_the_next_telegram_is_no_more_than_this_one() -> None:
    readings = read_own("v50_iskra-am550-solar")
    for name in ("v50_sagemcom-t210d", "v42_kaifa-e0026", "v50_sagemcom-t210d"):
        readings = read(only(own_telegram(name)), readings)
        assert len(readings.by_line) <= len(readings.lines)


# --- limits, and any text at all


def test_lines_beyond_the_limit_are_a_fault() -> None:
    within = [f"0-0:{n}.1.2(1)" for n in range(MAX_LINES - 1)]
    body = ("/X\n" + "\n".join(within) + "\n").encode()
    readings = read(Telegram(body + b"!", len(body), checked=True))
    assert len(readings.lines) == MAX_LINES - 1
    assert readings.errors == ()
    more = body + b"1-0:1.7.0(00.100*kW)\n"
    readings = read(Telegram(more + b"!", len(more), checked=True))
    assert len(readings.lines) == MAX_LINES - 1
    assert readings.errors == (LineError(MAX_LINES + 1, "", f"more than {MAX_LINES} lines"),)
    assert read(Telegram(more + b"!", len(more), checked=True), readings) == readings
    assert "power_import" not in readings.values


CODES = st.sampled_from(
    ["1-0:1.7.0", "0-0:96.14.0", "0-0:1.0.0", "0-1:24.2.1", "0-1:24.3.0", "0-0:96.1.1", "1-0:99.97.0", "0-1:24.1.0"]
)
GROUPS = st.lists(
    st.one_of(
        st.sampled_from(["", "210118070001W", "00001.000*m3", "3", "m3", "99*kW", "1E5", "NaN", "\xb2", "0" * 40]),
        st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=12),
    ),
    max_size=8,
)
LINES = st.builds(lambda code, groups: code + "".join(f"({group})" for group in groups), CODES, GROUPS)


@given(st.lists(LINES, max_size=8))
@settings(max_examples=300)
def test_no_line_raises_and_each_is_a_reading(lines: list[str]) -> None:
    body = "\r\n".join(["/X5", "", *lines, ""]).encode("latin-1")
    readings = read(Telegram(body + b"!\r\n", len(body), checked=False))
    assert [reading.code + reading.text for reading in readings.lines if not reading.error] == [
        line for line, reading in zip(lines, readings.lines, strict=True) if not reading.error
    ]
    for reading in readings.lines:
        assert (reading.base_value is None) or not reading.error
        assert not isinstance(reading.base_value, Decimal) or reading.base_value.is_finite()


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_no_bytes_raise(body: bytes) -> None:
    readings = read(Telegram(body + b"!", len(body), checked=False))
    assert read(Telegram(body + b"!", len(body), checked=False), readings) == readings


@pytest.mark.parametrize(
    ("sent", "factor"),
    [("0998", "0.998"), ("-0998", "-0.998"), ("1000", "1"), ("0.998", "0.998"), ("1", "1")],
)
def test_a_power_factor_of_four_digits_is_in_thousandths(sent: str, factor: str) -> None:
    assert read(only(telegram_of(f"1-0:13.7.0({sent})"))).values["power_factor"] == Decimal(factor)


GAS_AT_NOON = "0-1:24.1.0(003)", "0-1:24.2.1(260101120000W)(00001.000*m3)"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["1-0:1.7.0()"], ["1-0:1.7.0(x)"]),
        (["1-0:1.7.0(00.100*kW)"], ["1-0:1.7.0(x)"]),
        (["0-0:1.0.0(260101120000W)", *GAS_AT_NOON], ["0-0:1.0.0(260101115959W)", *GAS_AT_NOON]),
        (["0-0:1.0.0(260101115959W)", *GAS_AT_NOON], ["0-0:1.0.0(260101120000W)", *GAS_AT_NOON]),
    ],
)
def test_what_is_read_on_from_the_telegram_before_is_the_same(before: list[str], after: list[str]) -> None:
    first, second = only(telegram_of(*before)), only(telegram_of(*after))
    assert read(second, read(first)) == read(second)


HEADERS = "/ABC5A", "/ABC5B", ""
BODY_LINES = "1-0:1.7.0(00.100*kW)", "1-0:1.7.0(00.200*kW)", "1-0:1.8.1(000001.000*kWh)", "(00001)", "x"


@given(*[st.tuples(st.sampled_from(HEADERS), st.lists(st.sampled_from(BODY_LINES), max_size=3))] * 2)
def test_short_telegrams_are_the_same_after_any_other(
    before: tuple[str, list[str]], after: tuple[str, list[str]]
) -> None:
    first, second = ("\r\n".join([header, "", *lines]).encode() for header, lines in (before, after))
    assert read_body(second, read_body(first)) == read_body(second)
