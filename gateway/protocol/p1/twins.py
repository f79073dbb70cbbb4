"""Tells two meters on one line apart if their telegrams name the same meter, by their counters.

Some telegrams have no equipment identifier, and meters of one type have the same identification. Then only the counters
show that two meters send: they fall or leap, and come back. A first doubt is no proof, because a meter may send a wrong
number. There are two meters if

- two telegrams of the same second have counters that contradict each other, or
- all counters of a telegram contradict the ones before, and there are several, or
- a telegram continues the counters that were in doubt, after others between them.

A telegram that is late or sent again has counters that fell and come back, too. It is from no second meter if its
counters could have risen to the known ones since its own time. With an equipment identifier, there is only one meter.

From then on, each telegram belongs to the meter whose counters it continues. One that continues neither, or both,
belongs to the second meter, so that it is not served while the first one sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from gateway.protocol.p1.counter_guard import CONNECTION_W, COUNTERS, MBUS_COUNTERS, SLACK, STEPS
from gateway.protocol.p1.doubt import Doubt, Withheld
from gateway.protocol.p1.readings import Readings
from gateway.protocol.p1.signs import step_of

SECOND = " (2)"
"""Suffix of the identity of the second meter."""
KEPT_S = 120.0
"""Seconds without a telegram after which a meter, or a doubt, is forgotten."""
SEVERAL = 2
"""Number of counters that do not all go wrong at once in one meter, and of returns that are no chance."""

_ENERGY = COUNTERS - MBUS_COUNTERS.keys()
_FALLEN = (Doubt.FELL, Doubt.LEAPT)


@dataclass(slots=True)
class _Track:
    """The newest counters of one meter."""

    suffix: str
    counters: dict[str, Decimal]
    at: float

    def is_continued_by(self, counters: dict[str, Decimal], arrived: float) -> bool:
        """Return whether these counters go on from the ones of this meter."""
        carried = CONNECTION_W * Decimal(arrived - self.at) / 3600
        for name, new in counters.items():
            old = self.counters.get(name)
            if old is None:
                continue
            if not 0 <= new - old <= SLACK["Wh"] + STEPS * step_of(old) + carried:
                return False
        return True


class Twins:
    """The meters of one identity: usually one, or two."""

    def __init__(self) -> None:
        self.suffix = ""
        """Suffix of the identity of the newest telegram's meter."""
        self._tracks: list[_Track] = []
        self._doubted: _Track | None = None
        self._has_returned = False
        """True if a telegram without doubt came after the one in doubt."""
        self._left: _Track | None = None
        """The counters that the newest telegram in doubt did not continue."""
        self._returns = 0
        """Number of doubts in a row that continue what was left at the one before."""
        self._before: Readings | None = None
        self._before_at = 0.0
        self._certain: Readings | None = None
        """The newest telegram whose counters were not in doubt."""

    def assign(self, readings: Readings, arrived: float) -> str:
        """Return the suffix of the meter whose counters a telegram continues."""
        if not self._tracks:
            return self.suffix
        counters = _energy_of(readings)
        fitting = [track for track in self._tracks if track.is_continued_by(counters, arrived)]
        if len(fitting) == 1:
            fitting[0].counters, fitting[0].at = counters, arrived
        self._tracks = [track for track in self._tracks if arrived - track.at <= KEPT_S]
        if len(self._tracks) < 2:
            self.suffix = self._tracks[0].suffix if self._tracks else self.suffix
            self._tracks = []
            return self.suffix
        self.suffix = fitting[0].suffix if len(fitting) == 1 else self._tracks[1].suffix
        return self.suffix

    def note(self, readings: Readings, withheld: Sequence[Withheld], arrived: float) -> None:
        """Note the counters that are in doubt, and begin with two meters if they show that."""
        before, before_at = self._before, self._before_at
        self._before, self._before_at = readings, arrived
        if not withheld and not self._is_old(readings):
            self._certain = readings
        if self._tracks or before is None or readings.values.get("equipment_identifier"):
            return
        if not withheld:
            self._has_returned = True
            return
        if self._is_old(readings):
            return
        names = {item.name for item in withheld if item.doubt in _FALLEN and item.name in _ENERGY}
        counters = _energy_of(readings)
        # A meter that sends only zeros or nines for once is no other meter.
        if not any(_is_number_of_a_meter(counters[name]) for name in names & counters.keys()):
            return
        left = _Track(self.suffix, _energy_of(before), before_at)
        returns = self._left is not None and self._left.is_continued_by(counters, arrived)
        self._returns = self._returns + 1 if returns else 0
        if self._is_another(before, readings, names, counters, arrived):
            other = "" if self.suffix else SECOND
            self._tracks = [left, _Track(other, counters, arrived)]
            self.suffix, self._doubted, self._left = other, None, None
        else:
            self._left = left
            self._doubted, self._has_returned = _Track("", counters, arrived), False

    def _is_old(self, readings: Readings) -> bool:
        """Return whether this may be an old telegram of the same meter, by its time stamp and its counters."""
        known = self._certain
        if known is None or known.time is None or readings.time is None or readings.time > known.time:
            return False
        return _Track("", _energy_of(readings), readings.time).is_continued_by(_energy_of(known), known.time)

    def _is_another(
        self, before: Readings, readings: Readings, names: set[str], counters: dict[str, Decimal], arrived: float
    ) -> bool:
        if readings.time is not None and readings.time == before.time and counters != _energy_of(before):
            return True
        if len(names) >= SEVERAL and all(name in names or not value for name, value in counters.items()):
            return True
        if self._returns >= SEVERAL:
            return True
        doubted = self._doubted
        if doubted is None or not self._has_returned or arrived - doubted.at > KEPT_S:
            return False
        return doubted.is_continued_by(counters, arrived)


def _energy_of(readings: Readings) -> dict[str, Decimal]:
    """Return the counters that the telegram has itself. A guard does not withhold a total that is derived from them."""
    names = _ENERGY.intersection(line.name for line in readings.lines)
    return {name: value for name in names if isinstance(value := readings.values.get(name), Decimal)}


def _is_number_of_a_meter(value: Decimal) -> bool:
    return bool(set(str(int(value))) - {"9"}) and value != 0
