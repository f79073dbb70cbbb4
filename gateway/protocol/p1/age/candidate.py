"""A candidate: a run of telegrams whose clock does not fit the clock so far, until that clock is confirmed.

After a clock was set, telegrams still come at the meter's pace, and arrival minus clock stays level. The telegrams of
a backlog come faster than the meter wrote them, and the difference falls with each of them. A clock that went back
looks like telegrams of the past. It needs a proof that no replay can give.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

WANDER_S = 1.2
"""Largest step between two differences of one clock, in seconds: the granularity of 1 s, and jitter."""
NEAR_S = 2.5
"""Largest distance of two differences of the same clock, in seconds: twice the granularity, and jitter."""
LEVEL_FAST_S, LEVEL_SLOW_S = 0.7, 1.2
"""Largest fall of the lowest difference from the first half of a run to the second, in seconds.

With one telegram per second, each half has four of them. With a jitter of 0.9 s, the lowest differences of the halves
are less than 0.7 s apart. With one per ten seconds, a half is a single telegram, which may differ by `WANDER_S`.
"""
CONFIRMED_AFTER_S = 16.0
"""Time that the telegrams take which confirm a clock, if that is no more than `MOST_TELEGRAMS`."""
MOST_TELEGRAMS, FEWEST_TELEGRAMS = 8, 2
"""Numbers of telegrams that confirm a clock.

With one telegram per second, eight take ten seconds if one in five is lost. With one per ten seconds, eight would leave
the meter stale for more than a minute, so two are enough.
"""
SPAN = 0.7
"""Shortest time of a run, as a share of the time that its telegrams take at the meter's pace. A burst is shorter."""
COPIES_NO_CHANCE = 2
"""Number of copies that show a replay, although the clock has a proof: one copy may be chance, two are not."""
LONG_S = 3600.0
"""Time in seconds for which a clock that went back must be level, if it has no proof."""


def telegrams_needed(cadence_s: float) -> int:
    """Return how many telegrams confirm a clock."""
    return max(FEWEST_TELEGRAMS, min(MOST_TELEGRAMS, math.ceil(CONFIRMED_AFTER_S / cadence_s)))


def level_tolerance(needed: int) -> float:
    """Return the largest fall of the lowest difference in a run of `needed` telegrams, in seconds."""
    return LEVEL_FAST_S if needed >= MOST_TELEGRAMS else LEVEL_SLOW_S


@dataclass(slots=True)
class Run:
    """Telegrams of one clock: the lowest difference, and the last few with arrival, stamp and difference."""

    cadence_s: float
    needed: int
    """Number of telegrams that confirm the clock."""
    is_back: bool = False
    """True if the clock is behind the clock so far."""
    is_proven: bool = False
    """True if its telegrams cannot be a replay."""
    carry: float = 0.0
    """The delay of the line in seconds when this clock began: setting a clock does not make a late line faster."""
    since: float = 0.0
    copies: int = 0
    lowest: float = math.inf
    latest: deque[tuple[float, int, float]] | None = None

    def fits(self, clock: int, difference: float) -> bool:
        """Return whether a telegram continues this run. Its difference may be greater: the line may have held it up."""
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
        """Return whether a copy shows that this run is a replay.

        If the clock went back and has no proof, each copy shows it. Otherwise only a copy that is ahead on this clock
        does. If the clock has a proof, one copy may be chance: in a house at night, two telegrams may have the same
        bytes. Then `COPIES_NO_CHANCE` copies are needed.
        """
        if self.is_back and not self.is_proven:
            return True
        if clock > self.newest and self.is_near(arrived - clock):
            self.copies += 1
        return self.copies >= (COPIES_NO_CHANCE if self.is_back and self.needed >= MOST_TELEGRAMS else 1)

    def add(self, arrived: float, clock: int, difference: float) -> None:
        """Add a telegram to the run."""
        if self.latest is None:
            self.latest = deque(maxlen=self.needed)
            self.since = arrived
        self.latest.append((arrived, clock, difference))
        self.lowest = min(self.lowest, difference)

    @property
    def is_level(self) -> bool:
        """Return whether the run is long enough, came at the meter's pace, and does not fall."""
        latest = self.latest
        needed = self.needed
        if latest is None or len(latest) < needed:
            return False
        if latest[-1][0] - latest[0][0] < SPAN * (needed - 1) * self.cadence_s:
            return False
        differences = [difference for _, _, difference in latest]
        half = needed // 2
        fall = min(differences[:half]) - min(differences[half:])
        return fall <= level_tolerance(needed)

    def is_confirmed(self, now: float) -> bool:
        """Return whether this clock is confirmed."""
        return self.is_level and (not self.is_back or self.is_proven or now - self.since >= LONG_S)
