"""The parts that publishers share: this gateway as it names itself, and the brokers of a meter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from gateway.protocol.p1.meter import MeterState
from gateway.transport.mqtt import Message


class Edge(NamedTuple):
    """This gateway, as it names itself in what it publishes."""

    name: str
    boot: int
    """Number of this start of the gateway."""
    prefix: str
    """The beginning of all topics."""


class MessageBroker(Protocol):
    """A broker that takes messages."""

    is_connected: bool

    def offer(self, topic: str, make: Callable[[], Message | None]) -> None:
        """Publish a message when it is the topic's turn, and the newest of its topic only."""


class Channel(NamedTuple):
    """A meter, and the brokers that its messages go to."""

    meter: MeterState
    brokers: Sequence[MessageBroker]

    def offer(self, topic: str, make: Callable[[], Message | None]) -> None:
        """Offer a message to all of its brokers."""
        for broker in self.brokers:
            broker.offer(topic, make)
