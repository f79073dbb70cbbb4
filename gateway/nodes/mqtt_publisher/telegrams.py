"""Telegram publisher: sends the telegrams of all meters to MQTT brokers, for gateways that serve them elsewhere.

In: the telegrams that are served, and the ticks of serving gateways. Out: a message for each telegram, with an envelope
that says how old it was when it was sent. The envelope is made at the moment of sending, so that the time in which the
telegram waited for a broker is in it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from math import ceil

from gateway.nodes.mqtt_publisher.channel import Channel, Edge, MessageBroker
from gateway.protocol.fleet.envelope import Envelope, encode
from gateway.protocol.fleet.ticks import MAX_TICKS, SeenTicks, decode_tick
from gateway.protocol.fleet.topics import TickTopic, parse, telegram_topic
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.serving import Received
from gateway.runtime.clock import now
from gateway.runtime.flow import Details, Node
from gateway.runtime.output import Output
from gateway.runtime.status import Colour, Mark
from gateway.runtime.ticking import look_each
from gateway.transport.mqtt import Message

LOOK_S = 1.0
CONTENT_TYPE = "text/plain"


class TelegramPublisher(Node):
    """The publisher of telegrams."""

    kind = "telegram publisher"

    def __init__(self, edge: Edge, sequences: Counter[str]) -> None:
        """Publish nothing yet.

        Args:
            edge: this gateway.
            sequences: number of telegrams of each meter since the start, which outlives this node.

        """
        super().__init__("mqtt telegrams")
        self.edge = edge
        self.messages: Output[MessageBroker] = Output(self)
        """The brokers, each once."""
        self._sequences = sequences
        self._channels: dict[str, Channel] = {}
        self._newest: dict[str, Received] = {}
        self._ticks = SeenTicks()
        self.offered = 0

    def details(self) -> Details:
        """Return the name of this gateway, and how many telegrams were offered to brokers."""
        return {
            "edge": self.edge.name,
            "boot": self.edge.boot,
            "meters": len(self._channels),
            "telegrams_offered": self.offered,
            "serving_gateways": len({tick[:2] for tick in self._ticks.newest(now())}),
        }

    def disconnect(self) -> None:
        """Remove all connections, and all meters."""
        super().disconnect()
        self._channels.clear()

    def watch(self, channel: Channel) -> Callable[[Received | None], None]:
        """Return a function that takes the served telegrams of a meter."""
        self._channels[channel.meter.name] = channel
        return partial(self._publish, channel)

    def take_tick(self, message: Message) -> None:
        """Note the tick of a serving gateway; a stored one proves nothing."""
        topic = parse(self.edge.prefix, message.topic)
        if isinstance(topic, TickTopic) and not message.is_retained:
            tick = decode_tick(topic.gateway, message.payload)
            if tick:
                self._ticks.note(tick, now())

    async def run(self) -> None:
        """Keep the status current until cancelled."""
        self.ready.set()
        self._show(now())
        await look_each(LOOK_S, self._show)

    def _publish(self, channel: Channel, received: Received | None) -> None:
        name = channel.meter.name
        before = self._newest.get(name)
        # A telegram whose age turned out to be another one is the same telegram.
        if received is None or (before and before.telegram is received.telegram):
            return
        self._newest[name] = received
        self._sequences[name] += 1
        self.offered += 1
        topic = telegram_topic(self.edge.prefix, self.edge.name, name)
        channel.offer(topic, partial(self._message, channel.meter, topic, received, self._sequences[name]))

    def _message(self, meter: MeterState, topic: str, received: Received, sequence: int) -> Message | None:
        """Return the message of a telegram that is sent now; None if it is stale by now."""
        moment = now()
        if moment - received.measured > meter.stale_after_s:
            return None
        envelope = Envelope(
            self.edge.name,
            self.edge.boot,
            sequence,
            held_s=moment - received.arrived,
            delay_s=received.arrived - received.measured,
            is_checked=received.telegram.checked,
            ticks=self._ticks.newest(moment),
        )
        expires_s = ceil(meter.stale_after_s)
        return Message(topic, received.telegram.raw, True, encode(envelope), expires_s, CONTENT_TYPE)

    def _show(self, moment: float) -> None:
        if not any(broker.is_connected for broker in self.messages.receivers):
            self.show(Colour.YELLOW, Mark.RING, "no-broker")
        elif self._ticks.leaves_out(moment):
            self.show(Colour.YELLOW, Mark.DOT, "too-many-serving-gateways", count=MAX_TICKS)
            what = f"more than {MAX_TICKS} serving gateways publish ticks: the others get no fresh readings"
            self.log_seldom(logging.WARNING, f"{what}. Stop those that are not needed, or give them another prefix")
        else:
            self.show(Colour.GREEN, Mark.DOT, "publishing", count=len(self._channels))
