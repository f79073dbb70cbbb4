"""The steps of a clock: a clock that stands still while values change, and a clock that is faster than expected."""

from __future__ import annotations

SLOWEST_S = 11.5
"""Longest time between two steps of a clock that moves, in seconds: ten, and jitter."""
HOLD = 2.6
"""Longest gap, in cadences, that one lost telegram explains. In a longer one, the line may have held telegrams up."""
SHORT_STEP = 0.65
SHORT_STEPS = 3
"""A clock is faster than expected after `SHORT_STEPS` steps in a row that are below `SHORT_STEP` cadences. Lost
telegrams only make steps longer."""


class ClockSteps:
    """The last steps of one clock."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._short: list[int] = []

    def follow(self, clock: int, cadence_s: float) -> float | None:
        """Return the cadence of a clock that is faster than expected, in seconds; else None."""
        step = clock - self._newest if self._newest is not None else 0
        self._newest = clock
        if not 0 < step <= SHORT_STEP * cadence_s:
            self._short.clear()
            return None
        self._short.append(step)
        if len(self._short) < SHORT_STEPS:
            return None
        slowest = max(self._short)
        self._short.clear()
        return float(slowest)


class StandingClock:
    """The detection of a clock that stands still: new values come with the same stamp."""

    def __init__(self, cadence_s: float, needed: int) -> None:
        self._cadence_s = cadence_s
        self._needed = needed
        self._count = 0
        self._since = self._last = 0.0
        self.held_s = 0.0
        """Seconds without telegrams since the clock stopped."""
        self.is_standing = False

    def begin(self, arrived: float) -> None:
        """Begin with the first telegram of a stamp."""
        self._count, self._since, self.held_s, self.is_standing = 0, arrived, 0.0, False
        self._last = arrived

    def note_copy(self, arrived: float) -> None:
        """Note a copy. It only shows that the line was open."""
        gap = arrived - self._last
        self._last = arrived
        if gap > HOLD * self._cadence_s:
            self.held_s += gap - self._cadence_s

    def add(self, arrived: float) -> None:
        """Add a telegram of the same stamp with other values."""
        self.note_copy(arrived)
        self._count += 1
        if self._count >= self._needed and arrived - self._since > SLOWEST_S:
            self.is_standing = True
