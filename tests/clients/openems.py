"""OpenEMS: the meters' ModbusImpl classes, ElementToChannelConverter and TypeUtils.getAsType.

NaN becomes null; whole numbers know no code. A converter that multiplies throws where the result is no int32, and then
the whole task has no values: here that makes every quantity unknown, as it does in OpenEMS.
"""

from __future__ import annotations

from tests.clients.client import CURRENTS, PHASE_POWERS, Client, Field, Read, Seen, nan_is_nothing, phases

_MAX_INT32 = 0x7FFFFFFF


def _range_of_int32(seen: Seen) -> Seen:
    too_large = any(number is not None and abs(number) > _MAX_INT32 for number in seen.values())
    return dict.fromkeys(seen) if too_large else {name: number for name, number in seen.items() if name[0] != "q"}


def _floats(name: str, meter: str, function: int, reads: list[Read]) -> Client:
    return Client(
        f"OpenEMS {meter}",
        name,
        f"{meter}Impl.java",
        [read._replace(function=function) for read in reads],
        ("power_net", *PHASE_POWERS, *CURRENTS),
        convert=nan_is_nothing,
        fails_as_a_whole=True,
    )


CLIENTS = [
    Client(
        "OpenEMS Socomec",
        "socomec-e27",
        "MeterSocomecThreephaseImpl.java",
        [
            Read(3, 0xC558, 36, phases("voltage", 0xC558, "u32", 0.01) | phases("current", 0xC560, "u32", 0.001)
                 | {"power_net": Field(0xC568, "s32", 10), "q": Field(0xC56A, "s32", 10)}
                 | phases("power_net", 0xC570, "s32", 10) | phases("q", 0xC576, "s32", 10)),
            Read(3, 0xC702, 8, {"energy_import": Field(0xC702, "u32", 10), "energy_export": Field(0xC708, "u32", 10)}),
        ],
        ("power_net", *PHASE_POWERS, *CURRENTS),
        set_up=[(Read(3, 0xC350, 4), "0053004f0043004f")],
        combine=_range_of_int32,
        power_step=10,
        fails_as_a_whole=True,
    ),
    _floats("eastron-sdm630", "MeterMicrocareSdm630", 4, [
        Read(4, 0, 80, {"power_net": Field(52, "f32"), "energy_import": Field(72, "f32", 1000),
             "energy_export": Field(74, "f32", 1000)} | phases("voltage", 0, "f32") | phases("current", 6, "f32")
             | phases("power_net", 12, "f32")),
    ]),
    _floats("siemens-pac2200", "MeterSiemens", 3, [
        Read(3, 1, 68, {"power_net": Field(65, "f32")} | phases("voltage", 1, "f32") | phases("current", 13, "f32")
             | phases("power_net", 25, "f32")),
        Read(3, 801, 12, {"energy_import": Field(801, "f64"), "energy_export": Field(809, "f64")}),
    ]),
    _floats("janitza-umg96rm", "MeterJanitzaUmg96rme", 3, [
        Read(3, 19000, 52, {"power_net": Field(19026, "f32")} | phases("voltage", 19000, "f32")
             | phases("current", 19012, "f32") | phases("power_net", 19020, "f32")),
        Read(3, 19068, 10, {"energy_import": Field(19068, "f32"), "energy_export": Field(19076, "f32")}),
    ]),
    _floats("phoenix-eem", "PhoenixContactMeter", 3, [
        Read(3, 0x8006, 57, {"power_net": Field(0x8016, "f32l")} | phases("voltage", 0x8006, "f32l")
             | phases("current", 0x800E, "f32l") | phases("power_net", 0x801E, "f32l")),
        Read(3, 0x8100, 8, {"energy_import": Field(0x8100, "f32l"), "energy_export": Field(0x8106, "f32l")}),
    ]),
    Client(
        "OpenEMS Carlo Gavazzi",
        "cg-em3xx",
        "MeterCarloGavazziEm300Impl.java",
        [
            Read(4, 0, 6, phases("voltage", 0, "s32l", 0.1)),
            Read(4, 12, 34, {"power_net": Field(0x28, "s32l", 0.1)} | phases("current_signed", 12, "s32l", 0.001)
                 | phases("power_net", 18, "s32l", 0.1)),
            Read(4, 51, 29, {"energy_import": Field(52, "s32l", 100), "energy_export": Field(78, "s32l", 100)}),
        ],
        ("power_net", *PHASE_POWERS, "current_signed_l1", "current_signed_l2", "current_signed_l3"),
        fails_as_a_whole=True,
    ),
]  # fmt: skip
