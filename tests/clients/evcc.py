"""evcc: util/modbus/register.go, meter/mbmd.go and plugin/sunspec.go, at b29b49e30, with mbmd at fb8f9c2.

Each point is a read of its own, and an exception is an error, never 0. A NaN, and "not implemented" of SunSpec, become
0. mbmd knows the codes of ABB only. evcc controls with the power, and limits circuits by currents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.clients import households
from tests.clients.client import (
    CURRENTS,
    PHASE_POWERS,
    SIGNED_CURRENTS,
    Client,
    Field,
    Read,
    nan_is_nothing,
    nan_is_zero,
    phases,
)


def _points(function: int, points: Mapping[str, Field]) -> list[Read]:
    sizes = {"16": 1, "32": 2, "64": 4}
    return [Read(function, each.address, sizes[each.type[1:3]], {name: each}) for name, each in points.items()]


def _sunspec_meter(name: str, step: float, acts_on: tuple[str, ...], **more: Any) -> Client:
    read = Read(3, 40071, 105, {
        "power_net": Field(40087, "s16", step),
        **phases("current_signed", 40072, "s16", 0.01, step=1),
        "energy_import": Field(40115, "u32"),
    })  # fmt: skip
    found = (Read(3, 40000, 2), "53756e53")
    source = "plugin/sunspec.go"
    return Client(f"evcc {name}", name, source, [read], acts_on, [found], _sunspec, power_step=step, **more)


def _sunspec(type_name: str, number: float) -> float:
    return 0 if type_name == "s16" and number == -0x8000 else number


_ACTS = ("power_net", *PHASE_POWERS, *CURRENTS)
CLIENTS = [
    Client("evcc sdm", "eastron-sdm630", "mbmd sdm.go", _points(4, {
        "power_net": Field(0x34, "f32"),
        "energy_import": Field(0x48, "f32", 1000), "energy_export": Field(0x4A, "f32", 1000),
        **phases("current", 6, "f32"), **phases("power_net", 12, "f32"),
    }), _ACTS, convert=nan_is_zero),
    Client("evcc dtsu666", "chint-dtsu666", "mbmd dtsu666.go", _points(3, {
        "power_net": Field(0x2012, "f32", 0.1), "energy_import": Field(0x101E, "f32", 1000),
        **phases("current", 0x200C, "f32", 0.001), **phases("power_net", 0x2014, "f32", 0.1),
    }), _ACTS, convert=nan_is_zero),
    Client("evcc iem3000", "schneider-iem3155", "mbmd iem3000.go", _points(3, {
        "power_net": Field(0x0BF3, "f32", 1000),
        "energy_import": Field(0x0C83, "s64"), "energy_export": Field(0x0C87, "s64"),
        **phases("current", 0x0BB7, "f32"), **phases("power_net", 0x0BED, "f32", 1000),
    }), (*_ACTS, "energy_import", "energy_export"), convert=nan_is_zero),
    Client("evcc pac2200", "siemens-pac2200", "mbmd pac2200.go", _points(3, {
        "power_net": Field(65, "f32"), **phases("current", 13, "f32"), **phases("power_net", 25, "f32"),
    }), _ACTS, convert=nan_is_zero),
    Client("evcc inepro", "inepro-pro380", "mbmd inepro.go", _points(3, {
        "power_net": Field(0x5012, "f32", 1000), **phases("current_signed", 0x500C, "f32"),
        **phases("power_net", 0x5014, "f32", 1000),
    }), ("power_net", *PHASE_POWERS, *SIGNED_CURRENTS), convert=nan_is_zero),
    Client("evcc cg-em24_e1", "cg-em24", "mbmd carlogavazzi-em24_e1.go", _points(4, {
        "power_net": Field(0x28, "s32l", 0.1),
        "energy_import": Field(0x34, "s32l", 100), "energy_export": Field(0x4E, "s32l", 100),
        **phases("current_signed", 0x0C, "s32l", 0.001),
    }), ("power_net", *SIGNED_CURRENTS, "energy_import", "energy_export")),
    Client("evcc cg-emt3xx", "cg-em3xx", "mbmd carlogavazzi-ex3x0.go", _points(4, {
        "power_net": Field(0x28, "s32l", 0.1),
        "energy_import": Field(0x34, "s32l", 100), "energy_export": Field(0x4E, "s32l", 100),
        **phases("current_signed", 0x0C, "s32l", 0.001),
    }), ("power_net", *SIGNED_CURRENTS, "energy_import", "energy_export")),
    Client("evcc acrel-adw300", "acrel-adw300", "templates/definition/meter/acrel-adw300.yaml", _points(3, {
        "power_net": Field(36, "s32"), "energy_import": Field(62, "s32", 10),
        **phases("current", 26, "u16", 0.01, step=1), **phases("voltage", 20, "u16", 0.1, step=1),
        **phases("power_net", 30, "s32"),
    }), _ACTS, served=households.CURRENTS, shows_zeros=False),
    Client("evcc lovato-dmg610", "lovato-dmg610", "mbmd dmg610.go", _points(4, {
        "power_net": Field(0x39, "s32", 0.01),
        "energy_import": Field(0x1B1F, "u64", 10), "energy_export": Field(0x1B23, "u64", 10),
        **phases("current", 0x07, "u32", 0.0001), **phases("voltage", 0x01, "u32", 0.01),
        **phases("power_net", 0x13, "s32", 0.01),
    }), _ACTS, served=households.CURRENTS, shows_zeros=False),
    Client("evcc finder-7m38", "finder-7m38", "mbmd finder7m38.go", _points(4, {
        "power_net": Field(2536, "f32"),
        "energy_import": Field(2752, "f32"), "energy_export": Field(2756, "f32"),
        **phases("current", 2516, "f32"), **phases("voltage", 2500, "f32"), **phases("power_net", 2530, "f32"),
    }), _ACTS, convert=nan_is_zero, served=households.CURRENTS_AND_ENERGY),
    # An exception ends the cycle of the mbmd daemon.
    Client("mbmd finder-7m38", "finder-7m38", "mbmd finder7m38.go", [
        *(Read(4, address, 2) for address in (*range(2538, 2562, 2), 2576, 2584, 2594, 2596, 2598, 2754, 2758)),
        Read(4, 2536, 2, {"power_net": Field(2536, "f32")}),
    ], ("power_net",), convert=nan_is_nothing, fails_as_a_whole=True, served=households.CURRENTS_AND_ENERGY),
    _sunspec_meter("sunspec-203-filled", 10, ("power_net", *SIGNED_CURRENTS)),
    _sunspec_meter("kostal-ksem", 10, ("power_net", *SIGNED_CURRENTS)),
    _sunspec_meter("sunspec-203", 10, ("power_net",)),
    _sunspec_meter("sunspec-201", 1, ("power_net",), household="one phase", limits={"power_net": 32767}),
]  # fmt: skip
