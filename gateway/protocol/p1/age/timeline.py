"""The moment at which readings were measured, from the meter's clock, whatever happened on the way.

A telegram may have waited in a sender, a radio or a socket, may come twice, or may be of yesterday. Its arrival
says nothing about that, and its time stamp alone neither, since a meter's clock may be wrong by years. What can be
trusted is how the clock moves: a meter that is late all at once, with every second of its clock still there, was
held up on the way. `meter_clock` has that rule, and its neighbours what it needs: `display` keeps what is shown,
`candidate` watches a clock that was set, `start` the first telegrams, `text_memory` recognises copies.

A `Timeline` is that of one P1 port. It follows two meters at most, and shows one of them. All moments are seconds of
one monotonic clock that goes on while the machine sleeps, and are passed in.

Some cases look the same, and of each pair the side is chosen on which no old number counts as fresh:

- a line that is suddenly late by a constant delay, or a clock that was set back while telegrams were lost: late;
- a replay of what was never seen, or a clock set back with equal counters: a replay, for an hour;
- a clock that stood still and goes on, or a line that held telegrams meanwhile: late by the time in which three or
  more telegrams in a row did not come;
- a late line that is in time when its clock is set, or one that is still late: still late.

Three cases cannot be seen at all, and are believed: a lag from the very start, a clock that is set while the line
holds telegrams, and, without a clock that moves, a constant lag or a copy.
"""

from __future__ import annotations

from gateway.protocol.p1.age.counters import Counters
from gateway.protocol.p1.age.meter_clock import MeterClock
from gateway.protocol.p1.age.verdict import Arrival, Condition, Kind, Shown, Verdict

SILENT = 3
"""A meter that has sent nothing for so many cadences, and for the limit, gives way to another one."""


class Timeline:
    """The age of the readings of one P1 port."""

    def __init__(self, cadence_s: float, limit_s: float) -> None:
        """Begin without telegrams.

        Args:
            cadence_s: seconds between two telegrams of this kind of meter, as the variant has it.
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
        connected: bool,
        machine_clock: float | None = None,
    ) -> Verdict:
        """Judge a telegram that has passed all other checks.

        Args:
            arrived: the moment at which its last byte was read.
            clock: its time stamp in UTC seconds; None where it has none, or one that means "never".
            identity: the meter that it comes from.
            counters: energy import and export, all tariffs, in a fixed order, as the checks of values believe them.
            text_hash: a hash of its bytes, of 32 bits or more.
            connected: whether it is the first of a new connection of the gateway's.
            machine_clock: this machine's clock in UTC seconds at `arrived`; None where it is not synchronised.

        """
        self._count += 1
        item = Arrival(self._count, arrived, clock, counters, text_hash, connected, machine_clock)
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
        """Return the telegram to serve at a moment; None where nothing may be served as good."""
        return self._current.display.at(now)

    def is_fresh(self, now: float) -> bool:
        """Return whether what is shown is within the limit."""
        shown = self.shown_at(now)
        return shown is not None and now - shown.measured <= self.limit_s

    @property
    def pending(self) -> int | None:
        """Return the token of the telegram that waits to be shown."""
        pending = self._current.display.pending
        return pending.token if pending else None

    @property
    def tokens(self) -> set[int]:
        """Return the tokens of the telegrams that `shown_at` may show without a new one: of both meters."""
        displays = [meter.display for meter in (self._current, self._other) if meter]
        kept = [kept for display in displays for kept in (display.shown, display.pending)]
        return {each.token for each in kept if each}

    @property
    def next_change(self) -> float | None:
        """Return the moment at which `shown_at` changes by time alone: the pending telegram is ripe."""
        display = self._current.display
        return display.ripe if display.pending else None

    @property
    def is_anchored(self) -> bool:
        """Return whether delays are known: the meter's clock was seen to move for long enough."""
        return self._current.base is not None

    @property
    def delay_s(self) -> float:
        """Return how many seconds late the newest telegram on the meter's clock came; 0 where that is not known."""
        return self._current.lateness.delay if self.is_anchored else 0.0

    @property
    def condition(self) -> Condition:
        """Return how the telegrams come in, for the status and the log."""
        return self._current.condition

    @property
    def clock_cadence_s(self) -> float:
        """Return the cadence in seconds, shortened to that of the clock where it moves faster."""
        return self._current.cadence_s

    @property
    def reconnection_is_due(self) -> bool:
        """Return whether the line should be connected again, once: a constant delay may sit in the own socket."""
        return self._current.lateness.reconnection_is_due

    def note_reconnection(self) -> None:
        """Note that the line is connected again because of `reconnection_is_due`."""
        self._current.lateness.note_reconnection()

    def other_meter(self, now: float) -> str | None:
        """Return the identity of a second meter that sends on this line; None where there is one only."""
        return self._other_identity if now - self._other_arrival <= self._silence_s() else None
