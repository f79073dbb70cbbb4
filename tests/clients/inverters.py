"""Inverters that read their maker's meter: SolarEdge, Huawei, Sungrow, SolaX, Growatt, FoxESS and Sigenergy.

Their firmware is not public. Requests are from logs of the bus, and conversions from the manuals of the real meters,
as in the sources that the maps name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.clients import households
from tests.clients.client import CURRENTS, PHASE_POWERS, Client, Field, Read, nan_is_nothing, phases

_VOLTAGES = tuple(f"voltage_l{phase}" for phase in (1, 2, 3))
_REACTIVE = ("reactive_power_net", *(f"reactive_power_net_l{phase}" for phase in (1, 2, 3)))


def _inverter(
    name: str,
    map_name: str,
    source: str,
    reads: Sequence[Read],
    acts_on: Sequence[str],
    served: Sequence[str],
    **more: Any,
) -> Client:
    return Client(
        name, map_name, source, reads, acts_on, convert=nan_is_nothing,
        served=served, shows_zeros=False, fails_as_a_whole=True, **more,
    )  # fmt: skip


def _current_of_one_phase(values: Mapping[str, Any]) -> Any:
    """Return the current, if it is that of the whole connection."""
    return None if {"current_l2", "current_l3"} & values.keys() else values.get("current_l1")


_GROWATT = [
    Read(4, 0x0046, 10, {"energy_import": Field(0x48, "f32", 1000), "energy_export": Field(0x4A, "f32", 1000)}),
    Read(4, 0x0000, 14, {"voltage_l1": Field(0, "f32"), "current_l1": Field(6, "f32"), "power_net": Field(12, "f32")}),
    Read(4, 0x0156, 4),
]
_PRIMARY = {
    **phases("voltage", 0x1510, "f32"),
    **phases("current", 0x1516, "f32"),
    "power_net": Field(0x151C, "f32", 1000),
    **phases("power_net", 0x151E, "f32", 1000),
    "reactive_power_net": Field(0x1524, "f32", 1000),
    **phases("reactive_power_net", 0x1526, "f32", 1000),
}
"""Fields of a Chint meter with values on the primary side, in kW and kvar."""

CLIENTS = [
    _inverter("SolarEdge", "solaredge-wattnode", "nmakel/solaredge_meterproxy, issues 8, 16 and 29", [
        Read(3, 1600, 23),
        Read(3, 1650, 6),
        Read(3, 1700, 9),
        Read(3, 1010, 6, phases("power_net", 1010, "f32l")),
        Read(3, 1000, 34, {"energy_import": Field(1002, "f32l", 1000), "power_net": Field(1008, "f32l"),
                           **phases("voltage", 1018 + 0, "f32l")}),
        Read(3, 1100, 82, {"energy_export": Field(1112, "f32l", 1000), **phases("current", 1162, "f32l")}),
    ], ("power_net", *PHASE_POWERS, *_VOLTAGES), households.VOLTAGES),
    _inverter("Huawei", "huawei-dtsu666-h", "salakrzy/DTSU666_CHINT_to_HUAWEI_translator", [
        Read(3, 0x0836, 80, {
            **phases("current", 0x0836, "f32"), **phases("voltage", 0x083E, "f32"),
            "power_net": Field(0x084E, "f32"), **phases("power_net", 0x0850, "f32"),
            "energy_import": Field(0x0876, "f32", 1000), "energy_export": Field(0x087E, "f32", 1000),
        }),
        Read(3, 0x08A6, 10),
    ], ("power_net", *PHASE_POWERS, *_VOLTAGES, *CURRENTS), households.WHOLE,
        set_up=[(Read(3, 0x07D1, 1), "3b11"), (Read(3, 0x0003, 1), "0000")]),
    _inverter("Sungrow", "sungrow-dtsu666", "cheater.sh of Linux-RISC/Sungrow-Meter-cheater", [
        Read(3, 10, 12, {"energy_import": Field(10, "u32", 10), "energy_export": Field(20, "u32", 10)}),
        Read(3, 97, 3),
        Read(3, 119, 1),
        Read(3, 356, 8, phases("power_net", 356, "s32") | {"power_net": Field(362, "s32")}),
    ], ("power_net", *PHASE_POWERS, "energy_import", "energy_export"),
        households.PHASES_AND_ENERGY,
        set_up=[(Read(3, 63, 1), "00fe"), (Read(3, 20480, 1), "20d5")]),
    _inverter("SolaX", "eastron-sdm230", "syssi/esphome-solax-x1-mini, issue 20", [
        Read(4, 0x000C, 2, {"power_net": Field(0x0C, "f32")}),
    ], ("power_net",), households.ENERGY, set_up=[(Read(3, 0x000B, 1), "00a8")]),
    _inverter("Growatt SDM230", "eastron-sdm230", "Legebox' log of a search", [
        _GROWATT[1], _GROWATT[2], Read(4, 0x0000, 20),
    ], ("power_net",), households.ENERGY, expected={"current_l1": _current_of_one_phase}),
    _inverter("Growatt SDM120", "eastron-sdm120", "Legebox' log of a search", _GROWATT,
        ("power_net", "voltage_l1", "current_l1"),
        ("one phase", "40 kW on one phase", "Belgium, one phase"), household="one phase"),
    _inverter("FoxESS", "foxess-dtsu666", "MartB/foxess_dtsu666, registers.py", [
        Read(3, 0x1510, 64, _PRIMARY),
        Read(3, 0x151E, 14, phases("power_net", 0x151E, "f32", 1000)),
        Read(3, 0x181E, 20, {"energy_import": Field(0x181E, "f32", 1000), "energy_export": Field(0x1828, "f32", 1000)}),
    ], ("power_net", *PHASE_POWERS, *_VOLTAGES, *CURRENTS), households.WHOLE),
    _inverter("Sigenergy", "sigenergy-tpx-ch", "logs of korneliuszm/nd45_dtsu666_converter", [
        Read(4, 0x150A, 30, {name: each for name, each in _PRIMARY.items() if each.address < 0x151C}),
        Read(4, 0x151C, 16, {name: each for name, each in _PRIMARY.items() if each.address >= 0x151C}),
        Read(4, 0x180A, 22, {"energy_import": Field(0x181E, "f32", 1000)}),
        Read(4, 0x1828, 4, {"energy_export": Field(0x1828, "f32", 1000)}),
    ], ("power_net", *PHASE_POWERS, *_REACTIVE, *_VOLTAGES, *CURRENTS), ("Sweden",), household="Sweden",
        set_up=[(Read(3, 0xF100, 20), b"Sigen Sensor TPX-CH".ljust(40, b"\0").hex()),
                (Read(3, 0x0003, 5), "00000001000000c8000a")]),
]  # fmt: skip
