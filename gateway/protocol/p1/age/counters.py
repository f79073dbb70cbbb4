"""Energy counters only rise, so that lower ones are of the past."""

from __future__ import annotations

from collections.abc import Sequence

Counters = Sequence[int | None]
"""Energy counters in a fixed order, import and export, all tariffs; None where the telegram has none."""

FALLS_BELIEVED = 2
"""Lower counters are believed after this many times the telegrams that confirm a clock."""


class HighestCounters:
    """The newest counters of one meter that were believed."""

    def __init__(self) -> None:
        self.values: Counters = ()
        self._fallen = 0
        self._fallen_values: Counters = ()

    def exceed(self, counters: Counters) -> bool:
        """Return whether one of these counters is lower than it was."""
        return any_lower(counters, self.values)

    def are_exceeded_by(self, counters: Counters) -> bool:
        """Return whether one of these counters is higher than it was."""
        return any_lower(self.values, counters)

    def accept(self, counters: Counters) -> None:
        """Keep the newest value of each counter, also of those that this telegram lacks."""
        self._fallen = 0
        before = self.values
        if None in counters or len(counters) < len(before):
            known = [*counters, *before[len(counters) :]]
            known[: len(before)] = [old if new is None else new for new, old in zip(known, before, strict=False)]
            self.values = known
        else:
            self.values = counters

    def accept_lasting_fall(self, counters: Counters, needed: int) -> bool:
        """Note lower counters on a clock that goes on; accept them once they have lasted.

        A replay goes back in its clock as well. Here the higher counters before were wrong.
        """
        is_next = self._fallen and not any_lower(counters, self._fallen_values)
        self._fallen = self._fallen + 1 if is_next else 1
        self._fallen_values = counters
        if self._fallen < FALLS_BELIEVED * needed:
            return False
        self._fallen = 0
        self.values = ()
        return True


def any_lower(counters: Counters, others: Counters) -> bool:
    """Return whether a counter is lower than the other of the same place."""
    for counter, other in zip(counters, others, strict=False):
        if counter is not None and other is not None and counter < other:
            return True
    return False
