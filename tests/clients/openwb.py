"""openWB: packages/modules/common/b23.py, sdm.py, carlo_gavazzi.py, and the counters of Chint and Kostal.

A request that fails raises, and the component shows an error. b23.py knows the codes of ABB except for the export; the
others take every code for a number. The Chint counter multiplies by the ratios that it reads from the meter.
"""

from __future__ import annotations

from tests.clients.client import CURRENTS, PHASE_POWERS, Client, Field, Read, Seen, phases

_ABB_CODES = {"u16": 0xFFFF, "s16": 0x7FFF, "u32": 0xFFFFFFFF, "s32": 0x7FFFFFFF}
_IN = {f"in_l{phase}": Field(40 * phase, "u32", 0.1) for phase in (1, 2, 3)}
_OUT = {f"out_l{phase}": Field(40 * phase + 2, "u32", 0.1) for phase in (1, 2, 3)}


def _abb(type_name: str, number: float) -> float | None:
    return None if number == _ABB_CODES.get(type_name) else number


def _net(seen: Seen) -> Seen:
    """Return the power of each phase, of which the meter has import and export."""
    net: dict[str, float | None] = {}
    for phase in (1, 2, 3):
        taken, given = seen.get(f"in_l{phase}"), seen.get(f"out_l{phase}")
        known = taken is not None and given is not None
        net[f"power_net_l{phase}"] = (taken or 0) - (given or 0) if known else None
    return {name: number for name, number in seen.items() if name[:2] not in ("in", "ou")} | net


CLIENTS = [
    Client(
        "openWB ABB B23",
        "abb-b23",
        "packages/modules/common/b23.py",
        [
            Read(3, 0x5B14, 8, {"power_net": Field(0x5B14, "s32", 0.01)} | phases("power_net", 0x5B16, "s32", 0.01)),
            Read(3, 0x5000, 4, {"energy_import": Field(0x5000, "u64", 10)}),
            Read(3, 0x5004, 4, {"energy_export": Field(0x5004, "u64", 10)}),
            Read(3, 0x5B00, 6, phases("voltage", 0x5B00, "u32", 0.1)),
            Read(3, 0x5B0C, 6, phases("current", 0x5B0C, "u32", 0.01)),
            Read(3, 0x5B3B, 3),
            Read(3, 0x5B2C, 1),
            Read(3, 0x8900, 2),
        ],
        ("power_net", *PHASE_POWERS, *CURRENTS, "energy_import", "energy_export"),
        convert=_abb,
        fails_as_a_whole=True,
    ),
    *(
        Client(
            f"openWB SDM {name}",
            name,
            "packages/modules/common/sdm.py",
            [
                Read(4, 0x0000, 18, phases("voltage", 0, "f32") | phases("current", 6, "f32")
                     | phases("power_net", 12, "f32")),
                Read(4, 0x001E, 6),
                Read(4, 0x0046, 6, {"energy_import": Field(0x48, "f32", 1000),
                                    "energy_export": Field(0x4A, "f32", 1000)}),
            ],
            (*PHASE_POWERS, *CURRENTS),
            set_up=[(Read(3, 0xFC00, 2), "00000001")],
            fails_as_a_whole=True,
        )
        for name in ("eastron-sdm630", "eastron-sdm72")
    ),
    Client(
        "openWB Chint",
        "chint-dtsu666",
        "packages/modules/devices (chint counter)",
        [
            Read(3, 0x2012, 2, {"power_net": Field(0x2012, "f32", 0.1)}),
            *(Read(3, 0x2012 + 2 * i, 2, {f"power_net_l{i}": Field(0x2012 + 2 * i, "f32", 0.1)}) for i in (1, 2, 3)),
            *(Read(3, 0x200A + 2 * i, 2, {f"current_l{i}": Field(0x200A + 2 * i, "f32", 0.001)}) for i in (1, 2, 3)),
            Read(3, 0x401E, 2, {"energy_import": Field(0x401E, "f32", 1 * 10 * 100)}),
            Read(3, 0x4028, 2, {"energy_export": Field(0x4028, "f32", 1 * 10 * 100)}),
        ],
        ("power_net", *PHASE_POWERS, *CURRENTS, "energy_import", "energy_export"),
        set_up=[(Read(3, 6, 1), "0001"), (Read(3, 7, 1), "000a")],
        fails_as_a_whole=True,
    ),
    Client(
        "openWB Kostal and TQ",
        "kostal-ksem",
        "packages/modules/devices (kostal_sem counter)",
        [
            *(Read(3, 22 + 40 * i, 2, {f"voltage_l{i}": Field(22 + 40 * i, "u32", 0.001)}) for i in (1, 2, 3)),
            *(Read(3, 20 + 40 * i, 2, {f"current_l{i}": Field(20 + 40 * i, "u32", 0.001)}) for i in (1, 2, 3)),
            Read(3, 40, 84, {**_IN, **_OUT}),
            Read(3, 512, 8, {"energy_import": Field(512, "u64", 0.1), "energy_export": Field(516, "u64", 0.1)}),
        ],
        (*PHASE_POWERS, *CURRENTS, "energy_import", "energy_export"),
        combine=_net,
        fails_as_a_whole=True,
    ),
    Client(
        "openWB Carlo Gavazzi",
        "cg-em3xx",
        "packages/modules/devices (carlo_gavazzi counter)",
        [
            Read(4, 0x0000, 6, phases("voltage", 0, "s32l", 0.1)),
            Read(4, 0x0012, 6, phases("power_net", 0x12, "s32l", 0.1)),
            Read(4, 0x000C, 6, phases("current_signed", 0x0C, "s32l", 0.001)),
            Read(4, 0x0033, 1),
        ],
        (*PHASE_POWERS, "current_signed_l1", "current_signed_l2", "current_signed_l3"),
        fails_as_a_whole=True,
    ),
]  # fmt: skip
