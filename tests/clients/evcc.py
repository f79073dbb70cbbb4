"""evcc: util/modbus/register.go, meter/mbmd.go and plugin/sunspec.go, at b29b49e30, with mbmd at fb8f9c2.

Each point is a read of its own, and an exception is an error, never 0. A NaN, and "not implemented" of SunSpec, become
0. mbmd knows the codes of ABB only. evcc controls with the power, and limits circuits by currents.
"""

from __future__ import annotations

from tests.clients.client import CURRENTS, PHASE_POWERS, SIGNED_CURRENTS, Client, Field, Read, nan_is_zero

_Points = dict[str, tuple[int, str, float]]


def _points(function: int, points: _Points) -> list[Read]:
    sizes = {"16": 1, "32": 2, "64": 4}
    return [
        Read(function, address, sizes[kind[1:3]], {name: Field(address, kind, scale)})
        for name, (address, kind, scale) in points.items()
    ]


def _three(name: str, address: int, kind: str, scale: float = 1) -> _Points:
    return {f"{name}_l{i + 1}": (address + 2 * i, kind, scale) for i in range(3)}


def _sunspec(type_name: str, number: float) -> float:
    return 0 if type_name == "s16" and number == -0x8000 else number


_ACTS = ("power_net", *PHASE_POWERS, *CURRENTS)
CLIENTS = [
    Client("evcc sdm", "eastron-sdm630", "mbmd sdm.go", _points(4, {
        "power_net": (0x34, "f32", 1), "energy_import": (0x48, "f32", 1000), "energy_export": (0x4A, "f32", 1000),
        **_three("current", 6, "f32"), **_three("power_net", 12, "f32"),
    }), _ACTS, convert=nan_is_zero),
    Client("evcc dtsu666", "chint-dtsu666", "mbmd dtsu666.go", _points(3, {
        "power_net": (0x2012, "f32", 0.1), "energy_import": (0x101E, "f32", 1000),
        **_three("current", 0x200C, "f32", 0.001), **_three("power_net", 0x2014, "f32", 0.1),
    }), _ACTS, convert=nan_is_zero),
    Client("evcc iem3000", "schneider-iem3155", "mbmd iem3000.go", _points(3, {
        "power_net": (0x0BF3, "f32", 1000), "energy_import": (0x0C83, "s64", 1), "energy_export": (0x0C87, "s64", 1),
        **_three("current", 0x0BB7, "f32"), **_three("power_net", 0x0BED, "f32", 1000),
    }), (*_ACTS, "energy_import", "energy_export"), convert=nan_is_zero),
    Client("evcc pac2200", "siemens-pac2200", "mbmd pac2200.go", _points(3, {
        "power_net": (65, "f32", 1), **_three("current", 13, "f32"), **_three("power_net", 25, "f32"),
    }), _ACTS, convert=nan_is_zero),
    Client("evcc inepro", "inepro-pro380", "mbmd inepro.go", _points(3, {
        "power_net": (0x5012, "f32", 1000), **_three("current_signed", 0x500C, "f32"),
        **_three("power_net", 0x5014, "f32", 1000),
    }), ("power_net", *PHASE_POWERS, *SIGNED_CURRENTS), convert=nan_is_zero),
    Client("evcc cg-em24_e1", "cg-em24", "mbmd carlogavazzi-em24_e1.go", _points(4, {
        "power_net": (0x28, "s32l", 0.1), "energy_import": (0x34, "s32l", 100), "energy_export": (0x4E, "s32l", 100),
        **_three("current_signed", 0x0C, "s32l", 0.001),
    }), ("power_net", *SIGNED_CURRENTS, "energy_import", "energy_export")),
    Client("evcc cg-emt3xx", "cg-em3xx", "mbmd carlogavazzi-ex3x0.go", _points(4, {
        "power_net": (0x28, "s32l", 0.1), "energy_import": (0x34, "s32l", 100), "energy_export": (0x4E, "s32l", 100),
        **_three("current_signed", 0x0C, "s32l", 0.001),
    }), ("power_net", *SIGNED_CURRENTS, "energy_import", "energy_export")),
    Client("evcc sunspec-meter", "sunspec-203-filled", "plugin/sunspec.go", [
        Read(3, 40071, 105, {
            "power_net": Field(40087, "s16", 10),
            **{f"current_signed_l{i}": Field(40071 + i, "s16", 0.01) for i in (1, 2, 3)},
        }),
    ], ("power_net", *SIGNED_CURRENTS), set_up=[(Read(3, 40000, 2), "53756e53")], convert=_sunspec),
]  # fmt: skip
