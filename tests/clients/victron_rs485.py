"""Victron GX over RS-485: dbus-cgwacs, software/src/ac_sensor.cpp and ac_sensor_updater.cpp.

A 32-bit value of 0x7FFFFFFF is "no value"; every other number is taken as it is. It searches for a meter by its code,
gives up one without a serial number, and writes to one with other settings. It gives the currents of an EM24 and an
EM540 the sign of their phase's power. Without power of each phase, L1 has all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.clients import households
from tests.clients.client import PHASE_POWERS, Client, Field, Read, Seen, phases, sign_of_power

_SHOWN = ("voltage_l1", "voltage_l2", "voltage_l3", "current_signed_l1", "current_signed_l2", "current_signed_l3")


def _codes(type_name: str, number: float) -> float | None:
    return None if (type_name, number) == ("s32l", 0x7FFFFFFF) else number


def _positive_export(seen: Seen) -> Seen:
    export = seen.get("energy_export")
    return {**seen, "energy_export": None if export is None else abs(export)}


def _signed(seen: Seen) -> Seen:
    return sign_of_power(_positive_export(seen))


def _all_on_l1(values: Mapping[str, Any]) -> Any:
    return values.get("power_net_l1", values["power_net"])


def _of_one_phase(name: str) -> Any:
    def value(values: Mapping[str, Any]) -> Any:
        return None if {"current_l2", "current_l3"} & values.keys() else values.get(name)

    return value


def _mean(values: Mapping[str, Any]) -> Any:
    volts = [values[name] for name in _SHOWN[:3] if name in values]
    return sum(volts) / len(volts) if volts else None


def _gx(
    name: str, at: Mapping[str, int], lengths: Mapping[int, int], set_up: Sequence[tuple[Read, str]],
    acts_on: Sequence[str], served: Sequence[str], *, current: str = "current",
) -> Client:  # fmt: skip
    def read(address: int, count: int, fields: Mapping[str, Field]) -> Read:
        return Read(3, address, lengths.get(address, count), fields)

    return Client(
        f"GX RS485 {name}",
        name,
        "ac_sensor_updater.cpp",
        [
            read(0x28, 2, {"power_net": Field(0x28, "s32l", 0.1)}),
            read(0x24, 2, {"voltage_mean": Field(0x24, "s32l", 0.1)}),
            read(0x12, 6, phases("power_net", 0x12, "s32l", 0.1)),
            read(0x0C, 6, phases(current, 0x0C, "s32l", 0.001)),
            read(0x00, 6, phases("voltage", 0x00, "s32l", 0.1)),
            read(at["import"], 2, {"energy_import": Field(at["import"], "s32l", 100)}),
            read(at["export"], 2, {"energy_export": Field(at["export"], "s32l", 100)}),
            read(at["per phase"], 6, {}),
            read(at["frequency"], 4, {}),
        ],
        acts_on,
        set_up,
        _codes,
        _signed if current == "current" else _positive_export,
        served=served,
        shows_zeros=False,
        expected={"power_net_l1": _all_on_l1, "voltage_mean": _mean},
        fails_as_a_whole=True,
    )


_EM340 = {"import": 0x34, "export": 0x4E, "per phase": 0x40, "frequency": 0x33}
_EM340_LENGTHS = {0x24: 4, 0x00: 8, 0x0C: 8, 0x34: 4, 0x40: 8, 0x4E: 4, 0x33: 3}
CLIENTS = [
    _gx(
        "cg-em24-rs485",
        {"import": 0x3E, "export": 0x5C, "per phase": 0x46, "frequency": 0x37},
        {0x37: 3},
        [(Read(3, 0x000B, 1), "0047"), (Read(3, 0x1101, 1), "0007")],
        ("power_net", "power_net_l1"),
        households.POWERS,
    ),
    _gx(
        "cg-em540",
        _EM340 | {"frequency": 0x53C},
        _EM340_LENGTHS,
        [(Read(3, 0x000B, 1), "06d0"), (Read(3, 0x1103, 1), "0002"), (Read(3, 0x1002, 1), "0000")],
        ("power_net", "power_net_l1"),
        households.POWERS,
    ),
    _gx(
        "cg-em340",
        _EM340,
        _EM340_LENGTHS,
        [(Read(3, 0x000B, 1), "0155"), (Read(3, 0x1103, 1), "0001"), (Read(3, 0x1002, 1), "0000")],
        ("power_net", *PHASE_POWERS, *_SHOWN),
        households.WHOLE,
        current="current_signed",
    ),
    Client(
        "GX RS485 cg-et112",
        "cg-et112",
        "ac_sensor_updater.cpp",
        [
            Read(3, 0x0000, 4, {"voltage_l1": Field(0, "s32l", 0.1), "current_signed_l1": Field(2, "s32l", 0.001)}),
            Read(3, 0x0004, 2, {"power_net": Field(4, "s32l", 0.1)}),
            Read(3, 0x000F, 3),
            Read(3, 0x0010, 3, {"energy_import": Field(0x10, "s32l", 100)}),
            Read(3, 0x0020, 3, {"energy_export": Field(0x20, "s32l", 100)}),
        ],
        ("power_net",),
        [(Read(3, 0x1103, 1), "0001")],
        _codes,
        _positive_export,
        served=tuple(households.HOUSEHOLDS),
        shows_zeros=False,
        expected={"current_signed_l1": _of_one_phase("current_signed_l1")},
        fails_as_a_whole=True,
    ),
]
