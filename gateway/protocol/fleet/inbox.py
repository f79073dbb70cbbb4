"""The messages of one meter: which of them are used, and after which moment their telegrams were written.

A message is used if a tick of this run of the gateway proves its age (`ticks`) and it is the newest (`newest`). A
message that a broker had stored may be of any age, and is never used. Neither are those whose envelope cannot be read.

Another program may publish telegrams without an envelope. They are used as long as no edge publishes those of the same
meter: a broker or a bridge that drops envelopes would otherwise make old copies of them look like new ones. An edge
publishes if its status is online, and for a minute after a usable envelope; then another program can take its place.
Nothing proves how long such telegrams were under way before the broker; the meter's clock shows later delays, as for
telegrams of every other line. The answer to a ping shows how long they waited at the broker at most: it waits behind
them in the same queue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from gateway.protocol.fleet.envelope import Bad, Envelope, decode
from gateway.protocol.fleet.newest import Newest, Numbers, Order, Stamp
from gateway.protocol.fleet.ticks import Ticks

NEVER = float("-inf")
EDGE_GONE_AFTER_S = 60.0
"""Time after the last usable envelope from which telegrams without envelope are used: about as long as ticks prove."""


class Outcome(Enum):
    """The use that is made of a message."""

    USED = "used"
    USED_WITHOUT_ENVELOPE = "used, without envelope"
    COPY = "copies"
    OLDER = "older than another"
    OTHER_METER = "of another meter"
    RETAINED = "retained"
    BAD_ENVELOPE = "bad envelope"
    WITHOUT_ENVELOPE = "without envelope"
    UNKNOWN_AGE = "of unknown age"
    FORGED_TICK = "with a forged tick"
    TOO_OLD = "too old"
    NOT_A_TELEGRAM = "not a telegram"


NUMBERS = ("edge", "boot", "seq")
"""The properties that tell two telegrams apart; an edge writes them first."""
ORDERS = {Order.COPY: Outcome.COPY, Order.OLDER: Outcome.OLDER, Order.OTHER_METER: Outcome.OTHER_METER}


class Incoming(NamedTuple):
    """A message as it arrived."""

    edge: str
    """The edge that its topic names."""
    properties: Sequence[tuple[str, str]]
    is_retained: bool
    arrived: float
    forwarded_after: float
    """Moment after which the broker forwarded it, as the answer to a ping shows; NEVER before the first answer."""
    stamps: Callable[[], tuple[Stamp, Stamp | None]]
    """Returns the stamp of its telegram, and of the one in use."""


class Verdict(NamedTuple):
    """The use of a message."""

    outcome: Outcome
    written_after: float = NEVER
    """For one that is used, the moment after which its telegram was written."""
    reason: str = ""
    """For a bad envelope, the property that is wrong."""


class Inbox:
    """The messages of one meter, from all of its brokers."""

    __slots__ = ("_enveloped", "_used", "is_edge", "newest", "outcomes")

    def __init__(self) -> None:
        self.newest = Newest()
        self.outcomes: Counter[Outcome] = Counter()
        self.is_edge: Callable[[str], bool] = _is_no_edge
        """Returns whether a name in a topic is that of an edge that is online."""
        self._enveloped = NEVER
        """Arrival of the last message with a usable envelope."""
        self._used: Sequence[tuple[str, str]] = ()
        """Edge, start and number of the telegram that was used last, as they came."""

    def take(self, incoming: Incoming, ticks: Ticks) -> Verdict:
        """Return the use of a message that arrives now."""
        if incoming.is_retained:
            verdict = Verdict(Outcome.RETAINED)
        elif self._used and incoming.properties[: len(NUMBERS)] == self._used:
            verdict = Verdict(Outcome.COPY)  # half of all messages, where there are two brokers
        else:
            verdict = self._judge(incoming, ticks)
        self.outcomes[verdict.outcome] += 1
        return verdict

    def _judge(self, incoming: Incoming, ticks: Ticks) -> Verdict:
        envelope = decode(incoming.properties)
        if envelope is None:
            if incoming.arrived - self._enveloped < EDGE_GONE_AFTER_S or self.is_edge(incoming.edge):
                return Verdict(Outcome.WITHOUT_ENVELOPE)
            if incoming.forwarded_after == NEVER:
                return Verdict(Outcome.UNKNOWN_AGE)
            return Verdict(Outcome.USED_WITHOUT_ENVELOPE, incoming.forwarded_after)
        if isinstance(envelope, Bad):
            return Verdict(Outcome.BAD_ENVELOPE, reason=envelope.reason)
        if envelope.edge != incoming.edge:
            return Verdict(Outcome.BAD_ENVELOPE, reason="edge is another one than in the topic")
        return self._order(envelope, incoming, ticks)

    def _order(self, envelope: Envelope, incoming: Incoming, ticks: Ticks) -> Verdict:
        sent_after = ticks.moment_of(envelope.ticks)
        if sent_after is None:
            return Verdict(_without_proof(envelope, ticks))
        self._enveloped = incoming.arrived
        written_after = sent_after - envelope.held_s - envelope.delay_s
        numbers = Numbers(envelope.edge, envelope.boot, envelope.seq)
        order = self.newest.take(numbers, incoming.arrived, sent_after, written_after, incoming.stamps)
        if order is Order.NEWER:
            first = incoming.properties[: len(NUMBERS)]
            self._used = first if tuple(name for name, _ in first) == NUMBERS else ()
        return Verdict(ORDERS.get(order, Outcome.USED), written_after)


def _without_proof(envelope: Envelope, ticks: Ticks) -> Outcome:
    """Return why no tick of a message proves its age."""
    if ticks.is_forged(envelope.ticks):
        return Outcome.FORGED_TICK
    return Outcome.TOO_OLD if ticks.is_own(envelope.ticks) else Outcome.UNKNOWN_AGE


def _is_no_edge(_name: str) -> bool:
    return False
