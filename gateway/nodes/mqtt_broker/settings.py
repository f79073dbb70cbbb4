"""Settings of a broker, and what other nodes ask it for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.transport.addresses import place_of
from gateway.transport.mqtt import Broker, Message

MESSAGES_PER_TOPIC_S = 50
"""Usual limit of a subscription: the telegrams of a minute that a broker held back come at once."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """A broker, and how the gateway logs in."""

    broker: Broker
    client_id: str
    """Id at the broker; another client with the same id ends this connection."""
    will: Message | None = None
    """The message that the broker publishes when the connection ends, however it ends."""
    birth: Message | None = None
    """The message that is published after each login."""
    needs_new: bool = True
    """True to refuse a broker that does not speak MQTT 5."""

    @property
    def place(self) -> str:
        """Return host and port in lower case, which name the broker."""
        return place_of(self.broker.host, self.broker.port).lower()


class Subscription(NamedTuple):
    """The topics that a node wants to receive from a broker."""

    topics: Sequence[str]
    """Topic filters, in which `+` is any level and `#` all further levels (MQTT 5.0, 4.7.1).

    They should not overlap: a broker may send a message once for each filter, and each copy is passed on.
    """
    take: Callable[[Message], None]
    """Called at once with each message."""
    limit_per_s: int = MESSAGES_PER_TOPIC_S
    """Largest number of messages within a second for each topic filter; with more, it is not received for a while."""
    counts_each: bool = False
    """True if the limit is that of each topic that fits a filter: each has a sender of its own."""
