"""The served telegram of a meter, and the moment from which its age counts.

For each accepted telegram, the timeline (`gateway.protocol.p1.age.timeline`) calculates when the meter wrote it. It
also decides whether its readings are served: at once, after a moment without another telegram, or not at all.
`Serving` keeps the served and the pending telegram. The age of readings counts from the moment at which the meter
wrote them.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from gateway.protocol.p1.age.counters import Counters
from gateway.protocol.p1.age.timeline import Timeline
from gateway.protocol.p1.age.verdict import Condition, Kind, MachineClock
from gateway.protocol.p1.doubt import Withheld
from gateway.protocol.p1.obis import Value
from gateway.protocol.p1.readings import Readings
from gateway.protocol.p1.telegram import Telegram
from gateway.protocol.p1.variants import Variant

COUNTERS = tuple(
    f"energy_{direction}{tariff}" for direction in ("import", "export") for tariff in ("", "_t1", "_t2", "_t3", "_t4")
)
"""Names of the readings that only rise; lower values show a telegram of the past."""
UNPROVEN = float("inf")
"""In place of a moment after which a telegram was written, for one whose way proves nothing."""
LATE = {Condition.LATE, Condition.LATE_OR_CLOCK_SET}
"""Conditions that set the status bit "telegrams come late"."""
REPEATING = {Condition.REPEATING, Condition.REPLAYING}
"""Conditions that set the status bit "the source repeats itself"."""


class Received(NamedTuple):
    """An accepted telegram with its readings."""

    telegram: Telegram
    readings: Readings
    variant: Variant
    arrived: float
    """Arrival on the monotonic clock, in seconds."""
    arrived_at: float
    """Arrival on the wall clock, in unix seconds."""
    detected: Variant
    """Variant that the telegram itself shows; the configuration may contradict it."""
    measured: float
    """Moment at which the meter wrote it, on the monotonic clock; the arrival where nothing else is known."""
    withheld: tuple[Withheld, ...] = ()
    """Implausible readings; they are absent."""
    suffix: str = ""
    """Suffix that tells its meter from another one of the same identity."""
    written_after: float = UNPROVEN
    """Moment after which the meter wrote it, where its way proves one: its age is not less than since then."""


class Serving:
    """The telegram of one meter that is served; moments are seconds of the gateway's monotonic clock."""

    def __init__(self, *, is_simulated: bool = False) -> None:
        """Begin without telegrams.

        Args:
            is_simulated: True for a meter in this process: nothing can hold its telegrams back, so each is served.

        """
        self._is_simulated = is_simulated
        self.served: Received | None = None
        """The telegram whose readings are served, or None."""
        self.is_pending = False
        """The newest telegram waits to be served; it does not count as accepted yet."""
        self.not_served: Counter[Kind] = Counter()
        """Number of accepted telegrams whose readings were not served when they came, by reason."""
        self.newest_kind: Kind | None = None
        """Verdict on the newest accepted telegram; None if it was served."""
        self._timeline: Timeline | None = None
        self._sent: list[Value | None] = []
        self._counters: Counters = ()
        """The energy counters of the newest telegram, as it has them and in Wh: most telegrams have the same."""
        self._kept: dict[int, Received] = {}
        """Telegrams by the timeline's token: those that are served or pending, of two meters at most."""

    def take(
        self,
        received: Received,
        stale_after_s: float,
        waited_since: float | None = None,
        machine_clock: MachineClock | None = None,
        *,
        is_first: bool = False,
    ) -> None:
        """Let the timeline judge an accepted telegram, and serve what it shows.

        Args:
            received: the telegram.
            stale_after_s: the age after which its readings are stale.
            waited_since: the moment since which it may have waited to be read; None if it did not wait.
            machine_clock: this machine's clock at its arrival; None if it is not known.
            is_first: True for the first one of a new connection.

        """
        if self._is_simulated:
            self.served = received
            return
        cadence_s = received.variant.cadence_s
        if self._timeline is None:
            self._timeline = Timeline(cadence_s, stale_after_s)
        timeline = self._timeline
        timeline.cadence_s, timeline.limit_s = cadence_s, stale_after_s
        readings = received.readings
        # A clock shows by itself how long a telegram has waited. Without one, the longest possible time counts.
        arrived = received.arrived if readings.time is not None or waited_since is None else waited_since
        identity = f"{readings.identification} {readings.values.get('equipment_identifier', '')}{received.suffix}"
        text = hash(received.telegram.body)
        verdict = timeline.take(
            arrived, readings.time, identity, self._counters_of(readings), text, is_first, machine_clock
        )
        self.newest_kind = None if verdict.is_shown else verdict.kind
        if not verdict.is_shown:
            self.not_served[verdict.kind] += 1
        self._kept[verdict.token] = received
        self.update(received.arrived)

    def update(self, now: float) -> bool:
        """Serve the telegram that the timeline shows at `now`, and return True if it is another one.

        Call it when `next_change` is reached; `take` does it for each telegram.
        """
        timeline = self._timeline
        if timeline is None:
            return False
        shown = timeline.shown_at(now)
        served = None
        if shown is not None:
            served = self._kept[shown.token]
            measured = min(shown.measured, served.written_after)
            if served.measured != measured:
                served = self._kept[shown.token] = served._replace(measured=measured)
        used = timeline.tokens
        self._kept = {token: kept for token, kept in self._kept.items() if token in used}
        self.is_pending = timeline.next_change is not None and now < timeline.next_change
        has_changed = served is not self.served
        self.served = served
        return has_changed

    @property
    def next_change(self) -> float | None:
        """Return the moment at which the pending telegram is served, if no other one comes before; or None."""
        return self._timeline.next_change if self._timeline and self.is_pending else None

    @property
    def condition(self) -> Condition:
        """Return how the telegrams come in."""
        return self._timeline.condition if self._timeline else Condition.STARTING

    @property
    def clock_cadence_s(self) -> float | None:
        """Return the seconds between two steps of the meter's clock; None before a telegram.

        They are more than the variant's cadence if a meter sends more often than its clock moves.
        """
        return self._timeline.clock_cadence_s if self._timeline else None

    @property
    def delay_s(self) -> float | None:
        """Return the delay of the newest telegram, in seconds; None if it is not known."""
        return self._timeline.delay_s if self._timeline and self._timeline.is_anchored else None

    @property
    def reconnection_is_due(self) -> bool:
        """Return whether to reconnect the line, once: the delay may be bytes that wait in this connection's socket."""
        return self._timeline is not None and self._timeline.reconnection_is_due

    def note_reconnection(self) -> None:
        """Note that the line is connected again because of `reconnection_is_due`."""
        if self._timeline:
            self._timeline.note_reconnection()

    def other_meter(self, now: float) -> str | None:
        """Return the identity of a second meter that sends on the same line; None if there is none."""
        return self._timeline.other_meter(now) if self._timeline else None

    def _counters_of(self, readings: Readings) -> Counters:
        """Return the energy counters of a telegram in Wh, in the order of `COUNTERS`."""
        sent = [*map(readings.values.get, COUNTERS)]
        if sent != self._sent:
            self._sent = sent
            self._counters = tuple([None if value is None else int(value) for value in sent])
        return self._counters
