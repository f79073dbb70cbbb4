"""SmartEVSE-3: SmartEVSE-3/src/meter.cpp (combineBytes, decodeMeasurement, receiveCurrentMeasurement), at 2bc4238.

It asks for currents every two seconds and decodes integers as int32, whatever the meter's type is. Each current gets
the sign of its phase's power, except for Carlo Gavazzi and WAGO meters, which send one. It knows no code for absent.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.clients.client import SIGNED_CURRENTS, Client, Field, Read, phases, sign_of_power

_SOURCE = "SmartEVSE-3/src/meter.cpp"


def _giving_signs(meter: str, name: str, reads: Sequence[Read]) -> Client:
    return Client(f"SmartEVSE {meter}", name, _SOURCE, reads, SIGNED_CURRENTS, combine=sign_of_power)


CLIENTS = [
    _giving_signs("ABB", "abb-b23", [
        Read(3, 0x5B0C, 16, phases("current", 0x5B0C, "s32", 0.01) | phases("power_net", 0x5B16, "s32", 0.01)),
        Read(3, 0x5000, 4, {"energy_import": Field(0x5000, "u64", 10)}),
    ]),
    *(
        _giving_signs(f"Eastron3P {name}", name, [
            Read(4, 0x06, 12, phases("current", 0x06, "f32") | phases("power_net", 0x0C, "f32")),
            Read(4, 0x48, 2, {"energy_import": Field(0x48, "f32", 1000)}),
        ])
        for name in ("eastron-sdm630", "eastron-sdm72")
    ),
    _giving_signs("Chint", "chint-dtsu666", [
        Read(3, 0x200C, 14, phases("current", 0x200C, "f32", 0.001) | phases("power_net", 0x2014, "f32", 0.1)),
        Read(3, 0x101E, 2, {"energy_import": Field(0x101E, "f32", 1000)}),
    ]),
    _giving_signs("Finder 7M", "finder-7m38", [
        Read(4, 2516, 20, phases("current", 2516, "f32") | phases("power_net", 2530, "f32")),
        Read(4, 2638, 2, {"energy_import": Field(2638, "f32")}),
    ]),
    Client(
        "SmartEVSE C.Gavazzi",
        "cg-em3xx",
        _SOURCE,
        [
            Read(4, 0x000C, 6, phases("current_signed", 0x000C, "s32l", 0.001)),
            Read(4, 0x0028, 2, {"power_net": Field(0x0028, "s32l", 0.1)}),
            Read(4, 0x0034, 2, {"energy_import": Field(0x0034, "s32l", 100)}),
        ],
        SIGNED_CURRENTS,
    ),
]  # fmt: skip
