"""OBIS codes and units: what a code stands for, and what a unit is worth."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal

import pytest

from gateway.protocol.p1.obis import (
    ENTRIES,
    MAX_CACHED_CODES,
    UNIT_FACTORS,
    Entry,
    Kind,
    canonical_unit,
    entry_of,
    own_entry,
)


@pytest.mark.parametrize(
    ("code", "entry"),
    [
        ("1-3:0.2.8", Entry("p1_version", Kind.TEXT)),
        ("0-0:1.0.0", Entry("clock", Kind.CLOCK)),
        ("1-0:1.8.0", Entry("energy_import", Kind.NUMBER, "Wh")),
        ("1-0:1.8.2", Entry("energy_import_t2", Kind.NUMBER, "Wh")),
        ("1-0:2.8.5", Entry("energy_export_t5", Kind.NUMBER, "Wh")),
        ("1-0:1.7.0", Entry("power_import", Kind.NUMBER, "W")),
        ("1-0:2.7.0", Entry("power_export", Kind.NUMBER, "W")),
        ("1-0:21.7.0", Entry("power_import_l1", Kind.NUMBER, "W")),
        ("1-0:41.7.0", Entry("power_import_l2", Kind.NUMBER, "W")),
        ("1-0:61.7.0", Entry("power_import_l3", Kind.NUMBER, "W")),
        ("1-0:1.7.255", Entry("power_import", Kind.NUMBER, "W")),
        ("1-0:41.7.255", Entry("power_import_l2", Kind.NUMBER, "W")),
        ("1-0:62.7.0", Entry("power_export_l3", Kind.NUMBER, "W")),
        ("1-0:76.7.0", Entry("power_net_l3", Kind.NUMBER, "W")),
        ("1-0:72.7.0", Entry("voltage_l3", Kind.NUMBER, "V")),
        ("1-0:51.7.0", Entry("current_l2", Kind.NUMBER, "A")),
        ("1-0:5.8.0", Entry("reactive_energy_q1", Kind.NUMBER, "varh")),
        ("1-0:8.7.0", Entry("reactive_power_q4", Kind.NUMBER, "var")),
        ("0-4:24.2.1", Entry("mbus4_reading", Kind.TIMED)),
        ("0-1:24.2.3", Entry("mbus1_reading", Kind.TIMED)),
        ("0-2:24.3.0", Entry("mbus2_reading", Kind.HOURLY)),
        ("0-0:17.0.0", Entry("limiter", Kind.NUMBER)),
    ],
)
def test_a_code_belongs_to_its_reading(code: str, entry: Entry) -> None:
    assert entry_of(code) == entry


def test_a_relay_is_neither_the_breaker_nor_an_m_bus_reading() -> None:
    assert entry_of("0-0:96.3.10").name == "breaker"
    assert [entry_of(f"0-{n}:96.3.10").name for n in (1, 2, 3, 4)] == ["relay1", "relay2", "relay3", "relay4"]


@pytest.mark.parametrize("code", ["2-1:1.8.1", "1-1:1.7.0", "0-1:1.7.0", "7-0:1.8.0", "1-4:32.7.0", "0-5:24.2.1"])
def test_the_code_of_another_medium_or_channel_does_not_pass_for_this_meters(code: str) -> None:
    assert entry_of(code) == Entry(code, Kind.OTHER)


@pytest.mark.parametrize("code", ["1-0:1.7.01", "1-0:199.7.0", "0-0:0.0.77", "", "no code"])
def test_an_unknown_code_keeps_its_own_text_as_its_name(code: str) -> None:
    assert entry_of(code) == Entry(code, Kind.OTHER)


@pytest.mark.parametrize(
    ("code", "entry"),
    [
        ("0-0:96.13.2", Entry("msn_text_message_2", Kind.TEXT)),
        ("0-0:96.13.5", Entry("msn_text_message_5", Kind.TEXT)),
        ("1-0:96.5.5", Entry("q3d_equipment_state", Kind.TEXT)),
        ("0-0:96.1.255", Entry("q3d_equipment_serialnumber", Kind.TEXT)),
        ("1-0:96.13.1", Entry("text_message_code", Kind.COUNT)),
        ("0-0:14.7.0", Entry("frequency", Kind.NUMBER)),
        ("1-3:32.32.0", Entry("voltage_sag_l1_count", Kind.COUNT)),
    ],
)
def test_a_code_that_only_dsmr_parser_knows_has_the_name_and_the_kind_from_there(code: str, entry: Entry) -> None:
    assert entry_of(code) == entry


def test_the_lines_of_dsmr_parser_with_several_value_groups_have_no_name_from_there() -> None:
    assert {entry_of(code).name for code in ("1-0:99.97.1", "0-0:98.1.1", "1-0:24.2.1")} == {
        "1-0:99.97.1",
        "0-0:98.1.1",
        "1-0:24.2.1",
    }


@pytest.mark.parametrize(
    ("code", "own"),
    [
        ("1-1:1.7.0", "power_import"),
        ("1-1:72.7.0", "voltage_l3"),
        ("1-1:199.7.0", None),
        ("1-0:1.7.0", None),
        ("2-1:1.7.0", None),
    ],
)
def test_a_code_of_channel_1_has_the_name_of_channel_0_for_a_meter_whose_own_channel_it_is(
    code: str, own: str | None
) -> None:
    entry = own_entry(code)
    assert (entry and entry.name) == own


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_the_codes_of_the_phases_are_twenty_apart(phase: int) -> None:
    """OBIS (IEC 62056-61): value group C of L1 is 21 to 40, of L2 41 to 60, of L3 61 to 80."""
    base = 20 * (phase - 1)
    quantities = {
        f"1-0:{base + 21}.7.0": Entry(f"power_import_l{phase}", Kind.NUMBER, "W"),
        f"1-0:{base + 21}.7.255": Entry(f"power_import_l{phase}", Kind.NUMBER, "W"),
        f"1-0:{base + 22}.7.0": Entry(f"power_export_l{phase}", Kind.NUMBER, "W"),
        f"1-0:{base + 23}.7.0": Entry(f"reactive_power_import_l{phase}", Kind.NUMBER, "var"),
        f"1-0:{base + 24}.7.0": Entry(f"reactive_power_export_l{phase}", Kind.NUMBER, "var"),
        f"1-0:{base + 31}.4.0": Entry(f"fuse_limit_l{phase}", Kind.NUMBER, "A"),
        f"1-0:{base + 31}.7.0": Entry(f"current_l{phase}", Kind.NUMBER, "A"),
        f"1-0:{base + 32}.7.0": Entry(f"voltage_l{phase}", Kind.NUMBER, "V"),
        f"1-0:{base + 32}.32.0": Entry(f"voltage_sags_l{phase}", Kind.COUNT),
        f"1-0:{base + 32}.36.0": Entry(f"voltage_swells_l{phase}", Kind.COUNT),
        f"1-0:{base + 33}.7.0": Entry(f"power_factor_l{phase}", Kind.FACTOR),
        f"1-0:{base + 36}.7.0": Entry(f"power_net_l{phase}", Kind.NUMBER, "W"),
    }
    assert {code: entry_of(code) for code in quantities} == quantities


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_codes_of_an_m_bus_channel_have_its_number(n: int) -> None:
    """DSMR 5.0.2 P1, 6.12; e-MUCS-P1 1.7.1 has 96.1.1 and 24.2.3."""
    lines = {
        "24.1.0": Entry(f"mbus{n}_type", Kind.COUNT),
        "96.1.0": Entry(f"mbus{n}_identifier", Kind.OCTETS),
        "96.1.1": Entry(f"mbus{n}_identifier", Kind.OCTETS),
        "24.2.1": Entry(f"mbus{n}_reading", Kind.TIMED),
        "24.2.3": Entry(f"mbus{n}_reading", Kind.TIMED),
        "24.3.0": Entry(f"mbus{n}_reading", Kind.HOURLY),
        "24.4.0": Entry(f"mbus{n}_valve", Kind.COUNT),
    }
    assert {code: entry_of(f"0-{n}:{code}") for code in lines} == lines


@pytest.mark.parametrize("tariff", [1, 2, 3, 4, 5])
def test_the_counters_of_the_tariffs_have_their_number(tariff: int) -> None:
    names = {
        "1.8": ("energy_import", "Wh"),
        "2.8": ("energy_export", "Wh"),
        "3.8": ("reactive_energy_import", "varh"),
        "4.8": ("reactive_energy_export", "varh"),
    }
    for code, (name, unit) in names.items():
        assert entry_of(f"1-0:{code}.{tariff}") == Entry(f"{name}_t{tariff}", Kind.NUMBER, unit)
        assert entry_of(f"1-0:{code}.6").kind is Kind.OTHER


def test_a_name_comes_from_one_kind_and_unit_however_many_codes_it_has() -> None:
    by_name: defaultdict[str, set[tuple[Kind, str | None]]] = defaultdict(set)
    for entry in ENTRIES.values():
        by_name[entry.name].add((entry.kind, entry.unit))
    several = {name for name, kinds in by_name.items() if len(kinds) > 1}
    # The gas of DSMR 2.2 stands on two lines.
    assert several == {f"mbus{n}_reading" for n in (1, 2, 3, 4)}


def test_every_entry_is_well_formed() -> None:
    for code, entry in ENTRIES.items():
        assert re.fullmatch(r"[01]-[0-4]:\d+\.\d+\.\d+", code), code
        assert re.fullmatch(r"[a-z][a-z0-9_]*", entry.name), code
        assert entry.unit is None or UNIT_FACTORS[entry.unit] == (entry.unit, 1), code


def test_other_meters_cannot_fill_the_memory_with_codes() -> None:
    for n in range(2 * MAX_CACHED_CODES):
        entry_of(f"1-0:{n}.99.99")
    assert entry_of.cache_info().currsize <= MAX_CACHED_CODES


@pytest.mark.parametrize(
    ("unit", "base", "factor"),
    [
        *(("W", "W", "1"), ("kW", "W", "1000"), ("MW", "W", "1000000")),
        *(("Wh", "Wh", "1"), ("kWh", "Wh", "1000"), ("MWh", "Wh", "1000000")),
        *(("mA", "A", "0.001"), ("A", "A", "1"), ("kA", "A", "1000")),
        *(("V", "V", "1"), ("kV", "V", "1000")),
        *(("Hz", "Hz", "1"), ("kHz", "Hz", "1000")),
        *(("var", "var", "1"), ("kvar", "var", "1000"), ("kvarh", "varh", "1000")),
        *(("kVA", "VA", "1000"), ("m3", "m3", "1"), ("dm3", "m3", "0.001"), ("GJ", "J", "1000000000")),
    ],
)
def test_a_unit_is_worth_its_base_unit_times_a_power_of_ten(unit: str, base: str, factor: str) -> None:
    assert UNIT_FACTORS[unit] == (base, Decimal(factor))


@pytest.mark.parametrize(
    ("as_sent", "unit"),
    [
        *(("kVAr", "kvar"), ("VAr", "var"), ("VArh", "varh"), ("kVArh", "kvarh"), ("KWH", "kWh"), ("Kw", "kW")),
        *(("M3", "m3"), ("gj", "GJ"), ("KVA", "kVA"), ("w", "W"), ("mW", "MW"), ("MW", "MW"), ("mJ", "MJ")),
        *(("mA", "mA"), ("MA", "mA"), ("mV", "mV"), ("L", "l")),
    ],
)
def test_a_unit_is_known_in_every_case_that_meters_write_it_in(as_sent: str, unit: str) -> None:
    assert canonical_unit(as_sent) == unit


@pytest.mark.parametrize("unit", ["", "x", "kWhh", "k W", "m³", "Ah", "%", "none"])
def test_an_unknown_unit_is_none(unit: str) -> None:
    assert canonical_unit(unit) is None


def test_there_are_three_phases_four_m_bus_channels_and_five_tariffs() -> None:
    ends = {entry.name.rpartition("_")[2] for entry in ENTRIES.values()}
    assert {end for end in ends if re.fullmatch(r"[lt]\d", end)} == {"l1", "l2", "l3", "t1", "t2", "t3", "t4", "t5"}
    assert {entry.name[:5] for entry in ENTRIES.values() if entry.name.startswith("mbus")} == {
        f"mbus{n}" for n in (1, 2, 3, 4)
    }
