"""The highest energy counters of a meter. Counters only rise, so a telegram with lower ones is an old telegram.

This also shows that a telegram is new. All telegrams from before the last rise have lower counters. If a clock goes
back to a stamp before that rise, and the counters are not lower, the clock was set.

There is one exception. A telegram whose clock goes on at its own pace is no old telegram. If a counter is lower in it,
the counter began again at zero, or the higher value before was wrong. The lower value is accepted then. From that
moment on, higher counters prove less: telegrams from before the fall have higher ones too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

Counters = Sequence[int | None]
"""Energy counters in a fixed order, import and export, all tariffs; None where the telegram has none."""

FALLS_BELIEVED = 2
"""Number of telegrams with lower counters that are accepted, as a multiple of those that confirm a clock."""


class HighestCounters:
    """The newest accepted counters of one meter."""

    def __init__(self) -> None:
        self.values: Counters = ()
        self.have_fallen = False
        """True if lower counters were accepted: old telegrams may have higher ones."""
        self._before_rise: int | None = None
        """The last stamp on the present clock that came with lower counters; None if there is none."""
        self._stamp: int | None = None
        self._fallen_from: Counters = ()
        self._fallen = 0
        self._fallen_since = 0.0
        self._fallen_values: Counters = ()

    def exceed(self, counters: Counters) -> bool:
        """Return whether one of these counters is lower than it was."""
        return any_lower(counters, self.values)

    def are_exceeded_by(self, counters: Counters) -> bool:
        """Return whether one of these counters is higher than it ever was."""
        if self.have_fallen:
            counters = [
                None if each is None or (old is not None and each <= old) else each
                for each, old in zip_longest(counters, self._fallen_from[: len(counters)])
            ]
        return any_lower(self.values, counters)

    def prove_set(self, counters: Counters, clock: int, remembered_s: int) -> bool:
        """Return whether a stamp is so old that its telegram would have lower counters, if it was an old one.

        Args:
            counters: the counters of a telegram, none of them lower than before.
            clock: its stamp, which is behind the newest one.
            remembered_s: without a rise so far, the age in seconds from which on this is assumed.

        """
        is_complete = all(new is not None or old is None for new, old in zip_longest(counters, self.values))
        if self.have_fallen or self._stamp is None or not is_complete:
            return False
        if self._before_rise is None:
            return clock < self._stamp - remembered_s
        return clock <= self._before_rise

    def accept(self, counters: Counters, clock: int | None = None) -> None:
        """Keep the newest value of each counter. A counter that is absent from this telegram keeps its old value."""
        self._fallen = 0
        before = self.values
        if counters == before:
            if clock is not None:
                self._stamp = clock
            return
        if None in counters or len(counters) < len(before):
            known = [*counters, *before[len(counters) :]]
            known[: len(before)] = [old if new is None else new for new, old in zip(known, before, strict=False)]
            counters = tuple(known)
        if counters != before and self._stamp is not None and clock is not None:
            self._before_rise = min(self._stamp, clock - 1)
        self.values = counters
        if clock is not None:
            self._stamp = clock

    def forget_stamps(self) -> None:
        """Forget when the counters rose, because the clock has changed."""
        self._before_rise = self._stamp = None

    def accept_lasting_fall(self, counters: Counters, arrived: float, needed: int, pace_s: float) -> bool:
        """Return whether lower counters have come often enough and for long enough, and accept them then.

        Args:
            counters: the counters of a telegram whose clock does not go back, as it does in a replay.
            arrived: its arrival.
            needed: number of telegrams that confirm a clock; 0 to accept the counters at once.
            pace_s: shortest mean time between two of them in seconds, which a burst of old telegrams does not have.

        """
        if not self._fallen or any_lower(counters, self._fallen_values):
            self._fallen, self._fallen_since = 0, arrived
        self._fallen += 1
        self._fallen_values = counters
        missing = FALLS_BELIEVED * needed - 1
        if self._fallen <= missing or arrived - self._fallen_since < missing * pace_s:
            return False
        self.accept_fall(counters)
        return True

    def accept_fall(self, counters: Counters) -> None:
        """Accept lower counters, and remember the values that they fell from."""
        self._fallen_from = [
            old if before is None else before if old is None else max(old, before)
            for old, before in zip_longest(self.values, self._fallen_from)
        ]
        self.have_fallen = True
        self.accept(counters)


def any_lower(counters: Counters, others: Counters) -> bool:
    """Return whether a counter of `counters` is lower than the same one of `others`."""
    if counters == others:
        return False  # as with most telegrams
    for counter, other in zip(counters, others, strict=False):
        if counter is not None and other is not None and counter < other:
            return True
    return False
