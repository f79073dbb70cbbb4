"""New telegrams among the responses of a device that has only its newest telegram.

Such a response has no age: a device that has lost its meter responds with the last telegram for ever. So only a change
is a telegram. The first response does not show when its telegram came, and only serves to compare the next ones with.
A change counts if the request before it was recent, because the telegram came after that request.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gateway.problems.problem import Problem, problem_of

POLLS_PER_TELEGRAM = 4
FASTEST_POLL_S, SLOWEST_POLL_S = 0.25, 2.5
"""Bounds of the time between two requests, unless it is configured."""
SPARE_S = 2.5
"""Time that two requests may take, beyond the time between them, for a change to count as new."""
GAPS_KEPT = 4

REPEATS = problem_of(
    "source-repeats-last",
    "the source repeats its last telegram",
    "Is its cable in the P1 port of the meter? If so, restart it",
)
_TOO_SLOW = problem_of(
    "source-too-slow",
    "the source responds so slowly that the age of its telegrams is not known",
    "Let fewer programs read it, and look at its Wi-Fi",
    short="the source responds too slowly",
)


class Changes:
    """The telegrams of the responses, of which only those that are certainly new are telegrams of the line."""

    def __init__(self) -> None:
        self._newest: bytes | None = None
        self._asked = 0.0
        self.silence: Problem | None = None
        """Reason why the last response was not a new telegram."""

    def take(self, telegram: bytes, asked: float, received: float, poll_s: float) -> bool:
        """Return whether a telegram is new and its age is known.

        Args:
            telegram: the telegram.
            asked: the moment when its request was sent.
            received: the moment when its response was complete.
            poll_s: usual time between two requests in seconds.

        """
        former, seen = self._newest, self._asked
        self._newest, self._asked = telegram, asked
        self.silence = None
        if former is None or telegram == former:
            self.silence = REPEATS
        elif received - seen > poll_s + SPARE_S:
            self.silence = _TOO_SLOW
        return self.silence is None


@dataclass(slots=True)
class Pace:
    """The time between two requests: as configured, or a quarter of the time between two telegrams."""

    fixed_s: float | None = None
    _last: float | None = None
    _gaps: deque[float] = field(default_factory=lambda: deque(maxlen=GAPS_KEPT))

    def note_change(self, moment: float) -> None:
        """Note that a new telegram was seen."""
        if self._last is not None:
            self._gaps.append(moment - self._last)
        self._last = moment

    @property
    def poll_s(self) -> float:
        """Return the seconds from one request to the next."""
        return self.fixed_s or poll_for(min(self._gaps, default=0.0))


def poll_for(cadence_s: float) -> float:
    """Return the seconds between two requests for a meter that sends each `cadence_s` seconds."""
    return min(max(cadence_s / POLLS_PER_TELEGRAM, FASTEST_POLL_S), SLOWEST_POLL_S)
