"""Victron GX over RS-485: dbus-cgwacs, with its set-up and its conversion.

After software/src/ac_sensor.cpp and ac_sensor_updater.cpp: a 32-bit value of 0x7FFFFFFF, a frequency of 0xFFFF and a
power factor of 0x7FFF are "no value"; every other number is taken as it is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest

from tests.clients.households import (
    CURRENTS,
    HOUSEHOLDS,
    PHASES,
    POWER_PER_PHASE,
    VOLTAGES,
    WHOLE,
    Reader,
    RefusedError,
    Seen,
    Values,
    check,
    int32,
    of_phase,
    truth,
)

WITH_POWER = tuple(name for name in HOUSEHOLDS if name != "power of two phases")
NONE = math.nan


class Model(NamedTuple):
    """What the GX knows of a meter."""

    codes: range
    serial: int
    checks: dict[int, int]
    """Setting → what the GX wants; it writes to a meter that has something else."""
    mean_voltage: int
    import_at: int
    export_at: int
    per_phase_at: int
    frequency_at: int
    lengths: dict[int, int]
    """Address → registers of a request that is longer than its values."""
    signs_currents: bool
    """Whether the GX gives each current the sign of its phase's power."""


EM24 = Model(range(71, 74), 0x1300, {0x1101: 7}, 0x24, 0x3E, 0x5C, 0x46, 0x37, {0x37: 3}, signs_currents=True)
EM340 = Model(
    range(330, 346), 0x5000, {0x1103: 1, 0x1002: 0}, 0x24, 0x34, 0x4E, 0x40, 0x33,
    {0x24: 4, 0x00: 8, 0x0C: 8, 0x34: 4, 0x40: 8, 0x4E: 4, 0x33: 3}, signs_currents=False,
)  # fmt: skip
EM540 = EM340._replace(codes=range(1744, 1764), checks={0x1103: 2, 0x1002: 0}, frequency_at=0x53C, signs_currents=True)


def value(registers: list[int], factor: float) -> float:
    number = int32(registers[:2], low_first=True)
    return NONE if number == 0x7FFFFFFF else number * factor


def check_serial(reader: Reader, address: int) -> None:
    """Read the serial number; without one, the GX begins its search again."""
    letters = "".join(chr(word >> 8) + chr(word & 0xFF) for word in reader.read(3, address, 7))
    if len(letters.replace("\0", "")) < 2:
        raise RefusedError


def set_up(reader: Reader, model: Model) -> None:
    (code,) = reader.read(3, 0x000B, 1)
    assert code in model.codes
    check_serial(reader, model.serial)
    assert {address: reader.read(3, address, 1)[0] for address in model.checks} == model.checks


def gx(reader: Reader, model: Model) -> Seen:
    set_up(reader, model)

    def ask(address: int, count: int) -> list[int]:
        return reader.read(3, address, model.lengths.get(address, count))

    def three(address: int, factor: float) -> list[float]:
        registers = ask(address, 6)
        return [value(registers[at:], factor) for at in (0, 2, 4)]

    seen: Seen = {"power": value(ask(0x28, 2), 0.1), "mean_voltage": value(ask(model.mean_voltage, 2), 0.1)}
    powers, currents = three(0x12, 0.1), three(0x0C, 0.001)
    if model.signs_currents:
        currents = [-current if power < 0 else current for current, power in zip(currents, powers, strict=True)]
    for phase, power, voltage, current in zip(PHASES, powers, three(0, 0.1), currents, strict=True):
        seen |= {f"power_{phase}": power, f"voltage_{phase}": voltage, f"current_{phase}": current}
    seen["energy_import"] = value(ask(model.import_at, 2), 0.1)
    seen["energy_export"] = abs(value(ask(model.export_at, 2), 0.1))
    three(model.per_phase_at, 0.1)
    frequency = ask(model.frequency_at, 4)
    assert frequency[:2] == [0xFFFF, 0x7FFF] if model.frequency_at == 0x53C else frequency[0] == 0xFFFF
    return seen


def signed(phase: str) -> object:
    """Return the function that says what a current with the direction of its phase is."""

    def make(values: Values) -> float | None:
        said = truth(values)
        current, power = said[f"current_{phase}"], of_phase(values, "power_net", phase)
        return None if current is None else math.copysign(current, power or 0.0)

    return make


def all_on_l1(values: Values) -> float | None:
    """Return the power of L1: all power, if the meter does not send it per phase."""
    return of_phase(values, "power_net", "l1") if "power_net_l1" in values else float(values["power_net"])


def mean(values: Values) -> float | None:
    volts = [float(values[name]) for name in (f"voltage_{phase}" for phase in PHASES) if name in values]
    return sum(volts) / len(volts) if volts else None


SIGNED = {f"current_{phase}": signed(phase) for phase in PHASES}


@pytest.mark.parametrize(("map_name", "model"), [("cg-em24-rs485", EM24), ("cg-em540", EM540)])
def test_a_gx_sees_no_value_where_the_telegram_has_none(map_name: str, model: Model) -> None:
    def client(reader: Reader) -> Seen:
        return gx(reader, model)

    check(map_name, client, ["power", "power_l1"], WITH_POWER, power_l1=all_on_l1, mean_voltage=mean, **SIGNED)


def test_a_gx_takes_an_em340_for_one_without_export_per_phase() -> None:
    def client(reader: Reader) -> Seen:
        seen = gx(reader, EM340)
        with pytest.raises(RefusedError):
            reader.read(3, 0x0060, 2)
        return seen

    quantities = ["power", *POWER_PER_PHASE, *VOLTAGES, *CURRENTS]
    check("cg-em340", client, quantities, WHOLE, mean_voltage=mean, **SIGNED)


def test_a_gx_sees_all_power_in_an_et112() -> None:
    def client(reader: Reader) -> Seen:
        assert reader.read(3, 0x000B, 1)[0] in range(102, 122)
        check_serial(reader, 0x5000)
        assert reader.read(3, 0x1103, 1) == [1]
        both = reader.read(3, 0x0000, 4)
        assert reader.read(3, 0x000F, 3)[0] == 0xFFFF
        return {
            "power": value(reader.read(3, 0x0004, 2), 0.1),
            "voltage_l1": value(both, 0.1),
            "current_l1": value(both[2:], 0.001),
            "energy_import": value(reader.read(3, 0x0010, 3), 0.1),
            "energy_export": abs(value(reader.read(3, 0x0020, 3), 0.1)),
        }

    def single(values: Values) -> float | None:
        if "current_l1" not in values or {"current_l2", "current_l3"} & values.keys():
            return None
        return math.copysign(float(values["current_l1"]), float(values["power_net"]))

    check("cg-et112", client, ["power"], tuple(HOUSEHOLDS), current_l1=single)
