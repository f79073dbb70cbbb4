"""The difference of arrival and stamp that stands for no delay."""

from __future__ import annotations

from gateway.protocol.p1.age.candidate import level_tolerance
from gateway.protocol.p1.age.verdict import LATE_S

DRIFT = 100e-6
"""Largest drift between two clocks: two crystals of 50 ppm each."""
SINKS_PER_S = 0.002
"""The base may sink so fast, in seconds a second: above any drift of clocks, and below any backlog that ends."""


class Baseline:
    """The smallest difference that a line has shown, in seconds.

    It follows the drift of the clocks upwards, and a smaller difference at once. One that goes on sinking shows that
    a slow backlog was taken for the meter's pace. One telegram counts for little in that, since a small step of
    the clock is no backlog.
    """

    def __init__(self, difference: float, needed: int) -> None:
        self.value = difference
        self._counts_at_most = level_tolerance(needed) / 2
        self._sunk = 0.0

    def rise(self, elapsed: float) -> None:
        """Let time pass."""
        self.value += DRIFT * elapsed
        self._sunk = max(0.0, self._sunk - SINKS_PER_S * elapsed)

    def delay_of(self, difference: float) -> float:
        """Return the delay of a telegram in seconds; below 0 when it is better than all before."""
        return difference - self.value

    def follow(self, difference: float) -> None:
        """Accept a telegram of this clock."""
        if difference < self.value:
            self._sunk += min(self.value - difference, self._counts_at_most)
            self.value = difference

    @property
    def keeps_sinking(self) -> bool:
        """Return whether the base has sunk by more than jitter explains."""
        return self._sunk > LATE_S
