"""SunSpec readers that know "not implemented", such as pysunspec2 (sunspec2/mb.py) and Fronius inverters.

A GEN24 controls with the power.
"""

from __future__ import annotations

from tests.clients.client import PHASE_POWERS, Client, Field, Read, nan_is_nothing, phases


def _codes(type_name: str, number: float) -> float | None:
    return None if (type_name, number) in {("s16", -0x8000), ("u32", 0)} else number


CLIENTS = [
    Client(
        "GEN24 203",
        "sunspec-203",
        "sunspec2/mb.py",
        [
            Read(3, 40071, 105, {
                "power_net": Field(40087, "s16", 10),
                **phases("power_net", 40088, "s16", 10, step=1),
                **phases("current_signed", 40072, "s16", 0.01, step=1),
                "energy_export": Field(40107, "u32"), "energy_import": Field(40115, "u32"),
            }),
        ],
        ("power_net", *PHASE_POWERS),
        set_up=[(Read(3, 40000, 2), "53756e53"), (Read(3, 40176, 1), "ffff")],
        convert=_codes,
        power_step=10,
    ),
    Client(
        "GEN24 213",
        "sunspec-213",
        "sunspec2/mb.py",
        [
            Read(3, 40071, 105, {
                "power_net": Field(40097, "f32"),
                **phases("power_net", 40099, "f32"),
                **phases("current_signed", 40073, "f32"),
            }),
        ],
        ("power_net", *PHASE_POWERS),
        convert=nan_is_nothing,
    ),
]  # fmt: skip
