"""A simulated household: the power, gas and water that it uses and produces in one week, slot by slot.

The house has a base load, a heat pump, a car that charges on some nights, solar panels on L3, a gas boiler and water
taps. Every week is the same. A counter is therefore the number of whole weeks times the energy of one week, plus an
entry of a table of running sums: each moment is computed in the same short time, and no history is kept.

Power is constant during each slot of `SLOT_S` seconds, and a counter is exactly its integral, rounded down to 1 Wh.
The meter adds its phases before it counts, as Dutch meters do: while L3 exports and L1 imports, it counts the
difference. Counters start at zero on 1 January 2024 and restart at `ROLLOVER_WH`.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate, repeat
from random import Random

SLOT_S = 10
"""Length of a slot."""

ROLLOVER_WH = 100_000_000
"""First value that a DSMR 2.2 counter with five digits of kWh cannot show."""

MINUTE_S, HOUR_S, WEEK_S = 60, 3600, 604_800
SLOTS_PER_HOUR = HOUR_S // SLOT_S


class Scenario(StrEnum):
    """A special household, or a special line from its meter."""

    SOLAR = "solar"
    EV = "ev"
    THREE_PHASE = "three-phase"
    GAS_SWAP = "gas-swap"
    DST = "dst"
    FAULTS = "faults"


SCENARIOS = {
    Scenario.SOLAR: "solar panels on all three phases and a clear sky: export during most of the day",
    Scenario.EV: "a car that charges with 11 kW on three phases each evening from 18:30 to 22:30",
    Scenario.THREE_PHASE: "uneven loads, and solar panels on L3 only: phases import and export at the same time",
    Scenario.GAS_SWAP: "the gas meter is replaced 5 minutes after the start: the old one stops on its M-Bus channel,"
    " and the new one counts from zero on the next channel",
    Scenario.DST: "starts half an hour before summer time ends, on the last Sunday of October",
    Scenario.FAULTS: "one telegram in four has a wrong checksum, is incomplete, comes after noise, or is missing",
}
"""Scenario → its description for users."""


class Week:
    """One week of the house, from Monday 0:00, slot by slot."""

    def __init__(self, powers: Sequence[array[int]], reactive: Sequence[array[int]]) -> None:
        """Store the power of each slot.

        Args:
            powers: net power of L1, L2 and L3 in W, negative while the phase exports.
            reactive: net reactive power of L1, L2 and L3 in var, negative while capacitive.

        """
        self.powers = powers
        self.reactive = reactive
        self._sums: dict[str, array[int]] = {}

    def sums(self, name: str) -> array[int]:
        """Return the running sums of a counter's rates: for each slot the sum of all slots before, and the total.

        Args:
            name: `gas` or `water`, with dm3/h as the rate, or `heat` with kJ/h; `energy_` or `reactive_energy_`
                with W or var, followed by `import_low`, `import_normal`, `export_low` or `export_normal`, or by a
                quadrant `q1` to `q4`.

        Raises:
            KeyError: there is no such counter.

        """
        if name not in self._sums:
            self._sums[name] = array("q", accumulate(self._rates(name), initial=0))
        return self._sums[name]

    def _rates(self, name: str) -> Iterable[int]:
        flow = _FLOWS.get(name)
        if flow:
            return (rate for hour in range(7 * 24) for rate in repeat(flow(hour % 24), SLOTS_PER_HOUR))
        quantity, _, which = name.rpartition("energy_")
        nets = map(sum, zip(*(self.powers if not quantity else self.reactive), strict=True))
        if which in _QUADRANTS:
            p_sign, q_sign = _QUADRANTS[which]
            powers = map(sum, zip(*self.powers, strict=True))
            return (
                abs(q) if q * q_sign > 0 and (p >= 0) is (p_sign > 0) else 0 for p, q in zip(powers, nets, strict=True)
            )
        if which not in _COUNTERS:
            raise KeyError(name)
        sign, tariff = _COUNTERS[which]
        tariffs = (each for hour in range(7 * 24) for each in repeat(tariff_of(hour), SLOTS_PER_HOUR))
        return (max(sign * net, 0) if each == tariff else 0 for net, each in zip(nets, tariffs, strict=True))


def tariff_of(hour: int) -> int:
    """Return the tariff in an hour of the week: 1 (low) from 23:00 to 7:00 and at weekends, otherwise 2."""
    return 1 if hour >= 5 * 24 or not 7 <= hour % 24 < 23 else 2


@lru_cache(maxsize=1)
def simulate_week(seed: int, scenario: Scenario | None = None) -> Week:
    """Return the week of the house that `seed` selects; several meters of one house share it."""
    # Only random() returns the same numbers in every Python version.
    random = Random(seed).random  # noqa: S311 (a household needs no secret)
    panels_w = 2500 + 1100 * random()
    powers = tuple(array("i") for _ in range(3))
    reactive = tuple(array("i") for _ in range(3))
    for _ in range(7):
        has_car, clouds = random() < 0.4, random()
        for minute in range(24 * 60):
            loads, vars_ = _load(minute, scenario, has_car=has_car)
            height = max(0.0, math.sin(math.pi * (minute - 6.5 * 60) / (14 * 60)))
            shade = clouds * random() * (0.2 if scenario is Scenario.SOLAR else 1)
            sun = panels_w * height * (1 - shade)
            for _ in range(MINUTE_S // SLOT_S):
                l1 = loads[0] + int(25 * random())
                made = int(sun * (1 - 0.04 * random()))
                roof = made if scenario is Scenario.SOLAR else 0
                powers[0].append(l1 - roof)
                powers[1].append(loads[1] - roof)
                powers[2].append(loads[2] - made)
            for phase, power in zip(reactive, vars_, strict=True):
                phase.extend(repeat(power, MINUTE_S // SLOT_S))
    return Week(powers, reactive)


_Phases = tuple[int, int, int]


def _load(minute: int, scenario: Scenario | None, *, has_car: bool) -> tuple[_Phases, _Phases]:
    """Return the power of L1, L2 and L3 in W and in var, `minute` minutes after midnight."""
    house = 140 + (85 if minute % 45 < 16 else 0) + (310 if 17 * 60 <= minute < 23 * 60 else 0)
    kitchen = 1900 if 17 * 60 + 30 <= minute < 18 * 60 + 20 and minute % 4 < 2 else 0
    pump_minutes = 10 + 6 * math.cos(2 * math.pi * (minute - 7 * 60) / (24 * 60))
    heat_pump = 1350 if minute % 40 < pump_minutes else 0
    car = 3600 if has_car and 30 <= minute < 3 * 60 + 45 else 0
    if scenario is Scenario.EV:
        car = 3680 if 18 * 60 + 30 <= minute < 22 * 60 + 30 else 0
    l1, l2, l3 = house + car, kitchen + heat_pump + car, 60 + car
    if scenario is Scenario.THREE_PHASE:
        l1, l2 = l1 + (2900 if minute % 60 < 25 else 0), l2 + (1500 if minute % 90 < 20 else 0)
    return (l1, l2, l3), (-35, heat_pump // 4, -20)


def _gas_flow(hour: int) -> int:
    """Return the gas that the boiler burns in an hour of the day, in dm3/h."""
    return 280 if hour in (6, 7) else 130 if 18 <= hour < 22 else 9


def _water_flow(hour: int) -> int:
    """Return the water that is used in an hour of the day, in dm3/h."""
    return 70 if hour == 7 else 12 if 8 <= hour < 23 else 0


def _heat_flow(hour: int) -> int:
    """Return the heat that a house without boiler uses in an hour of the day, in kJ/h: that of the gas."""
    return 35 * _gas_flow(hour)


_FLOWS = {"gas": _gas_flow, "water": _water_flow, "heat": _heat_flow}
_COUNTERS = {"import_low": (1, 1), "import_normal": (1, 2), "export_low": (-1, 1), "export_normal": (-1, 2)}
"""Counter → the sign of the net power that it counts, and its tariff."""
_QUADRANTS = {"q1": (1, 1), "q2": (-1, 1), "q3": (-1, -1), "q4": (1, -1)}
"""Quadrant of IEC 62053-23 → the signs of active and reactive power; 1 and 4 import, 1 and 2 are inductive."""
