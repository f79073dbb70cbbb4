"""Meters of Acrel, Lovato, Finder, FoxESS and Sigenergy, as their clients read them.

evcc, mbmd and SmartEVSE are written after their sources. The firmware of the inverters is not public: their requests
are from logs of the bus.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from tests.clients.households import (
    CURRENTS,
    PHASES,
    POWER_PER_PHASE,
    VOLTAGES,
    WHOLE,
    WITH_CURRENTS,
    Reader,
    RefusedError,
    Seen,
    Values,
    check,
    floats,
)

Point = tuple[int, int, str, float]
"""Function code, address, code of `struct`, and how much one step is."""
POWERS = ["power", *POWER_PER_PHASE]


def phases(quantity: str, function: int, first: int, code: str, step: float) -> dict[str, Point]:
    """Return the points of three phases, whose registers follow each other."""
    length = struct.calcsize(code) // 2
    return {f"{quantity}_{phase}": (function, first + length * at, code, step) for at, phase in enumerate(PHASES)}


# evcc: templates/definition/meter/acrel-adw300.yaml
ACREL: dict[str, Point] = {
    "power": (3, 36, "i", 1),
    "energy_import": (3, 62, "i", 0.01),
    **phases("current", 3, 26, "H", 0.01),
    **phases("voltage", 3, 20, "H", 0.1),
    **phases("power", 3, 30, "i", 1),
}
# evcc: templates/definition/meter/lovato-dmg610.yaml; mbmd: meters/rs485/dmg610.go
LOVATO: dict[str, Point] = {
    "power": (4, 0x0039, "i", 0.01),
    "energy_import": (4, 0x1B1F, "Q", 0.01),
    "energy_export": (4, 0x1B23, "Q", 0.01),
    **phases("current", 4, 0x0007, "I", 0.0001),
    **phases("voltage", 4, 0x0001, "I", 0.01),
    **phases("power", 4, 0x0013, "i", 0.01),
}
# evcc: templates/definition/meter/finder-7m38.yaml; mbmd: meters/rs485/finder7m38.go
FINDER: dict[str, Point] = {
    "power": (4, 2536, "f", 1),
    "energy_import": (4, 2752, "f", 0.001),
    "energy_export": (4, 2756, "f", 0.001),
    **phases("current", 4, 2516, "f", 1),
    **phases("voltage", 4, 2500, "f", 1),
    **phases("power", 4, 2530, "f", 1),
}
FINDER_OTHERS = (*range(2538, 2562, 2), 2576, 2584, 2594, 2596, 2598, 2754, 2758)
"""What mbmd reads beside `FINDER`: an exception would end its cycle there."""


def number_of(reader: Reader, point: Point) -> float:
    """Read one number with a request of its own."""
    function, address, code, step = point
    registers = reader.read(function, address, struct.calcsize(code) // 2)
    (number,) = struct.unpack(f">{code}", struct.pack(f">{len(registers)}H", *registers))
    return float(number) * step


def each_alone(reader: Reader, points: dict[str, Point]) -> Seen:
    """Read each quantity alone, as evcc does; an exception ends a voltage or an energy, and else the whole meter."""
    seen: Seen = {}
    for quantity, point in points.items():
        try:
            seen[quantity] = number_of(reader, point)
        except RefusedError:
            if quantity.startswith(("power", "current")):
                raise
            seen[quantity] = None
    return seen


def smartevse(reader: Reader) -> Seen:
    """Read as in SmartEVSE-3/src/meter.cpp: steps of 0.1 A, with the sign of the phase's power, and of 1 W."""
    numbers = floats(reader.read(4, 2516, 20))
    currents, powers = numbers[:3], numbers[7:]
    # A cast of NaN to int is undefined in C.
    assert not any(math.isnan(number) for number in (*currents, *powers))
    seen: Seen = {"power": float(sum(int(power) for power in powers))}
    for phase, current, power in zip(PHASES, currents, powers, strict=True):
        # C multiplies in float32.
        (product,) = struct.unpack(">f", struct.pack(">f", current * 1000))
        milliamperes = int(product) * (-1 if int(power) < 0 else 1)
        seen |= {f"power_{phase}": float(int(power)), f"current_{phase}": int(milliamperes / 100) / 10}
    return seen | {"energy_import": int(floats(reader.read(4, 2638, 2))[0]) / 1000}


