"""A clock that does not fit the one so far, watched until it has proven itself.

Telegrams of a clock that was set come at the meter's pace, so that arrival minus clock stays level. A backlog
that is worked off comes faster than it was written, and the difference sinks all the time. A clock that
went back looks the same as telegrams of the past, and needs a proof that no replay can give.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

WANDER_S = 1.2
"""Largest step between two differences of one clock: a granularity of 1 s, and the wander of its phase."""
NEAR_S = 2.5
"""A difference so close to another belongs to the same clock: twice the granularity and the jitter."""
LEVEL_FAST_S, LEVEL_SLOW_S = 0.7, 1.2
"""Largest fall of the lowest difference between the two halves of a run, in seconds. The lowest of four with a jitter
of 0.9 s differ by less than 0.7 s; at ten seconds one alone differs by the wander."""
CONFIRMED_AFTER_S = 16.0
MOST_TELEGRAMS, FEWEST_TELEGRAMS = 8, 2
"""Eight telegrams confirm a clock at one second, which takes ten seconds with one in five lost. Eight at ten
seconds would leave the meter stale for a minute; two are enough there."""
SPAN = 0.7
"""Share of the time that a run's telegrams take at the meter's pace which it must span; a burst spans less."""
COPIES_BY_CHANCE = 2
"""So many copies on a clock with a proof are no chance."""
LONG_S = 3600.0
"""A clock that went back without a proof is believed when it has been level for so long."""


def telegrams_needed(cadence_s: float) -> int:
    """Return how many telegrams confirm a clock."""
    return max(FEWEST_TELEGRAMS, min(MOST_TELEGRAMS, math.ceil(CONFIRMED_AFTER_S / cadence_s)))


def level_tolerance(needed: int) -> float:
    """Return by how many seconds the lowest difference of so many telegrams may sink."""
    return LEVEL_FAST_S if needed >= MOST_TELEGRAMS else LEVEL_SLOW_S


@dataclass(slots=True)
class Run:
    """Telegrams of one clock: arrival, stamp and their difference of the last few, and the lowest difference."""

    cadence_s: float
    needed: int
    """Telegrams that confirm it."""
    is_back: bool = False
    """Its clock is behind the one so far."""
    is_proven: bool = False
    """Its clock cannot be a replay."""
    carry: float = 0.0
    """The delay of the line in seconds when this clock began: setting a clock does not make a late line faster."""
    since: float = 0.0
    copies: int = 0
    lowest: float = math.inf
    latest: deque[tuple[float, int, float]] | None = None

    def fits(self, clock: int, difference: float) -> bool:
        """Return whether a telegram goes on with this run. A greater difference does: the line may hold it up."""
        return bool(self.latest) and clock > self.newest and difference >= self.lowest - WANDER_S

    @property
    def newest(self) -> int:
        """Return the newest stamp."""
        assert self.latest
        return self.latest[-1][1]

    def is_near(self, difference: float) -> bool:
        """Return whether a difference belongs to this clock."""
        return abs(difference - self.lowest) <= NEAR_S

    def is_unmasked_by(self, arrived: float, clock: int) -> bool:
        """Return whether a copy shows that this run goes over old ground.

        It does when it lies ahead on this clock, and while nothing else speaks for a clock that went back. Against a
        proof one copy is not enough: in a house at night a telegram may come to the same bytes by chance.
        """
        if self.is_back and not self.is_proven:
            return True
        if clock > self.newest and self.is_near(arrived - clock):
            self.copies += 1
        return self.copies >= (COPIES_BY_CHANCE if self.is_back and self.needed >= MOST_TELEGRAMS else 1)

    def add(self, arrived: float, clock: int, difference: float) -> None:
        """Add a telegram."""
        if self.latest is None:
            self.latest = deque(maxlen=self.needed)
            self.since = arrived
        self.latest.append((arrived, clock, difference))
        self.lowest = min(self.lowest, difference)

    @property
    def is_level(self) -> bool:
        """Return whether the run is long enough, came at the meter's pace, and does not sink."""
        latest = self.latest
        needed = self.needed
        if latest is None or len(latest) < needed:
            return False
        if latest[-1][0] - latest[0][0] < SPAN * (needed - 1) * self.cadence_s:
            return False
        differences = [difference for _, _, difference in latest]
        half = needed // 2
        sinks_by = min(differences[:half]) - min(differences[half:])
        return sinks_by <= level_tolerance(needed)

    @property
    def highest(self) -> float:
        """Return the highest difference of the last few."""
        return max(difference for _, _, difference in self.latest or ())

    def is_confirmed(self, now: float) -> bool:
        """Return whether this clock is to be believed."""
        return self.is_level and (not self.is_back or self.is_proven or now - self.since >= LONG_S)
