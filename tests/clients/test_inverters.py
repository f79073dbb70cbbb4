"""Inverters that read their maker's meter: SolarEdge, Huawei, Sungrow, SolaX and Growatt.

Their firmware is not public. Requests are from logs of the bus, and conversions from the manuals of the real meters,
as in the sources that the maps name.
"""

from __future__ import annotations

import math

import pytest

from tests.clients.households import (
    CURRENTS,
    HOUSEHOLDS,
    PHASES,
    POWER_PER_PHASE,
    VOLTAGES,
    WHOLE,
    WITH_CURRENTS,
    Reader,
    RefusedError,
    Seen,
    Values,
    check,
    floats,
    int32,
)


def by_phase(quantity: str, numbers: list[float]) -> Seen:
    return dict(zip((f"{quantity}_{phase}" for phase in PHASES), numbers, strict=True))


def solaredge(reader: Reader) -> Seen:
    """Read as in nmakel/solaredge_meterproxy, issues 8, 16 and 29; float32 with the low word first."""
    assert reader.read(3, 1600, 23)[7] == 0
    assert reader.read(3, 1650, 6)[1] == 2
    assert reader.read(3, 1700, 9)[6] == 202
    limits = floats(reader.read(3, 1010, 6), low_first=True)
    totals = floats(reader.read(3, 1000, 34), low_first=True)
    more = floats(reader.read(3, 1100, 82), low_first=True)
    assert math.isnan(totals[16])
    return {
        **by_phase("power", limits),
        **by_phase("voltage", totals[9:12]),
        **by_phase("current", more[31:34]),
        "power": totals[4],
        "energy_import": totals[1],
        "energy_export": more[6],
    }


def huawei(reader: Reader) -> Seen:
    """Read as in salakrzy/DTSU666_CHINT_to_HUAWEI_translator; float32 in W, V, A and kWh."""
    assert reader.read(3, 0x07D1, 1) == [0x3B11]
    assert reader.read(3, 0x0003, 1) == [0]
    numbers = floats(reader.read(3, 0x0836, 80))
    reader.read(3, 0x08A6, 10)
    return {
        **by_phase("current", numbers[0:3]),
        **by_phase("voltage", numbers[4:7]),
        **by_phase("power", numbers[13:16]),
        "power": numbers[12],
        "energy_import": numbers[32],
        "energy_export": numbers[36],
    }


def sungrow(reader: Reader) -> Seen:
    """Read as in cheater.sh of Linux-RISC/Sungrow-Meter-cheater; whole numbers, which have no code for absent."""
    assert reader.read(3, 63, 1) == [254]
    assert reader.read(3, 20480, 1) == [8405]
    energies = reader.read(3, 10, 12)
    reader.read(3, 97, 3)
    reader.read(3, 119, 1)
    powers = reader.read(3, 356, 8)
    numbers = [float(int32(powers[at : at + 2])) for at in range(0, 8, 2)]
    return {
        **by_phase("power", numbers[:3]),
        "power": numbers[3],
        "energy_import": (energies[0] << 16 | energies[1]) / 100,
        "energy_export": (energies[10] << 16 | energies[11]) / 100,
    }


def solax(reader: Reader) -> Seen:
    """Read as in syssi/esphome-solax-x1-mini, issue 20; the meter's kind first."""
    assert reader.read(3, 0x000B, 1) == [168]
    numbers = [floats(reader.read(4, address, 2))[0] for address in (0x0048, 0x000C, 0x004A)]
    return dict(zip(("energy_import", "power", "energy_export"), numbers, strict=True))


def growatt(reader: Reader) -> Seen:
    """Read as in Legebox' log of a search: an SDM120 or SDM230 on unit 1."""
    energies = floats(reader.read(4, 0x0046, 10))
    numbers = floats(reader.read(4, 0x0000, 14))
    reader.read(4, 0x0156, 4)
    return {
        "voltage_l1": numbers[0],
        "current_l1": numbers[3],
        "power": numbers[6],
        "energy_import": energies[1],
        "energy_export": energies[2],
    }


def test_solaredge_limits_with_what_the_meter_says_of_each_phase() -> None:
    check("solaredge-wattnode", solaredge, ["power", *POWER_PER_PHASE, *VOLTAGES], WHOLE)


def test_huawei_reads_whole_readings_or_an_exception() -> None:
    check("huawei-dtsu666-h", huawei, ["power", *POWER_PER_PHASE, *VOLTAGES, *CURRENTS], WHOLE)


def test_sungrow_needs_no_voltages() -> None:
    check("sungrow-dtsu666", sungrow, ["power", *POWER_PER_PHASE, "energy_import", "energy_export"], WITH_CURRENTS)


def test_solax_is_served_by_every_meter() -> None:
    check("eastron-sdm230", solax, ["power"], tuple(HOUSEHOLDS))


def single_current(values: Values) -> float | None:
    is_single = "current_l1" in values and not {"current_l2", "current_l3"} & values.keys()
    return float(values["current_l1"]) if is_single else None


def test_growatt_is_served_by_every_meter_and_sees_no_current_of_one_of_three_phases() -> None:
    check("eastron-sdm230", growatt, ["power"], tuple(HOUSEHOLDS), current_l1=single_current)


def test_an_sdm120_is_whole_or_refused() -> None:
    check("eastron-sdm120", growatt, ["power", "voltage_l1", "current_l1"], ("with one phase",))


@pytest.mark.parametrize("map_name", ["solaredge-wattnode", "huawei-dtsu666-h", "sungrow-dtsu666"])
def test_registers_beyond_the_real_meters_tables_are_refused(map_name: str) -> None:
    with pytest.raises(RefusedError):
        Reader(map_name, HOUSEHOLDS["importing"]).read(3, 0x2012, 2)
