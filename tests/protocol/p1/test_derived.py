"""What follows from a telegram's own readings."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from gateway.protocol.p1 import derive as derive_module
from gateway.protocol.p1.demand_history import Peak, peaks_by_month
from gateway.protocol.p1.derive import UNIT_CODES, derive, derive_again
from gateway.protocol.p1.derived import DERIVATIONS, LIMITER_NAMES, MEDIA, Derivation, Uses
from gateway.protocol.p1.obis import Value
from gateway.protocol.p1.readings import read
from tests.conftest import OWN_TELEGRAMS, own_telegram
from tests.protocol.p1.stream import only, telegram_of

CLOCK = "0-0:1.0.0(210118070352W)"
Values = dict[str, Value]


def values_of(*lines: str) -> Values:
    readings = read(only(telegram_of(*lines)))
    assert readings.errors == ()
    return dict(readings.values)


def mbus(n: int, device_type: int, reading: str, stamp: str = "210118070001W", identifier: str = "41") -> list[str]:
    return [f"0-{n}:24.1.0({device_type:03})", f"0-{n}:96.1.0({identifier})", f"0-{n}:24.2.1({stamp})({reading})"]


# --- totals


@pytest.mark.parametrize(("direction", "c"), [("import", 1), ("export", 2)])
def test_a_total_is_the_sum_of_its_tariffs(direction: str, c: int) -> None:
    lines = [f"1-0:{c}.8.1(000100.001*kWh)", f"1-0:{c}.8.2(000200.002*kWh)"]
    assert values_of(*lines)[f"energy_{direction}"] == 300_003
    more = [*lines, f"1-0:{c}.8.3(000001.000*kWh)", f"1-0:{c}.8.4(000000.500*kWh)", f"1-0:{c}.8.5(000000.250*kWh)"]
    assert values_of(*more)[f"energy_{direction}"] == 301_753


@pytest.mark.parametrize("missing", ["1-0:1.8.1(000100.001*kWh)", "1-0:1.8.2(000200.002*kWh)"])
@pytest.mark.parametrize("instead", [[], ["1-0:1.8.3(000001.000*kWh)"]])
def test_there_is_no_total_of_one_tariff_alone(missing: str, instead: list[str]) -> None:
    lines = {"1-0:1.8.1(000100.001*kWh)", "1-0:1.8.2(000200.002*kWh)"} - {missing}
    assert "energy_import" not in values_of(*lines, *instead)


def test_an_empty_tariff_leaves_no_total() -> None:
    assert "energy_import" not in values_of("1-0:1.8.1(000100.001*kWh)", "1-0:1.8.2()")


@pytest.mark.parametrize("t3", [["()"], ["(x*kWh)"], ["(000001.000*kWh)", "(000002.000*kWh)"]])
def test_a_third_tariff_that_is_there_without_a_value_leaves_no_total(t3: list[str]) -> None:
    lines = ["1-0:1.8.1(000100.001*kWh)", "1-0:1.8.2(000200.002*kWh)", *(f"1-0:1.8.3{value}" for value in t3)]
    values = read(only(telegram_of(*lines))).values
    assert "energy_import_t3" not in values
    assert "energy_import" not in values


def test_a_total_that_the_meter_sends_is_left_alone() -> None:
    values = values_of("1-0:1.8.0(000999.000*kWh)", "1-0:1.8.1(000100.001*kWh)", "1-0:1.8.2(000200.002*kWh)")
    assert values["energy_import"] == 999_000


# --- net power


@pytest.mark.parametrize(
    ("suffix", "import_code", "export_code"),
    [("", "1.7.0", "2.7.0"), ("_l1", "21.7.0", "22.7.0"), ("_l2", "41.7.0", "42.7.0"), ("_l3", "61.7.0", "62.7.0")],
)
def test_net_power_is_import_less_export(suffix: str, import_code: str, export_code: str) -> None:
    lines = [f"1-0:{import_code}(00.250*kW)", f"1-0:{export_code}(01.500*kW)"]
    assert values_of(*lines)[f"power_net{suffix}"] == -1250
    for alone in lines:
        assert f"power_net{suffix}" not in values_of(alone)


def test_net_power_that_the_meter_sends_is_left_alone() -> None:
    values = values_of("1-0:16.7.0(-000458.90*W)", "1-0:1.7.0(00.000*kW)", "1-0:2.7.0(00.459*kW)")
    assert values["power_net"] == Decimal("-458.90")


TOTALS = ("1-0:1.7.0(00.000*kW)", "1-0:2.7.0(01.250*kW)")


def test_the_power_of_a_meter_with_one_phase_is_that_of_l1() -> None:
    values = values_of(*TOTALS, "1-0:32.7.0(231.0*V)", "1-0:31.7.0(005*A)")
    assert (values["power_net_l1"], values["current_signed_l1"]) == (-1250, -5)
    assert values_of("1-0:16.7.0(-001250*W)", "1-0:31.7.0(005*A)")["power_net_l1"] == -1250
    assert values_of(*TOTALS, "1-0:16.7.0(-001251*W)", "1-0:31.7.0(005*A)")["power_net_l1"] == -1251


@pytest.mark.parametrize(
    "other",
    [
        "1-0:52.7.0(231.0*V)",
        "1-0:71.7.0(001*A)",
        "1-0:71.7.0()",
        "1-0:41.7.0(00.100*kW)",
        "1-0:21.7.0()",
        "1-0:22.7.0(00.100*kW)",
    ],
)
def test_the_total_is_not_the_power_of_l1_if_a_line_shows_more_phases_or_another_power_of_l1(other: str) -> None:
    values = read(only(telegram_of(*TOTALS, "1-0:31.7.0(005*A)", other))).values
    assert "power_net_l1" not in values


def test_a_total_alone_shows_no_power_of_l1() -> None:
    assert "power_net_l1" not in values_of(*TOTALS)


# --- the limiter


@pytest.mark.parametrize(
    ("sent", "name", "value"),
    [
        ("0999.00*kW", "limiter_power", 999_000),
        ("016*A", "limiter_current", 16),
        ("13.800*kVA", "limiter_apparent_power", 13_800),
    ],
)
def test_a_limiter_has_the_name_of_its_quantity_only(sent: str, name: str, value: int) -> None:
    values = values_of(f"0-0:17.0.0({sent})")
    assert values[name] == value
    assert values.keys() & set(LIMITER_NAMES.values()) == {name}


@pytest.mark.parametrize("sent", ["", "230*V"])
def test_a_limiter_of_no_known_quantity_has_no_name_of_its_own(sent: str) -> None:
    assert not values_of(f"0-0:17.0.0({sent})").keys() & set(LIMITER_NAMES.values())


# --- M-Bus meters


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("medium", "device_type", "sent", "base_value"),
    [
        ("submeter", 2, "00012.345*kWh", "12345"),
        ("gas", 3, "00012.345*m3", "12.345"),
        ("heat", 4, "00012.345*GJ", "12345000000"),
        ("heat", 12, "00012.345*MJ", "12345000"),
        ("warm_water", 6, "00012.345*m3", "12.345"),
        ("water", 7, "00012345*dm3", "12.345"),
        ("cooling", 10, "00012.345*GJ", "12345000000"),
        ("cooling", 11, "00012.345*GJ", "12345000000"),
    ],
)
def test_a_medium_is_found_by_its_device_type_on_any_channel(
    n: int, medium: str, device_type: int, sent: str, base_value: str
) -> None:
    values = values_of(CLOCK, *mbus(n, device_type, sent), f"0-{n}:24.4.0(1)")
    assert values[f"{medium}_reading"] == Decimal(base_value)
    assert values[f"{medium}_identifier"] == "A"
    assert values[f"{medium}_valve"] == 1
    assert values[f"{medium}_reading_age"] == 231
    assert values[f"{medium}_reading_time"] == int(values["clock"]) - 231
    others = {name for name in values for other in MEDIA if other != medium and name.startswith(f"{other}_reading")}
    assert others == set()


@pytest.mark.parametrize(
    ("device_type", "sent"),
    [(3, "00012.345*GJ"), (4, "00012.345*m3"), (2, "1*m3"), (7, "1*kWh"), (0, "1*m3"), (99, "1*m3")],
)
def test_a_reading_in_the_wrong_unit_or_of_no_known_type_is_of_no_medium(device_type: int, sent: str) -> None:
    values = values_of(*mbus(1, device_type, sent))
    assert "mbus1_reading" in values
    assert not [name for name in values if name.split("_reading")[0] in MEDIA]


def test_a_reading_without_a_device_type_is_of_no_medium() -> None:
    values = values_of("0-1:24.2.1(210118070001W)(00012.345*m3)")
    assert not [name for name in values if name.split("_reading")[0] in MEDIA]


@pytest.mark.parametrize("live", [1, 2])
def test_of_two_meters_of_a_medium_the_one_read_last_is_the_live_one(live: int) -> None:
    old = "200118070000W"
    lines = [
        *mbus(1, 3, "00001.000*m3", "210118070001W" if live == 1 else old, "41"),
        *mbus(2, 3, "00002.000*m3", "210118070001W" if live == 2 else old, "42"),
    ]
    values = values_of(CLOCK, *lines)
    assert (values["gas_reading"], values["gas_identifier"]) == ((1, "A") if live == 1 else (2, "B"))


@pytest.mark.parametrize(("one", "other"), [("210118070001W", "210118070501W"), ("210118053001W", "210118070000W")])
@pytest.mark.parametrize("is_swapped", [False, True])
def test_of_two_active_meters_neither_represents_the_medium(one: str, other: str, is_swapped: bool) -> None:
    lines = [*mbus(1, 3, "00001.000*m3", one), *mbus(2, 3, "00002.000*m3", other)]
    if is_swapped:
        lines = [*mbus(1, 3, "00001.000*m3", other), *mbus(2, 3, "00002.000*m3", one)]
    values = values_of(CLOCK, *lines, *mbus(3, 7, "00003.000*m3"))
    assert (values["mbus1_reading"], values["mbus2_reading"]) == (1, 2)
    assert not [name for name in values if name.startswith("gas")]
    assert values["water_reading"] == 3


@pytest.mark.parametrize("dead", ["210117080001W", "220118070000W", "210118050000W"])
def test_of_two_meters_the_one_with_an_old_stamp_or_one_far_ahead_is_not_the_live_one(dead: str) -> None:
    values = values_of(CLOCK, *mbus(1, 3, "00001.000*m3", dead), *mbus(2, 3, "00002.000*m3", "210118070001W"))
    assert values["gas_reading"] == 2


def test_without_a_clock_it_is_not_certain_which_of_two_meters_is_live() -> None:
    lines = [*mbus(1, 3, "00001.000*m3", "200118070000W"), *mbus(2, 3, "00002.000*m3", "210118070001W")]
    assert not [name for name in values_of(*lines) if name.startswith("gas")]


def test_a_meter_without_a_time_is_not_the_live_one() -> None:
    values = values_of(*mbus(1, 3, "00009.000*m3", "632525252525W"), *mbus(2, 3, "00002.000*m3"))
    assert values["gas_reading"] == 2


def test_a_dead_channel_after_a_meter_exchange_does_not_hide_the_live_one() -> None:
    values = read(only(own_telegram("v50_iskra-am550-solar"))).values
    assert values["gas_reading"] == Decimal("4036.719")
    assert values["gas_identifier"] == "TEST-GAS-00000009"


def test_parts_of_the_live_meter_alone_are_shown() -> None:
    values = values_of(*mbus(1, 3, "00001.000*m3", "200118070000W"), "0-1:24.4.0(1)", *mbus(2, 3, "00002.000*m3"))
    assert "gas_valve" not in values


@pytest.mark.parametrize(("sent", "code"), [("1*m3", UNIT_CODES["m3"]), ("1*GJ", UNIT_CODES["J"]), ("1*kWh", 3)])
def test_a_channel_has_the_code_of_its_unit(sent: str, code: int) -> None:
    assert values_of(*mbus(3, 3, sent))["mbus3_unit_code"] == code


def test_a_reading_from_later_than_the_clock_has_no_age() -> None:
    values = values_of(CLOCK, *mbus(1, 3, "00001.000*m3", "210118070353W"))
    assert "mbus1_reading_age" not in values
    assert values_of(CLOCK, *mbus(1, 3, "00001.000*m3", "210118070352W"))["mbus1_reading_age"] == 0


def test_without_a_clock_there_is_no_age() -> None:
    values = read(only(own_telegram("v22_iskra-mt382"))).values
    assert "gas_reading_time" in values
    assert "gas_reading_age" not in values


@pytest.mark.parametrize("values", [{}, {"power_import": "text", "power_export": Decimal(1)}, {"limiter": Decimal(1)}])
def test_nothing_follows_from_nothing(values: Values) -> None:
    assert all(not group.values and not group.units for group in derive(values, {}))


# --- the table


GOOD = sorted(path.stem for path in OWN_TELEGRAMS.glob("*.txt") if not path.stem.startswith(("bad_", "odd_")))


def derived_in(name: str) -> tuple[Values, dict[str, str], Values, dict[str, str]]:
    """Return the values and units on the lines of a telegram, and those that are derived from them."""
    readings = read(only(own_telegram(name)))
    on_lines = {line.name for line in readings.lines} | {f"{line.name}_time" for line in readings.lines}
    values = {each: value for each, value in readings.values.items() if each in on_lines}
    units = {each: unit for each, unit in readings.units.items() if each in on_lines}
    derived = {each: value for each, value in readings.values.items() if each not in {*on_lines, "identification"}}
    return values, units, derived, dict(readings.units)


def inputs_on_lines(name: str) -> set[str]:
    if name not in DERIVATIONS:
        return {name, f"{name}_time"}
    inputs = DERIVATIONS[name].inputs + DERIVATIONS[name].otherwise
    return {each for used in inputs for each in (*inputs_on_lines(used), used, f"{used}_time")}


@pytest.mark.parametrize("telegram", GOOD)
def test_each_derived_reading_is_declared_with_its_unit(telegram: str) -> None:
    _, _, derived, units = derived_in(telegram)
    for name, value in derived.items():
        assert DERIVATIONS[name].is_text is isinstance(value, str), name
        if name in units:
            assert units[name] == DERIVATIONS[name].unit, name


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("energy_import", Derivation("energy_import", "Wh", tuple(f"energy_import_t{n}" for n in (1, 2, 3, 4, 5)))),
        (
            "energy_export_low",
            Derivation("energy_export_low", "Wh", ("energy_export_t1", "energy_export_t2"), Uses.EQUAL),
        ),
        (
            "energy_import_normal",
            Derivation("energy_import_normal", "Wh", ("energy_import_t1", "energy_import_t2"), Uses.EQUAL),
        ),
        ("tariff_is_low", Derivation("tariff_is_low", None, ("tariff",))),
        ("power_net", Derivation("power_net", "W", ("power_import", "power_export"))),
        (
            "power_net_l1",
            Derivation(
                "power_net_l1", "W", ("power_import_l1", "power_export_l1"), otherwise=("power_net", "current_l1")
            ),
        ),
        ("power_net_l3", Derivation("power_net_l3", "W", ("power_import_l3", "power_export_l3"))),
        ("current_signed_l2", Derivation("current_signed_l2", "A", ("current_l2", "power_net_l2"))),
        ("limiter_power", Derivation("limiter_power", "W", ("limiter",))),
        ("limiter_current", Derivation("limiter_current", "A", ("limiter",))),
        ("limiter_apparent_power", Derivation("limiter_apparent_power", "VA", ("limiter",))),
        (
            "equipment_identifier",
            Derivation(
                "equipment_identifier",
                None,
                ("logical_device_name", "meter_serial", "meter_number"),
                Uses.FIRST,
                is_text=True,
            ),
        ),
        ("demand_peak_1", Derivation("demand_peak_1", "W", ("demand_history", "clock"))),
        ("demand_peak_13_time", Derivation("demand_peak_13_time", None, ("demand_history", "clock"))),
        ("mbus4_unit_code", Derivation("mbus4_unit_code", None, ("mbus4_reading",))),
        ("mbus1_reading_age", Derivation("mbus1_reading_age", "s", ("mbus1_reading", "clock"))),
    ],
)
def test_a_derived_reading_has_this_unit_and_follows_from_these(name: str, declared: Derivation) -> None:
    assert DERIVATIONS[name] == declared


@pytest.mark.parametrize(
    ("part", "unit"), [("reading", "J"), ("reading_age", "s"), ("reading_time", None), ("identifier", None)]
)
def test_a_reading_of_a_medium_comes_from_the_same_one_of_each_channel_and_its_type(
    part: str, unit: str | None
) -> None:
    inputs = tuple(name for n in (1, 2, 3, 4) for name in (f"mbus{n}_type", f"mbus{n}_{part}"))
    is_text = part == "identifier"
    assert DERIVATIONS[f"heat_{part}"] == Derivation(f"heat_{part}", unit, inputs, Uses.MEDIUM, is_text, "heat")


def test_no_other_readings_are_derived() -> None:
    count = 2 * (1 + 2) + 1 + 4 + 3 + 3 + 1 + 2 * 13 + 2 * 4 + 6 * 5
    assert len(DERIVATIONS) == count
    assert all(name == each.name for name, each in DERIVATIONS.items())


def derived_from(values: Values, units: dict[str, str]) -> Values:
    groups = derive(values, {each: unit for each, unit in units.items() if each in values})
    return {name: value for group in groups for name, value in group.values.items()}


@pytest.mark.parametrize("telegram", GOOD)
def test_a_derived_reading_follows_from_its_declared_inputs(telegram: str) -> None:
    values, units, derived, _ = derived_in(telegram)
    for name, value in derived.items():
        inputs = inputs_on_lines(name)
        others = {each: number for each, number in values.items() if each not in inputs}
        assert name not in derived_from(others, units), name
        if DERIVATIONS[name].uses is not Uses.MEDIUM:
            own = {each: number for each, number in values.items() if each in inputs}
            assert derived_from(own, units)[name] == value, name


def test_an_mbus_reading_in_an_unknown_unit_has_no_code_of_its_unit() -> None:
    values = values_of("0-1:24.1.0(003)", "0-1:24.2.1(260101120000W)(00001.000*V)")
    assert values["mbus1_reading"] == 1
    assert "mbus1_unit_code" not in values


@pytest.mark.parametrize(("stamp", "is_live"), [("210118070352W", True), ("210118070353W", False)])
def test_of_two_gas_meters_the_one_that_was_read_by_now_is_live(stamp: str, is_live: bool) -> None:
    dead = mbus(1, 3, "00900.000*m3", "200118070000W")
    values = values_of(CLOCK, *dead, *mbus(2, 3, "00001.000*m3", stamp, "42"))
    assert (values.get("gas_reading") == 1) is is_live


def test_a_month_without_a_peak_in_the_history_has_neither_power_nor_time() -> None:
    months = "(200501000000S)(200423192538S)(03.695*kW)", "(200401000000S)(632525252525W)(00.000*kW)"
    values = values_of(f"0-0:98.1.0(2)(1-0:1.6.0)(1-0:1.6.0){''.join(months)}")
    assert values["demand_peak_1"] == 3695
    assert {name for name in values if name.startswith("demand_peak")} == {"demand_peak_1", "demand_peak_1_time"}


def test_the_history_of_peaks_is_read_again_when_it_changes_and_each_quarter_of_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int | None] = []

    def peaks(text: str, clock: int | None) -> Mapping[int, Peak]:
        asked.append(clock)
        return peaks_by_month(text, clock)

    def at(stamp: str, peak: str) -> bytes:
        history = f"0-0:98.1.0(1)(1-0:1.6.0)(1-0:1.6.0)(260201000000W)(260117184500W)({peak}*kW)"
        return telegram_of(f"0-0:1.0.0({stamp}W)", history)

    monkeypatch.setattr(derive_module, "peaks_by_month", peaks)
    readings = read(only(at("260228234458", "04.329")))
    for stamp, peak, times in (
        ("260228234459", "04.329", 1),
        ("260228234500", "04.329", 2),
        ("260228235959", "04.330", 3),
        ("260301000000", "04.330", 4),
    ):
        telegram = only(at(stamp, peak))
        readings = read(telegram, readings)
        assert len(asked) == times, stamp
    # The peak of January is that of the last month but one from March on.
    assert readings.values["demand_peak_2"] == 4330
    assert "demand_peak_1" not in readings.values


@pytest.mark.parametrize("telegram", GOOD)
def test_what_follows_from_a_changed_value_is_what_follows_from_all_values(telegram: str) -> None:
    before, units, _, _ = derived_in(telegram)
    units = {name: unit for name, unit in units.items() if name in before}
    for name, value in before.items():
        values = before | {name: value + 1 if not isinstance(value, str) else f"{value}x"}
        derived = list(derive(before, units))
        for index, group in derive_again(values, units, frozenset(), before, [name]):
            derived[index] = group
        assert tuple(derived) == derive(values, units), name
