"""A simulated meter: the telegrams of a household, for demonstrations and tests.

A `TelegramForm` describes the telegrams of one version or country. It looks like such a telegram, with names in place
of the values. The folder `forms` has one file for each. The form is split once into fixed text and value functions;
each telegram then only fills in the values of its moment.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from functools import partial
from typing import Literal

from gateway.protocol.crc16 import crc16
from gateway.protocol.p1.obis import UNIT_FACTORS, canonical_unit
from gateway.simulation.demand import Demand
from gateway.simulation.household import (
    HOUR_S,
    ROLLOVER_WH,
    SLOT_S,
    SLOTS_PER_HOUR,
    WEEK_S,
    Scenario,
    Week,
    simulate_week,
    tariff_of,
)
from gateway.simulation.wall_clock import WallClock, WallTime

SWAP_AFTER_S = 300
"""Time from the start of the simulation to the replacement of the gas meter."""
Medium = Literal["gas", "water", "heat"]
GAS: Medium = "gas"
_BASE_UNIT_OF_COUNT: dict[Medium, Decimal] = {"gas": Decimal("0.001"), "water": Decimal("0.001"), "heat": Decimal(1000)}
"""Medium → base units per unit that the household counts in: m3 per dm3, J per kJ."""
_LEVELS_V = (231.2, 230.4, 232.1)

_Value = int | float | Decimal | str
_Render = Callable[[Mapping[str, _Value]], str]


@dataclass(frozen=True, slots=True)
class TelegramForm:
    """The form of the telegrams of one version or country."""

    telegram: str
    """Lines with `{name}` or `{name:form}` for values, and the line `{mbus}` for the lines of the M-Bus meters."""
    mbus: Mapping[Medium, str]
    """Medium → the lines of its M-Bus meter, with `{channel}`."""
    zone: str
    has_checksum: bool
    keeps_normal_time: bool = False
    mbus_period_s: int = 300
    day_tariff: int = 2


_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)(?::([^{}]+))?\}")
_NUMBER = re.compile(r"(0+)(?:\.(0+))?(?:\*([A-Za-z0-9]+))?")


class _Template:
    """Lines with placeholders for values."""

    def __init__(self, text: str) -> None:
        self._parts: list[_Render] = []
        at = 0
        for placeholder in _PLACEHOLDER.finditer(text):
            renderer = _renderer(placeholder[1], placeholder[2])
            self._parts += [partial(_render_text, text[at : placeholder.start()]), renderer]
            at = placeholder.end()
        self._parts.append(partial(_render_text, text[at:]))

    def fill(self, values: Mapping[str, _Value]) -> str:
        """Return the lines with these values."""
        return "".join(part(values) for part in self._parts)


def _render_text(text: str, _values: Mapping[str, _Value]) -> str:
    return text


def _renderer(name: str, form: str | None) -> _Render:
    if form is None:
        return lambda values: str(values[name])
    if form == "hex":
        return lambda values: str(values[name]).encode("ascii").hex().upper()
    number = _NUMBER.fullmatch(form)
    unit = canonical_unit(number[3]) if number and number[3] else None
    if number is None or (number[3] and unit is None):
        raise ValueError(f"{{{name}:{form}}} is not a form of a value. Write it like 000.000*kWh, 0000 or hex")
    decimals = len(number[2] or "")
    width = len(number[1]) + decimals
    factor = UNIT_FACTORS[unit][1] if unit else Decimal(1)
    # A counter shows only what was used completely.
    rounding = ROUND_FLOOR if "energy" in name else ROUND_HALF_EVEN
    suffix = f"*{number[3]}" if number[3] else ""

    def render(values: Mapping[str, _Value]) -> str:
        scaled = int((Decimal(values[name]) / factor).scaleb(decimals).to_integral_value(rounding))
        digits = f"{abs(scaled) % 10**width:0{width}}"
        text = f"{digits[: width - decimals]}.{digits[width - decimals :]}" if decimals else digits
        return f"{'-' if scaled < 0 else ''}{text}{suffix}"

    return render


class SimulatedMeter:
    """The meter of a household, which sends telegrams of a form; `seed` selects the household.

    Raises:
        ValueError: the form has a placeholder without a value.

    """

    def __init__(
        self, form: TelegramForm, seed: int = 1, scenario: Scenario | None = None, started_at: int = 0
    ) -> None:
        self._form = form
        self._clock = WallClock(form.zone, keeps_normal_time=form.keeps_normal_time)
        self._week = simulate_week(seed, scenario)
        names = [placeholder[1] for placeholder in _PLACEHOLDER.finditer(form.telegram)]
        self._energies = {name for name in names if "energy" in name}
        self._demand = Demand(self._week, self._clock) if any(name.startswith("demand") for name in names) else None
        self._seed = seed
        self._swapped_at = started_at + SWAP_AFTER_S if scenario is Scenario.GAS_SWAP else None
        head, _, tail = form.telegram.partition("{mbus}\n")
        self._head, self._tail = _Template(_crlf(head)), _Template(_crlf(tail))
        self._mbus = {medium: _Template(_crlf(lines)) for medium, lines in form.mbus.items()}
        try:
            self.telegram(started_at)
        except KeyError as error:
            raise ValueError(f"a meter has no value {error.args[0]}") from None
        except ArithmeticError:
            raise ValueError("a text cannot have the form of a number. Write {name} or {name:hex}") from None

    def telegram(self, at: int) -> bytes:
        """Return the telegram of the moment `at` in unix seconds; it depends on nothing else."""
        now = self._clock.at(at)
        values = self._values(now)
        body = (self._head.fill(values) + self._mbus_lines(at) + self._tail.fill(values)).encode("ascii")
        checksum = b"%04X" % crc16(body) if self._form.has_checksum else b""
        return body + checksum + b"\r\n"

    def _values(self, now: WallTime) -> dict[str, _Value]:
        slot = now.second % WEEK_S // SLOT_S
        tariff = tariff_of(now.second % WEEK_S // HOUR_S)
        values: dict[str, _Value] = {
            "clock": now.stamp,
            "equipment_identifier": f"SIMULATED{self._seed % 10**8:08}",
            "tariff": tariff if self._form.day_tariff == 2 else 3 - tariff,
            "frequency": 50 + Decimal(slot % 7 - 3) / 100,
        }
        values |= {name: self._energy(name, now) for name in self._energies}
        values |= _powers(self._week, slot)
        if self._demand:
            values |= {"demand_import": self._demand.running(now.second), "demand_history": self._demand.history(now)}
            values |= self._demand.of_month(now)
        return values

    def _energy(self, name: str, now: WallTime) -> int:
        """Return a counter by its name in a form: of a tariff, of a quadrant, or a total."""
        if name == "energy_combined":
            return self._energy("energy_import", now) + self._energy("energy_export", now)
        if name[-3:] in ("_t1", "_t2"):
            is_day = int(name[-1]) == self._form.day_tariff
            return self._count(f"{name[:-3]}_{'normal' if is_day else 'low'}", now)
        if "_q" in name:
            return self._count(name, now)
        return self._count(f"{name}_low", now) + self._count(f"{name}_normal", now)

    def _count(self, name: str, moment: WallTime) -> int:
        """Return a counter at `moment`, in whole Wh, varh, dm3 or kJ."""
        sums = self._week.sums(name)
        weeks, second = divmod(moment.second, WEEK_S)
        slot, elapsed_s = divmod(second, SLOT_S)
        slots = weeks * sums[-1] + sums[slot]
        # In March the clock skips an hour, which is not counted. In October an hour comes twice, and both are counted.
        if moment.is_summer:
            skipped = self._clock.skipped_hour * SLOTS_PER_HOUR
            slots -= sums[skipped + SLOTS_PER_HOUR] - sums[skipped]
        return (slots * SLOT_S + (sums[slot + 1] - sums[slot]) * elapsed_s) // HOUR_S % ROLLOVER_WH

    def _mbus_lines(self, at: int) -> str:
        read_at = at - at % self._form.mbus_period_s
        swapped_at = self._swapped_at if self._swapped_at is not None and at >= self._swapped_at else None
        lines = ""
        for channel, medium in enumerate(self._form.mbus, start=1):
            stopped_at = swapped_at if medium == GAS else None
            lines += self._mbus_meter(medium, channel, read_at if stopped_at is None else stopped_at)
        if swapped_at is not None:
            lines += self._mbus_meter(GAS, len(self._form.mbus) + 1, max(read_at, swapped_at), swapped_at)
        return lines

    def _mbus_meter(self, medium: Medium, channel: int, read_at: int, since: int | None = None) -> str:
        moment = self._clock.at(read_at)
        count = self._count(medium, moment)
        if since is not None:
            count = (count - self._count(medium, self._clock.at(since))) % ROLLOVER_WH
        letter = "N" if since is not None else medium[0].upper()
        values: dict[str, _Value] = {
            "channel": channel,
            "identifier": f"SIMULATED{letter}{self._seed % 10**7:07}",
            "time": moment.stamp,
            "time_without_season": moment.stamp[:12],
            "reading": count * _BASE_UNIT_OF_COUNT[medium],
        }
        return self._mbus[medium].fill(values)


def _crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def _powers(week: Week, slot: int) -> dict[str, _Value]:
    powers, reactive = [phase[slot] for phase in week.powers], [phase[slot] for phase in week.reactive]
    values = _both_ways("", sum(powers), sum(reactive))
    for index, (power, var, level) in enumerate(zip(powers, reactive, _LEVELS_V, strict=True), start=1):
        values |= _both_ways(f"_l{index}", power, var)
        # The resistance of the wires lowers the voltage under load and raises it during export.
        voltage = level - power / 900
        values |= {f"voltage_l{index}": voltage, f"current_l{index}": math.hypot(power, var) / voltage}
    net, var = sum(powers), sum(reactive)
    # The quadrants of IEC 62053-23.
    quadrant = (1 if var >= 0 else 4) if net >= 0 else 2 if var >= 0 else 3
    values |= {f"reactive_power_q{each}": abs(var) if each == quadrant else 0 for each in range(1, 5)}
    return values


def _both_ways(suffix: str, power: int, var: int) -> dict[str, _Value]:
    apparent = math.hypot(power, var)
    return {
        f"power_net{suffix}": power,
        f"power_import{suffix}": max(power, 0),
        f"power_export{suffix}": max(-power, 0),
        f"reactive_power_import{suffix}": max(var, 0),
        f"reactive_power_export{suffix}": max(-var, 0),
        f"apparent_power_import{suffix}": apparent if power >= 0 else 0,
        f"apparent_power_export{suffix}": apparent if power < 0 else 0,
        f"power_factor{suffix}": abs(power) / apparent if apparent else 1,
        f"power_factor_thousandths{suffix}": 1000 * abs(power) / apparent if apparent else 1000,
    }
