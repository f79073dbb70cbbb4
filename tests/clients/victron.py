"""Victron's dbus-modbus-client: carlo_gavazzi.py, abb.py and register.py, at fe12d8c.

It reads all registers of a meter in blocks and gives the meter up at an exception. EM24: no code is known. ABB: only
the export, all ones. A GX controls with the power; it shows the rest.
"""

from __future__ import annotations

from tests.clients.client import Client, Field, Read, phases


def _abb(type_name: str, number: float) -> float | None:
    return None if type_name == "u64" and number == 0xFFFFFFFFFFFFFFFF else number


def _em24(name: str) -> Client:
    fields = {
        "power_net": Field(0x28, "s32l", 0.1),
        "energy_import": Field(0x34, "s32l", 100),
        "energy_export": Field(0x4E, "s32l", 100),
    }
    shown = phases("voltage", 0, "s32l", 0.1) | phases("current_signed", 0x0C, "s32l", 0.001)
    return Client(
        f"Victron GX {name}",
        name,
        "carlo_gavazzi.py",
        [Read(3, 0x0000, 80, {**fields, **shown})],
        ("power_net", "energy_import", "energy_export"),
        set_up=[(Read(3, 0x000B, 1), "0675"), (Read(3, 0xA000, 1), "0007")],
        fails_as_a_whole=True,
    )


CLIENTS = [
    _em24("cg-em24"),
    _em24("cg-em24-total"),
    Client(
        "Victron GX ABB",
        "abb-b23",
        "abb.py",
        [
            Read(3, 0x5000, 8, {"energy_import": Field(0x5000, "u64", 10), "energy_export": Field(0x5004, "u64", 10)}),
            Read(3, 0x5B00, 62, {"power_net": Field(0x5B14, "s32", 0.01)} | phases("voltage", 0x5B00, "u32", 0.1)
                 | phases("power_net", 0x5B16, "s32", 0.01) | phases("current", 0x5B0C, "u32", 0.01)),
        ],
        ("power_net", "power_net_l1", "power_net_l2", "power_net_l3", "energy_import", "energy_export"),
        convert=_abb,
        fails_as_a_whole=True,
    ),
]  # fmt: skip
