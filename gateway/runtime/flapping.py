"""Damping of the log lines about a state that is lost and returns again and again, such as that of a weak Wi-Fi.

The first losses are logged one by one, with their returns. If there are more than `FREE_LOSSES` within `WINDOW_S`, the
state flaps: then one line per `WINDOW_S` has the number of losses, and returns are not logged. It has settled when
`WINDOW_S` have passed without a loss.
"""

from __future__ import annotations

FREE_LOSSES = 3
"""Number of losses within `WINDOW_S` that are logged one by one."""
WINDOW_S = 600.0
_MINUTES = f"{WINDOW_S / 60:.0f} minutes"


class Flapping:
    """The losses of one state."""

    __slots__ = ("_count", "_logged_at", "_recent", "_total", "is_damped")

    def __init__(self) -> None:
        self.is_damped = False
        """True while losses and returns are counted, and not logged one by one."""
        self._recent: tuple[float, ...] = ()
        self._count = self._total = 0
        self._logged_at = 0.0

    def note_loss(self, moment: float) -> str | None:
        """Count a loss at `moment`, in seconds of a monotonic clock.

        Returns:
            A text for the end of its log line, which may be empty; None if it is not logged.

        """
        self._recent = (*self._recent[-FREE_LOSSES:], moment)
        if not self.is_damped:
            if len(self._recent) <= FREE_LOSSES or moment - self._recent[0] > WINDOW_S:
                return ""
            self.is_damped, self._logged_at = True, moment
            self._count, self._total = 0, len(self._recent)
            return f" ({self._total} times within {_MINUTES}; further ones are counted and logged each {_MINUTES})"
        self._count += 1
        self._total += 1
        if moment - self._logged_at < WINDOW_S:
            return None
        minutes = (moment - self._logged_at) / 60
        count, self._count, self._logged_at = self._count, 0, moment
        return f" ({count} times in the last {minutes:.0f} minutes)"

    def settle(self, moment: float) -> str:
        """Return a text for the log if the state has not been lost for `WINDOW_S`; empty while there is none to log."""
        if not self.is_damped or moment - self._recent[-1] < WINDOW_S:
            return ""
        self.is_damped = False
        self._recent = ()
        return f"not lost for {_MINUTES} now, after {self._total} losses"