def with_sign(phase: str) -> Any:
    """Return the current of a phase, negative while it exports, in steps of 0.1 A."""

    def make(values: Values) -> float | None:
        if f"current_{phase}" not in values or f"power_net_{phase}" not in values:
            return 0.0 if phase != "l1" else None
        current: float = math.floor(10 * abs(values[f"current_{phase}"])) / 10
        return -current if values[f"power_net_{phase}"] < 0 else current

    return make


def chint_block(numbers: list[float]) -> Seen:
    """Return the quantities from 0x1510 on; kW and kvar."""
    names = [*VOLTAGES, *CURRENTS, *POWERS, "reactive", *(f"reactive_{phase}" for phase in PHASES)]
    return {
        name: number * 1000 if name.startswith(("power", "reactive")) else number
        for name, number in zip(names, numbers, strict=False)
    }


def foxess(reader: Reader) -> Seen:
    """Read as in MartB/foxess_dtsu666, custom_components/foxess_dtsu666/registers.py."""
    seen = chint_block(floats(reader.read(3, 0x1510, 64)))
    again = [1000 * number for number in floats(reader.read(3, 0x151E, 14))[:3]]
    assert again == [seen[f"power_{phase}"] for phase in PHASES]
    energies = floats(reader.read(3, 0x181E, 20))
    return seen | {"energy_import": energies[0], "energy_export": energies[5]}


def sigenergy(reader: Reader) -> Seen:
    """Read as in the logs of korneliuszm/nd45_dtsu666_converter: the model, then what the plant regulates with."""
    model = reader.read(3, 0xF100, 20)
    assert struct.pack(">20H", *model).rstrip(b"\0") == b"Sigen Sensor TPX-CH"
    assert reader.read(3, 0x0003, 5) == [0, 1, 0, 200, 10]
    regulation = floats(reader.read(4, 0x151C, 16))
    energies = floats(reader.read(4, 0x180A, 22))
    return {
        **chint_block([*floats(reader.read(4, 0x150A, 30))[3:9], *regulation]),
        "energy_import": energies[10],
        "energy_export": floats(reader.read(4, 0x1828, 4))[0],
    }


def reactive(suffix: str) -> Any:
    """Return reactive power, import positive."""
    names = [f"reactive_power_{direction}{suffix}" for direction in ("import", "export")]
    return lambda values: float(values[names[0]] - values[names[1]]) if names[0] in values else None


REACTIVE = {f"reactive{suffix}": reactive(suffix) for suffix in ("", "_l1", "_l2", "_l3")}


def test_evcc_reads_an_acrel() -> None:
    check("acrel-adw300", lambda reader: each_alone(reader, ACREL), [*POWERS, *CURRENTS], WITH_CURRENTS)


def test_evcc_reads_a_lovato() -> None:
    check("lovato-dmg610", lambda reader: each_alone(reader, LOVATO), [*POWERS, *CURRENTS], WITH_CURRENTS)


def test_evcc_and_mbmd_read_a_finder() -> None:
    def client(reader: Reader) -> Seen:
        for address in FINDER_OTHERS:
            reader.read(4, address, 2)
        return each_alone(reader, FINDER)

    check("finder-7m38", client, [*POWERS, *CURRENTS, "energy_import", "energy_export"], WITH_CURRENTS)


def test_smartevse_reads_a_finder() -> None:
    signed = {f"current_{phase}": with_sign(phase) for phase in PHASES}
    # The sum of phases, whose lines the meter rounds one by one.
    powers = {"power": lambda values: float(sum(values.get(f"power_net_{phase}", 0) for phase in PHASES))}
    check("finder-7m38", smartevse, [*POWERS, *CURRENTS], WITH_CURRENTS, **signed, **powers)


def test_foxess_reads_its_meter() -> None:
    check("foxess-dtsu666", foxess, [*POWERS, *CURRENTS, *VOLTAGES], WHOLE, **REACTIVE)


def test_sigenergy_reads_its_meter_only_with_reactive_power() -> None:
    check("sigenergy-tpx-ch", sigenergy, [*POWERS, *CURRENTS, *VOLTAGES, *REACTIVE], ("Sweden",), **REACTIVE)
