"""The steps of a clock: one that stands still while the values go on, and one that is faster than expected."""

from __future__ import annotations

SLOWEST_S = 11.5
"""A clock that moves each ten seconds, and its jitter, make no longer pause."""
HOLD = 2.6
"""A longer gap, in cadences, is no loss of one or two telegrams: the line may have held telegrams up."""
SHORT_STEP = 0.65
SHORT_STEPS = 3
"""A clock that makes so many steps in a row below this share of the cadence moves faster than expected. Lost
telegrams make only longer steps."""


class ClockSteps:
    """The last steps of one clock."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._short: list[int] = []

    def follow(self, clock: int, cadence_s: float) -> float | None:
        """Return the cadence in seconds of a clock that has turned out to be faster than expected."""
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
    """The time for which one stamp has come with new values."""

    def __init__(self, cadence_s: float, needed: int) -> None:
        self._cadence_s = cadence_s
        self._needed = needed
        self._count = 0
        self._since = self._last = 0.0
        self.held_s = 0.0
        """Seconds in which nothing came since the clock stands."""
        self.is_standing = False

    def begin(self, arrived: float) -> None:
        """Begin with the first telegram of a stamp."""
        self._count, self._since, self.held_s, self.is_standing = 0, arrived, 0.0, False
        self._last = arrived

    def note_copy(self, arrived: float) -> None:
        """Note a copy: it shows nothing but that the line was open."""
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
