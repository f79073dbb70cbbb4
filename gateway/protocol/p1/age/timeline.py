"""The moment at which the meter measured its readings, from its clock.

A telegram may wait in a sender, a radio or a socket. It may come twice, or a day late. Its arrival does not show that,
and its time stamp alone does not either, because a meter's clock may be wrong by years. But the clock moves as fast as
time. If telegrams are suddenly late and no second of the clock is missing, something held them up on the way.

| module | task |
| --- | --- |
| `meter_clock` | follows the clock of one meter, and calculates the delay of each telegram |
| `start` | judges the first telegrams, before the clock is known |
| `baseline` | keeps the difference of arrival and stamp that means no delay |
| `candidate` | watches a clock that does not fit, until it is confirmed |
| `standing` | detects a clock that stands still, or is faster than expected |
| `lateness` | keeps the delay of the line, and compares this machine's clock |
| `text_memory`, `counters` | recognise copies and telegrams of the past |
| `season` | knows the night in which a wrong summer time flag sets a clock back |
| `repeating_source` | detects a source that sends nothing new |
| `display` | keeps the shown and the pending telegram |

A `Timeline` belongs to one P1 port. It follows two meters at most, and shows one of them. The caller passes all moments
in, as seconds of a monotonic clock that goes on while the machine sleeps.

Some cases look the same. The timeline chooses the one in which no old number counts as fresh:

| one case | the other case | choice |
| --- | --- | --- |
| the line is suddenly late by a constant delay | the clock was set back while telegrams were lost | late |
| a replay of telegrams that were never received | the clock was set back, with equal counters | a replay, for an hour |
| the clock stood still and moves again | the line held telegrams in that time | late by gaps of three or more |
| a late line is in time when its clock is set | it is still late | late |

Three cases cannot be seen, and their telegrams count as fresh: a delay from the very start; a clock that is set while
the line holds telegrams; and, if the clock does not move, a constant delay or a copy.
"""

from __future__ import annotations

from gateway.protocol.p1.age.counters import Counters
from gateway.protocol.p1.age.meter_clock import MeterClock
from gateway.protocol.p1.age.verdict import Arrival, Condition, Kind, MachineClock, Shown, Verdict

SILENT = 3
"""Number of cadences without a telegram, after which the port shows another meter if the readings are stale too."""


class Timeline:
    """The age of the readings of one P1 port."""

    def __init__(self, cadence_s: float, limit_s: float) -> None:
        """Begin without telegrams.

        Args:
            cadence_s: seconds between two telegrams of this variant.
            limit_s: age beyond which readings are stale.

        """
        self.cadence_s = cadence_s
        self.limit_s = limit_s
        self.identity: str | None = None
        """The meter whose readings are shown."""
        self._current = MeterClock(cadence_s)
        self._other_identity: str | None = None
        self._other: MeterClock | None = None
        self._other_arrival = float("-inf")
        self._count = 0

    def take(
        self,
        arrived: float,
        clock: int | None,
        identity: str,
        counters: Counters,
        text_hash: int,
        is_first: bool,
        machine_clock: MachineClock | None = None,
    ) -> Verdict:
        """Judge a telegram that has passed all other checks.

        Args:
            arrived: the moment at which its last byte was read.
            clock: its time stamp in UTC seconds; None if it has none, or one that means "never".
            identity: the name of its meter.
            counters: accepted energy counters, import and export, all tariffs, in a fixed order.
            text_hash: a hash of its bytes, of 32 bits or more.
            is_first: True for the first telegram of a new connection.
            machine_clock: this machine's clock at `arrived`; None if it is not known.

        """
        self._count += 1
        item = Arrival(self._count, arrived, clock, counters, text_hash, is_first, machine_clock)
        if self.identity is None:
            self.identity = identity
        if identity == self.identity:
            return self._current.take(item)
        return self._take_other(item, identity)

    def _take_other(self, item: Arrival, identity: str) -> Verdict:
        """Follow another meter without showing it, until the current one is silent and stale."""
        if self._other is None or self._other_identity != identity:
            self._other, self._other_identity = MeterClock(self.cadence_s), identity
        self._other_arrival = item.arrived
        verdict = self._other.take(item)
        if not self._is_silent(item.arrived):
            return Verdict(item.token, Kind.OTHER_METER)
        self.identity, self._other_identity = self._other_identity, self.identity
        self._current, self._other = self._other, self._current
        self._other_arrival = self._other.last_arrival or float("-inf")
        return verdict

    def _silence_s(self) -> float:
        return max(self.limit_s, SILENT * self.cadence_s)

    def _is_silent(self, now: float) -> bool:
        shown = self._current.display.at(now)
        if shown is not None and now - shown.measured <= self.limit_s:
            return False
        last = self._current.last_arrival
        return last is None or now - last > self._silence_s()

    def shown_at(self, now: float) -> Shown | None:
        """Return the telegram to serve at `now`; None if there is none."""
        return self._current.display.at(now)

    def is_fresh(self, now: float) -> bool:
        """Return whether the shown telegram is not older than the limit."""
        shown = self.shown_at(now)
        return shown is not None and now - shown.measured <= self.limit_s

    @property
    def pending(self) -> int | None:
        """Return the token of the telegram that waits to be shown."""
        pending = self._current.display.pending
        return pending.token if pending else None

    @property
    def tokens(self) -> set[int]:
        """Return the tokens of the shown and the pending telegrams, of both meters."""
        tokens = set()
        for meter in (self._current, self._other):
            for kept in (meter.display.shown, meter.display.pending) if meter else ():
                if kept:
                    tokens.add(kept.token)
        return tokens

    @property
    def next_change(self) -> float | None:
        """Return the moment at which the pending telegram is shown, if no other one comes before; None without one."""
        display = self._current.display
        return display.ripe if display.pending else None

    @property
    def is_anchored(self) -> bool:
        """Return whether delays are known: the meter's clock has moved for long enough."""
        return self._current.base is not None

    @property
    def delay_s(self) -> float:
        """Return the delay of the newest telegram, in seconds; 0 if it is not known."""
        return self._current.lateness.delay if self.is_anchored else 0.0

    @property
    def condition(self) -> Condition:
        """Return how the telegrams come in, for the status and the log."""
        return self._current.condition

    @property
    def clock_cadence_s(self) -> float:
        """Return the seconds between two steps of the meter's clock; they may be more than the variant's cadence."""
        return self._current.cadence_s

    @property
    def reconnection_is_due(self) -> bool:
        """Return whether to reconnect the line, once: the delay may be bytes that wait in this connection's socket."""
        return self._current.lateness.reconnection_is_due

    def note_reconnection(self) -> None:
        """Note that the line is connected again because of `reconnection_is_due`."""
        self._current.lateness.note_reconnection()

    def other_meter(self, now: float) -> str | None:
        """Return the identity of a second meter that sends on this line; None if there is only one."""
        return self._other_identity if now - self._other_arrival <= self._silence_s() else None
