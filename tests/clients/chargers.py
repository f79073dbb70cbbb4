"""Chargers whose firmware is not public: Alfen and KEBA.

Alfen: the registers that its article KA-01277 and an emulator in use have. KEBA: its configuration manual for the P30
x-series (5.5) names the meters, but no register; the registers are those of the meters' manuals. Neither maker says
what a charger makes of a code for absent, so these clients take every code for a number and give up at an exception.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.clients.client import CURRENTS, PHASE_POWERS, SIGNED_CURRENTS, Client, Field, Read, phases
from tests.clients.openwb import KSEM_FIELDS, ksem_power


def _keba(name: str, reads: Sequence[Read], currents: Sequence[str] = CURRENTS) -> Client:
    acts_on = (*PHASE_POWERS, *currents)
    return Client(f"KEBA {name}", name, "meter's manual", reads, acts_on, fails_as_a_whole=True)


CLIENTS = [
    Client(
        "Alfen",
        "socomec-e27",
        "KA-01277",
        [
            Read(3, 0xC560, 6, phases("current", 0xC560, "u32", 0.001)),
            Read(3, 0xC568, 2, {"power_net": Field(0xC568, "s32", 10)}),
            Read(3, 0xC570, 6, phases("power_net", 0xC570, "s32", 10)),
        ],
        ("power_net", *PHASE_POWERS, *CURRENTS),
        set_up=[(Read(3, 0xC350, 4), "0053004f0043004f")],
        power_step=10,
        fails_as_a_whole=True,
    ),
    _keba("abb-b23", [
        Read(3, 0x5B00, 6, phases("voltage", 0x5B00, "u32", 0.1)),
        Read(3, 0x5B0C, 6, phases("current", 0x5B0C, "u32", 0.01)),
        Read(3, 0x5B14, 8, {"power_net": Field(0x5B14, "s32", 0.01)} | phases("power_net", 0x5B16, "s32", 0.01)),
    ]),
    _keba("cg-em24", [
        Read(4, 0, 46, phases("voltage", 0, "s32l", 0.1) | phases("current_signed", 12, "s32l", 0.001)
             | phases("power_net", 18, "s32l", 0.1) | {"power_net": Field(40, "s32l", 0.1)}),
    ], SIGNED_CURRENTS),
    _keba("siemens-pac2200", [
        Read(3, 1, 42, phases("voltage", 1, "f32") | phases("current", 13, "f32") | phases("power_net", 25, "f32")),
        Read(3, 65, 2, {"power_net": Field(65, "f32")}),
    ]),
    Client(
        "KEBA kostal-ksem",
        "kostal-ksem",
        "meter's manual",
        [Read(3, 0, 80, KSEM_FIELDS[0]), Read(3, 80, 68, KSEM_FIELDS[1])],
        (*PHASE_POWERS, *CURRENTS),
        combine=ksem_power,
        fails_as_a_whole=True,
    ),
]  # fmt: skip
