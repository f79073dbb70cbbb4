"""The base of a line: the difference of arrival and stamp of a telegram without delay."""

from __future__ import annotations

from gateway.protocol.p1.age.candidate import level_tolerance
from gateway.protocol.p1.age.verdict import LATE_S

DRIFT = 100e-6
"""Largest drift between two clocks: two crystals of 50 ppm each."""
SINKS_PER_S = 0.002
"""Fall of the base that does not count, in seconds per second: more than any drift of clocks, less than a backlog."""


class Baseline:
    """The smallest difference that a line has shown, in seconds.

    It rises with the drift of the clocks, and falls to a smaller difference at once. If it falls again and again, the
    first telegrams came from a slow backlog, and not at the meter's pace. The fall of one telegram counts only up to a
    limit, because a small step of the clock is not a backlog.
    """

    def __init__(self, difference: float, needed: int) -> None:
        self.value = difference
        self._counts_at_most = level_tolerance(needed) / 2
        self._sunk = 0.0

    def rise(self, elapsed: float) -> None:
        """Raise the base by the drift of `elapsed` seconds."""
        self.value += DRIFT * elapsed
        self._sunk = max(0.0, self._sunk - SINKS_PER_S * elapsed)

    def delay_of(self, difference: float) -> float:
        """Return the delay of a telegram in seconds; below 0 if its difference is the smallest so far."""
        return difference - self.value

    def follow(self, difference: float) -> None:
        """Lower the base to the difference of a telegram of this clock, if that is smaller."""
        if difference < self.value:
            self._sunk += min(self.value - difference, self._counts_at_most)
            self.value = difference

    @property
    def keeps_sinking(self) -> bool:
        """Return whether the base has fallen by more than jitter explains."""
        return self._sunk > LATE_S
