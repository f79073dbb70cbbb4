"""What only the variant tells of a telegram: the low tariff, and the hour of its clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gateway.protocol.p1.country import interpret
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.obis import Value
from gateway.protocol.p1.readings import read
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.status_values import status_values
from gateway.protocol.p1.variants import VARIANTS
from tests.protocol.p1.stream import only, telegram_of, unchecked

TARIFFS = (
    "1-3:0.2.8(50)",
    "0-0:96.14.0(0002)",
    "1-0:1.8.1(000001.001*kWh)",
    "1-0:1.8.2(000002.002*kWh)",
    "1-0:2.8.1(000003.003*kWh)",
    "1-0:2.8.2(000004.004*kWh)",
)
BY_NAME = ("energy_import_low", "energy_import_normal", "energy_export_low", "energy_export_normal", "tariff_is_low")


def by_name(version: str, *lines: str, shown: str | None = None) -> dict[str, Value]:
    readings = interpret(read(only(telegram_of(*lines))), VARIANTS[version], VARIANTS[shown or version])
    assert {readings.units[name] for name in readings.values if name in BY_NAME[:4]} <= {"Wh"}
    return {name: readings.values[name] for name in BY_NAME if name in readings.values}


@pytest.mark.parametrize("version", ["2.2", "4", "5"])
def test_tariff_1_is_the_low_one_in_the_netherlands(version: str) -> None:
    assert by_name(version, *TARIFFS) == dict(zip(BY_NAME, (1001, 2002, 3003, 4004, 0), strict=True))


@pytest.mark.parametrize("version", ["5B", "5EONHU"])
def test_tariff_2_is_the_low_one_in_belgium_and_hungary(version: str) -> None:
    assert by_name(version, *TARIFFS) == dict(zip(BY_NAME, (2002, 1001, 4004, 3003, 1), strict=True))


@pytest.mark.parametrize("version", sorted(VARIANTS.keys() - {"2.2", "4", "5", "5B", "5EONHU"}))
def test_where_it_is_not_known_no_tariff_is_called_low(version: str) -> None:
    assert by_name(version, *TARIFFS) == {}


def test_what_a_telegram_lacks_stays_absent() -> None:
    assert by_name("5B", "0-0:96.14.0()", "1-0:1.8.1(000001.001*kWh)") == {"energy_import_normal": 1001}
    assert by_name("5", "1-3:0.2.8(50)", "0-0:96.14.0(0003)", "1-0:1.8.3(000001.001*kWh)") == {}


@pytest.mark.parametrize(
    ("version", "shown", "lines", "low"),
    [
        ("5", "5", TARIFFS, 1001),
        ("5", "5", TARIFFS[1:], None),  # a clock, tariffs and no version: any country's
        ("5", "5", (TARIFFS[0], *TARIFFS[2:]), None),  # a bare Austrian meter, which says 50 too
        ("2.2", "2.2", TARIFFS[1:], 1001),
        ("5", "5B", TARIFFS, None),  # a Belgian meter that is configured as a Dutch one
        ("5B", "5", TARIFFS, None),
        ("5B", "5", TARIFFS[1:], 2002),  # one that does not show what it is
        ("5B", "ISKRA_IE", TARIFFS, 2002),
        ("4", "5", TARIFFS, 1001),
    ],
)
def test_where_telegram_and_configuration_contradict_each_other_no_tariff_is_called_low(
    version: str, shown: str, lines: tuple[str, ...], low: int | None
) -> None:
    assert by_name(version, *lines, shown=shown).get("energy_import_low") == low


TIMED = (
    "0-0:1.0.0(260701120000S)",
    "1-0:1.6.0(260701114500S)(02.589*kW)",
    "0-1:24.1.0(003)",
    "0-1:24.2.1(260701115500S)(00001.000*m3)",
)


def noon(hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 7, 1, hour, minute, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(("version", "hour"), [("5", 10), ("5S", 10), ("5S-FI", 9), ("LT", 9)])
def test_a_clock_shows_the_time_of_its_country(version: str, hour: int) -> None:
    raw = read(only(telegram_of(*TIMED)))
    readings = interpret(raw, VARIANTS[version], VARIANTS["5"])
    assert readings.time == readings.values["clock"] == noon(hour)
    assert readings.values["demand_peak_time"] == noon(hour - 1, 45)
    assert readings.values["gas_reading_time"] == noon(hour - 1, 55)
    assert readings.values["gas_reading_age"] == raw.values["gas_reading_age"] == 300
    clock, peak, _, gas = readings.lines
    assert (clock.value, clock.base_value, peak.time, gas.time) == (
        *(noon(hour), noon(hour)),
        *(noon(hour - 1, 45), noon(hour - 1, 55)),
    )


def test_a_meter_gives_out_what_its_variant_tells() -> None:
    meter = MeterState("m", VARIANTS["LT"])
    stream = telegram_of(*TIMED)

    def values() -> Mapping[str, Value]:
        received = meter.take(only(stream), 0.0, 0.0)
        assert isinstance(received, Received)
        return received.readings.values

    assert values()["clock"] == noon(9)
    meter.serving.update(60.0)
    assert meter.served
    assert status_values(meter, 60.0)["gateway_telegram_time"] == noon(9)
    assert values()["clock"] == noon(9)  # once more, from lines read before
    belgian = MeterState("m", None).take(only(telegram_of("0-0:96.1.4(50221)", *TARIFFS)), 0.0, 0.0)
    assert isinstance(belgian, Received)
    assert belgian.readings.values["energy_import_low"] == Decimal(2002)
    misled = MeterState("m", VARIANTS["5"]).take(only(telegram_of("0-0:96.1.4(50221)", *TARIFFS)), 0.0, 0.0)
    assert isinstance(misled, Received)
    assert "energy_import_low" not in misled.readings.values


ONE_WAY = (
    "1-0:1.8.0*255(00032549.5061662*kWh)",
    "1-0:21.7.0*255(000557.29*W)",
    "1-0:41.7.0*255(-000021.62*W)",
    "1-0:61.7.0*255(000009.30*W)",
)
EXPORTED = "1-0:2.8.0*255(00000310.0070003*kWh)"
EASY_METER, ANOTHER = "/ESY5Q3DB1024 V3.04", "/HLY5DTZ541"


def net_powers(header: str, *lines: str, shown: str = "Q3D") -> dict[str, Value]:
    readings = interpret(read(only(unchecked(*lines, header=header))), VARIANTS["Q3D"], VARIANTS[shown])
    assert {readings.units[name] for name in readings.values if name.startswith("power_net")} <= {"W"}
    return {name: value for name, value in readings.values.items() if name.startswith("power_net")}


@pytest.mark.parametrize(("header", "more"), [(EASY_METER, ()), (EASY_METER, (EXPORTED,)), (ANOTHER, ())])
@pytest.mark.parametrize("power", ["001688.21", "-000116.77"])
def test_a_german_meter_that_sends_one_power_has_it_in_net_power_both_ways(
    header: str, more: tuple[str, ...], power: str
) -> None:
    """An EasyMeter sends import and export with a sign; a meter that counts no export has only import."""
    assert net_powers(header, *ONE_WAY, *more, f"1-0:1.7.0*255({power}*W)") == {
        "power_net": Decimal(power),
        "power_net_l1": Decimal("557.29"),
        "power_net_l2": Decimal("-21.62"),
        "power_net_l3": Decimal("9.30"),
    }


def test_net_power_stays_absent_where_nothing_shows_the_sign_of_the_power() -> None:
    assert net_powers(ANOTHER, "1-0:1.7.0*255(001688.21*W)", EXPORTED) == {}
    assert net_powers(EASY_METER, "1-0:1.7.0(001688.21*W)", shown="5") == {}
    assert net_powers(EASY_METER, "1-0:1.7.0*255(001688.21*W)", "1-0:2.7.0*255()") == {}


def test_only_the_clock_is_moved_to_the_time_of_the_country() -> None:
    lines = ["1-3:0.2.8(50)", "0-0:1.0.0(260101120000W)", "0-0:96.14.0(0002)", "0-1:24.1.0(003)"]
    readings = read(only(telegram_of(*lines)))
    for variant in VARIANTS.values():
        values = {line.name: line.value for line in interpret(readings, variant, variant).lines}
        assert (values["tariff"], values["mbus1_type"]) == (2, 3)


MEAN_CURRENT = ("0-0:1.0.0(230808113811S)", "1-0:31.7.0(0000.005*kA)", "1-0:31.4.0(0000.003*kA)")


@pytest.mark.parametrize("shown", ["LT", "5"])
def test_a_mean_current_in_lithuania_is_no_fuse_limit(shown: str) -> None:
    for variant, detected in {("LT", shown), (shown, "LT")}:
        raw = read(only(telegram_of(*MEAN_CURRENT)))
        readings = interpret(raw, VARIANTS[variant], VARIANTS[detected])
        assert "fuse_limit_l1" not in readings.values
        assert (readings.values["1-0:31.4.0"], readings.units["1-0:31.4.0"]) == (3, "A")
        assert [line.name for line in readings.lines] == ["clock", "current_l1", "1-0:31.4.0"]
        assert raw.values["fuse_limit_l1"] == 3, "the next telegram is built from it"


def test_a_mean_current_without_a_value_has_no_name_either() -> None:
    readings = interpret(read(only(telegram_of(*MEAN_CURRENT[:2], "1-0:31.4.0()"))), VARIANTS["LT"], VARIANTS["LT"])
    assert "1-0:31.4.0" not in readings.values


def test_a_fuse_limit_elsewhere_is_one() -> None:
    for version in VARIANTS.keys() - {"LT"}:
        readings = interpret(read(only(telegram_of(*MEAN_CURRENT))), VARIANTS[version], VARIANTS[version])
        assert readings.values["fuse_limit_l1"] == 3
