"""The messages that wait for a broker: the newest of each topic, and no other.

One message of a topic is under way at a time. While the broker has not acknowledged it, only the newest one that
follows is kept: a queue of old readings would delay the fresh ones. Topics take turns in the order in which they began
to wait. A message is made when it is sent, so that it can say how long it has waited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum

from gateway.transport.mqtt import Message

Make = Callable[[], Message | None]
"""Makes a message when it is sent; None if it is of no use any more."""


ACKNOWLEDGED_WITHIN_S = 10.0
"""Time in which a broker that works acknowledges at least one of the messages that are under way."""


class Fate(StrEnum):
    """The end of a message."""

    PUBLISHED = "published"
    """The broker has acknowledged it."""
    REPLACED = "replaced"
    """A newer one came while it waited."""
    REFUSED = "refused"
    """The broker did not accept it."""
    LOST = "lost"
    """The connection ended before the broker acknowledged it."""
    EXPIRED = "expired"
    """It was of no use any more when its turn came."""


class Outbox:
    """The messages of all topics that wait for one broker."""

    def __init__(self) -> None:
        self._ready: dict[str, Make] = {}
        """The newest message of each topic with none under way, in the order in which the topics began to wait."""
        self._behind: dict[str, Make] = {}
        """The newest message of each topic that has another one under way."""
        self._under_way: set[str] = set()
        self.fates = Counter[Fate]()
        self._has_settled = False
        """True if the broker has acknowledged a message since the last look."""
        self._moved = 0.0
        """Moment of the last look at which it had or nothing was under way, or of the connection if that was later."""

    def __len__(self) -> int:
        """Return the number of messages that wait."""
        return len(self._ready) + len(self._behind)

    def begin(self, moment: float) -> None:
        """Note that a connection begins: the broker has its time to acknowledge from now on."""
        self._moved = moment

    def offer(self, topic: str, make: Make) -> None:
        """Let a message wait, in place of an older one of its topic."""
        waiting = self._behind if topic in self._under_way else self._ready
        if topic in waiting:
            self.fates[Fate.REPLACED] += 1
        waiting[topic] = make

    def next(self) -> Message | None:
        """Return the message whose turn it is, which then is under way; None if there is none."""
        while self._ready:
            topic = next(iter(self._ready))
            message = self._ready.pop(topic)()
            if message is not None:
                self._under_way.add(topic)
                return message
            self.fates[Fate.EXPIRED] += 1
        return None

    def settle(self, topic: str, fate: Fate) -> None:
        """Note the end of the message of a topic that was under way; the one behind it is ready now."""
        self.fates[fate] += 1
        self._has_settled = True
        self._under_way.discard(topic)
        if make := self._behind.pop(topic, None):
            self._ready[topic] = make

    def is_stuck(self, moment: float) -> bool:
        """Return whether messages are under way and the broker acknowledges none; to be called regularly."""
        if self._has_settled or not self._under_way:
            self._has_settled, self._moved = False, moment
        return moment - self._moved > ACKNOWLEDGED_WITHIN_S
