"""Signs and directions: a magnitude has no sign, and lines of one telegram that contradict each other are absent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gateway.protocol.p1.readings import Readings
from gateway.protocol.p1.signs import signed_current
from tests.protocol.p1.test_readings_lines import read_lines

NET = ("power_net", "power_import", "power_export")


def powers(readings: Readings) -> tuple[Decimal | int | str | None, ...]:
    return tuple(readings.values.get(name) for name in NET)


@pytest.mark.parametrize(
    ("current", "imported", "exported", "signed"),
    [
        ("-025.0", "00.000", "05.750", -25),
        ("-025.0", "05.750", "00.000", -25),
        ("025.0", "00.000", "05.750", -25),
        ("025.0", "05.750", "00.000", 25),
        ("-000.0", "05.750", "00.000", 0),
    ],
)
def test_a_current_is_a_magnitude_and_its_sign_is_kept_beside_it(
    current: str, imported: str, exported: str, signed: int
) -> None:
    readings = read_lines(
        f"1-0:31.7.0({current}*A)", f"1-0:21.7.0({imported}*kW)", f"1-0:22.7.0({exported}*kW)", "1-0:51.7.0(-003*A)"
    )
    assert readings.errors == ()
    assert readings.values["current_l1"] == abs(signed)
    assert readings.values["current_signed_l1"] == signed
    # The sign of the meter needs no power.
    assert (readings.values["current_l2"], readings.values["current_signed_l2"]) == (3, -3)


def test_a_current_without_sign_has_no_direction_where_the_power_is_missing() -> None:
    readings = read_lines("1-0:31.7.0(025.0*A)", "1-0:51.7.0(025.0*A)", "1-0:41.7.0(05.750*kW)")
    assert not {"current_signed_l1", "current_signed_l2"} & readings.values.keys()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["1-0:1.7.0(-1.234*kW)"], (-1234, None, None)),
        (["1-0:1.7.0(-1.234*kW)", "1-0:2.7.0(0.000*kW)"], (-1234, None, None)),
        (["1-0:1.7.0(-1.234*kW)", "1-0:2.7.0(1.234*kW)"], (-1234, None, 1234)),
        (["1-0:1.7.0(-1.234*kW)", "1-0:16.7.0(-1.234*kW)"], (-1234, None, None)),
        (["1-0:1.7.0(-0.000*kW)", "1-0:2.7.0(0.500*kW)"], (-500, 0, 500)),
    ],
)
def test_a_negative_import_is_an_export_where_no_line_contradicts_it(
    lines: list[str], expected: tuple[int | None, ...]
) -> None:
    readings = read_lines(*lines)
    assert powers(readings) == expected
    assert readings.errors == ()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["1-0:1.7.0(-1.234*kW)", "1-0:2.7.0(0.500*kW)"], (None, None, 500)),
        (["1-0:1.7.0(-1.234*kW)", "1-0:16.7.0(1.234*kW)"], (None, None, None)),
        (["1-0:1.7.0(0.000*kW)", "1-0:2.7.0(-1.234*kW)"], (None, 0, None)),
        (["1-0:1.7.0(1.000*kW)", "1-0:2.7.0(-1.234*kW)"], (None, 1000, None)),
    ],
)
def test_a_negative_power_that_another_line_contradicts_is_absent(
    lines: list[str], expected: tuple[int | None, ...]
) -> None:
    readings = read_lines(*lines)
    assert powers(readings) == expected
    [error] = readings.errors
    assert "is negative" in error.reason


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("1-0:32.7.0(-230.1*V)", "voltage_l1"),
        ("1-0:1.8.0(-000001.000*kWh)", "energy_import"),
        ("1-0:3.7.0(-00.100*kvar)", "reactive_power_import"),
        ("1-0:1.6.0(230912174500S)(-04.321*kW)", "demand_peak"),
    ],
)
def test_a_negative_value_of_another_quantity_without_sign_is_absent(line: str, name: str) -> None:
    readings = read_lines(line)
    assert not {name, f"{name}_time"} & readings.values.keys()
    assert [(error.number, error.reason) for error in readings.errors] == [(2, f"{name} is negative")]


def test_no_total_is_made_of_a_negative_tariff() -> None:
    readings = read_lines("1-0:1.8.1(-000001.000*kWh)", "1-0:1.8.2(000001.000*kWh)")
    assert "energy_import" not in readings.values


@pytest.mark.parametrize("line", ["1-0:36.7.0(-0.1*kW)", "1-0:33.7.0(-0.900)", "1-0:96.9.9(-1.0*kW)"])
def test_quantities_with_a_sign_keep_it(line: str) -> None:
    readings = read_lines(line)
    assert readings.errors == ()
    assert readings.lines[0].name in readings.values


@pytest.mark.parametrize("suffix", ["", "_l1"])
@pytest.mark.parametrize(
    ("net", "imported", "exported", "agrees"),
    [
        ("00.500", "00.500", "00.000", True),
        ("00.501", "00.500", "00.000", True),
        ("-00.503", "00.000", "00.500", True),
        ("00.504", "00.500", "00.000", False),
        ("00.500", "00.000", "00.500", False),
        ("05.000", "00.500", "00.000", False),
        # Steps of 100 W on one line allow for that much.
        ("00.5", "00.430", "00.000", True),
        ("00.200", "00.700", "00.500", True),
    ],
)
def test_net_power_is_import_less_export_or_all_three_are_absent(
    suffix: str, net: str, imported: str, exported: str, *, agrees: bool
) -> None:
    codes = (21, 22, 36) if suffix else (1, 2, 16)
    lines = [f"1-0:{code}.7.0({text}*kW)" for code, text in zip(codes, (imported, exported, net), strict=True)]
    readings = read_lines(*lines)
    names = {f"{name}{suffix}" for name in NET}
    assert names & readings.values.keys() == (names if agrees else set())
    difference = (Decimal(imported) - Decimal(exported)).scaleb(3)
    reason = f"power_net{suffix} is {Decimal(net).scaleb(3):f} W, but import less export is {difference:f} W"
    assert [(error.line, error.reason) for error in readings.errors] == ([] if agrees else [(lines[2], reason)])


def test_a_total_is_not_made_where_the_meter_has_tariffs_without_a_name() -> None:
    tariffs = [f"1-0:1.8.{tariff}(000001.00kWh)" for tariff in range(1, 9)]
    assert "energy_import" not in read_lines(*tariffs).values
    assert read_lines("1-0:1.8.0(000009.00kWh)", *tariffs).values["energy_import"] == 9000
    assert read_lines(*tariffs[:5]).values["energy_import"] == 5000


def test_net_power_is_not_compared_while_one_direction_is_missing() -> None:
    readings = read_lines("1-0:16.7.0(0.500*kW)", "1-0:1.7.0(0.700*kW)")
    assert readings.errors == ()
    assert powers(readings) == (500, 700, None)


@pytest.mark.parametrize(
    ("current", "net", "signed"),
    [(5, 0, 5), (5, 1, 5), (5, -1, -5), (0, -1, 0), (-5, 1, -5), (-5, None, -5), (5, None, None), (0, None, None)],
)
def test_a_current_has_its_own_sign_or_else_that_of_the_power(
    current: int, net: int | None, signed: int | None
) -> None:
    power = None if net is None else Decimal(net)
    assert signed_current(Decimal(current), power) == signed
