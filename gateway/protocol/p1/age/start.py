"""The first telegrams of a meter, before its clock is known.

Each is shown by its arrival if it comes at the meter's own pace. If arrival minus stamp is greater than for one before,
the line held it up, and its age includes that. In a backlog, arrival minus stamp falls from telegram to telegram; then
the shown telegram is withdrawn. After ten telegrams, nothing is shown until the clock is confirmed.
"""

from __future__ import annotations

from collections import deque

from gateway.protocol.p1.age.candidate import Run, telegrams_needed
from gateway.protocol.p1.age.display import LONGEST_GAP, SHORTEST_GAP, Display
from gateway.protocol.p1.age.verdict import LATE_S, Arrival, Kind, Verdict

SHOWN_AT_MOST = 10
"""Largest number of telegrams that are shown before the clock is known."""
OWN_PACE = 0.75
"""Shortest gap at the meter's own pace, as a share of the step of its clock. After a shorter one it is a burst."""
SINKS_S = 1.3
"""Fall of the difference below the highest one of the last telegrams, in seconds, that shows a backlog."""
LEAP_S = 60.0
"""Fall of the difference in one step, in seconds, that no backlog shows: it would have lost a minute at once."""
QUIET_AFTER_JUMP = 0.35
"""Number of cadences without another telegram, after which a telegram with a clock far ahead is shown."""


class Start:
    """The first telegrams of a meter with a clock."""

    def __init__(self, cadence_s: float, has_sunk: bool = False) -> None:
        """Begin without telegrams; `has_sunk` is True if a backlog was just taken for the meter's pace."""
        self._cadence_s = cadence_s
        self._needed = telegrams_needed(cadence_s) * (2 if has_sunk else 1)
        self.run = Run(cadence_s, self._needed)
        self.accepted_last = False
        """True if the last telegram continued the clock."""
        self._differences: deque[float] = deque(maxlen=self._needed)
        self._count = SHOWN_AT_MOST if has_sunk else 0
        self._behind = 0
        self._behind_stamp: int | None = None

    def is_continued_by(self, arrived: float, clock: int) -> bool:
        """Return whether a telegram continues the first ones at their own pace, as no old telegram does."""
        return self.run.fits(clock, arrived - clock) and arrived - clock - self.run.lowest < LATE_S

    def take(self, item: Arrival, clock: int, gap: float | None, display: Display) -> Verdict:
        """Judge a telegram; `gap` is the time since the arrival of the stamp before it, in seconds."""
        run = self.run
        self.accepted_last = True
        step = clock - run.newest if run.latest else 0
        if run.latest and step == 0:
            # Telegrams of another stamp came between: the line brings old ones too.
            self._behind = 0
            self.accepted_last = False
            return Verdict(item.token, Kind.REPEAT)
        if run.latest and step < 0:
            self._behind += clock != self._behind_stamp
            self._behind_stamp = clock
            if self._behind < self._needed:
                self.accepted_last = False
                return Verdict(item.token, Kind.REPLAY)
        self._behind = 0
        difference = item.arrived - clock
        if not run.fits(clock, difference):
            self.run = run = Run(self._cadence_s, self._needed)
        run.add(item.arrived, clock, difference)
        self._count += 1
        if self._count > SHOWN_AT_MOST:
            display.withdraw()
            self._differences.append(difference)
            return Verdict(item.token, Kind.WAITING)
        if self._differences and difference < min(self._differences) - LEAP_S:
            # A backlog does not fall so far in one step: the line held the telegrams before, or the clock was set.
            self._differences.clear()
            self._differences.append(difference)
            display.withdraw()
            return display.postpone(item, QUIET_AFTER_JUMP)
        sinks = bool(self._differences) and difference < max(self._differences) - SINKS_S
        self._differences.append(difference)
        if sinks:
            display.withdraw()
            return display.postpone(item, LONGEST_GAP)
        shortest = OWN_PACE * min(step, self._cadence_s) / self._cadence_s
        behind = difference - run.lowest
        return display.by_arrival(item, gap, max(SHORTEST_GAP, shortest), behind if behind >= LATE_S else 0.0)
