"""openWB: packages/modules/common/b23.py, sdm.py and the counters in modules/devices, at 3039a2101.

A request that fails raises, and the component shows an error. b23.py knows the codes of ABB except for the export; the
others take every code for a number. The Chint counter multiplies by the ratios that it reads from the meter. All of
them speak Modbus/TCP, also on the port 8899 of the kits.
"""

from __future__ import annotations

from tests.clients.client import CURRENTS, PHASE_POWERS, Client, Field, Read, Seen, phases

_ABB_CODES = {"u16": 0xFFFF, "s16": 0x7FFF, "u32": 0xFFFFFFFF, "s32": 0x7FFFFFFF}
_SUFFIXES = ("", "_l1", "_l2", "_l3")


def _abb(type_name: str, number: float) -> float | None:
    return None if number == _ABB_CODES.get(type_name) else number


def _ksem(i: int) -> dict[str, Field]:
    """Return the fields of a phase of a KSEM, or of all; the meter has import and export apart."""
    suffix, first = _SUFFIXES[i], 40 * i
    powers = {f"in{suffix}": Field(first, "u32", 0.1), f"out{suffix}": Field(first + 2, "u32", 0.1)}
    if not i:
        return powers
    shown = {f"current{suffix}": Field(first + 20, "u32", 0.001), f"voltage{suffix}": Field(first + 22, "u32", 0.001)}
    return powers | shown


KSEM_FIELDS = ({**_ksem(0), **_ksem(1)}, {**_ksem(2), **_ksem(3)})
"""Fields of a KSEM below address 80, and from there to 147."""


def ksem_power(seen: Seen) -> Seen:
    """Return the powers: import where it is at least as large as export, else export with a sign."""
    net: dict[str, float | None] = {}
    for suffix in _SUFFIXES:
        taken, given = seen.get(f"in{suffix}"), seen.get(f"out{suffix}")
        known = taken is not None and given is not None
        net[f"power_net{suffix}"] = (taken if taken >= given else -given) if known else None
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
            Read(3, 0x2044, 2),
            Read(3, 0x2012, 2, {"power_net": Field(0x2012, "f32", 0.1)}),
            *(Read(3, 0x2004 + 2 * i, 2, {f"voltage_l{i}": Field(0x2004 + 2 * i, "f32", 0.1)}) for i in (1, 2, 3)),
            *(Read(3, 0x202A + 2 * i, 2) for i in (1, 2, 3)),
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
            *(Read(3, 24 + 40 * i, 2) for i in (1, 2, 3)),
            Read(3, 512, 8, {"energy_import": Field(512, "u64", 0.1), "energy_export": Field(516, "u64", 0.1)}),
            Read(3, 26, 2),
            *(Read(3, 40 * i, 4, {name: each for name, each in _ksem(i).items() if each.address < 40 * i + 4})
              for i in (1, 2, 3, 0)),
        ],
        ("power_net", *PHASE_POWERS, *CURRENTS, "energy_import", "energy_export"),
        combine=ksem_power,
        fails_as_a_whole=True,
    ),
    Client(
        "openWB Siemens Sentron",
        "siemens-pac2200",
        "packages/modules/devices (siemens_sentron counter)",
        [
            Read(3, 801, 4, {"energy_import": Field(801, "f64")}),
            Read(3, 809, 4, {"energy_export": Field(809, "f64")}),
            Read(3, 65, 2, {"power_net": Field(65, "f32")}),
            Read(3, 25, 6, phases("power_net", 25, "f32")),
            Read(3, 55, 2),
            Read(3, 13, 6, phases("current", 13, "f32")),
            Read(3, 1, 6, phases("voltage", 1, "f32")),
            Read(3, 37, 6),
        ],
        ("power_net", *PHASE_POWERS, *CURRENTS, "energy_import", "energy_export"),
        fails_as_a_whole=True,
    ),
    Client(
        "openWB Janitza",
        "janitza-umg96rm",
        "packages/modules/devices (janitza counter)",
        [
            Read(3, 19026, 2, {"power_net": Field(19026, "f32")}),
            Read(3, 19020, 6, phases("power_net", 19020, "f32")),
            Read(3, 19012, 6, phases("current", 19012, "f32")),
            Read(3, 19000, 6, phases("voltage", 19000, "f32")),
            Read(3, 19044, 6),
            Read(3, 19050, 2),
        ],
        ("power_net", *PHASE_POWERS, *CURRENTS),
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
