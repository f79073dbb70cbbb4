"""The highest energy counters of a meter. Counters only rise, so a telegram with lower ones is an old telegram."""

from __future__ import annotations

from collections.abc import Sequence

Counters = Sequence[int | None]
"""Energy counters in a fixed order, import and export, all tariffs; None where the telegram has none."""

FALLS_BELIEVED = 2
"""Number of telegrams with lower counters that are accepted, as a multiple of those that confirm a clock."""


class HighestCounters:
    """The newest accepted counters of one meter."""

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
        """Keep the newest value of each counter. A counter that is absent from this telegram keeps its old value."""
        self._fallen = 0
        before = self.values
        if None in counters or len(counters) < len(before):
            known = [*counters, *before[len(counters) :]]
            known[: len(before)] = [old if new is None else new for new, old in zip(known, before, strict=False)]
            self.values = known
        else:
            self.values = counters

    def accept_lasting_fall(self, counters: Counters, needed: int) -> bool:
        """Return whether lower counters have come often enough, and accept them then.

        Call it only if the clock goes on. In a replay the clock goes back too, so these counters are no replay: the
        higher ones before them were wrong.
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
    """Return whether a counter of `counters` is lower than the same one of `others`."""
    for counter, other in zip(counters, others, strict=False):
        if counter is not None and other is not None and counter < other:
            return True
    return False
