"""MQTT receiver: passes each message to its meter, and publishes the tick that proves the age of telegrams.

In: messages of the brokers. Out: messages to meters.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import NamedTuple, Protocol

from gateway.nodes.mqtt_receiver.meter import Arrival, MqttMeter
from gateway.nodes.mqtt_receiver.problems import forged_ticks, quiet_broker
from gateway.problems.problem import Problem
from gateway.protocol.fleet.inbox import Outcome
from gateway.protocol.fleet.presence import Presence, decode_status
from gateway.protocol.fleet.rendezvous import brokers_of
from gateway.protocol.fleet.ticks import MAX_STEP, TICK_EVERY_S, Ticks, encode_tick
from gateway.protocol.fleet.topics import (
    STATUS,
    TELEGRAM,
    is_valid_id,
    level_of,
    status_filter,
    telegram_filter,
    tick_topic,
)
from gateway.runtime.clock import now
from gateway.runtime.flow import Details, Node
from gateway.runtime.output import Output
from gateway.runtime.status import Colour, Mark, label_of
from gateway.runtime.ticking import look_each
from gateway.transport.mqtt import Message

FORGED_SHOWN_S = 60.0
"""Time for which the status reports a tick that somebody else has published under the name of this gateway."""
QUIET_S = 30.0
"""Time for which telegrams come over other brokers only, before a broker is reported: longer than slow meters pause."""
PARTS = 10
"""Number of parts in which all meters are looked at within a second, so that no look takes long."""


class ReceiverSettings(NamedTuple):
    """The names that a receiver uses at the brokers."""

    prefix: str
    gateway: str
    """Name under which the tick is published."""


class Link(Protocol):
    """A connection to a broker."""

    place: str
    is_connected: bool

    @property
    def ping_moment(self) -> float:
        """Return the moment at which the newest ping that was answered was sent."""

    def publish(self, message: Message) -> bool:
        """Publish a message with QoS 0; False if that is not possible now."""


class Recipient(NamedTuple):
    """A meter that gets messages."""

    name: str
    meter: MqttMeter


def _random_step() -> int:
    return 1 + secrets.randbelow(MAX_STEP)


class MqttReceiver(Node):
    """The receiver of all meters whose telegrams come over the configured brokers."""

    kind = "MQTT receiver"
    reads_meter = True  # brokers that are down are no reason to restart the gateway

    def __init__(self, settings: ReceiverSettings) -> None:
        super().__init__("mqtt receiver")
        self.settings = settings
        self.label = self.kind
        self.meters: Output[Recipient] = Output(self)
        self.ticks = Ticks(settings.gateway, secrets.randbits(63), _random_step)
        self.presence = Presence()
        self._links: Sequence[Link] = ()
        self._known: tuple[Recipient, ...] = ()
        self._by_level: dict[str, MqttMeter] = {}
        self._after_prefix = len(settings.prefix) + 1
        self._since = now()
        self._turns = count()
        self._online: set[MqttMeter] = set()
        self._forged, self._forged_at = 0, float("-inf")
        self.not_ours = 0
        self._received = Counter[str]()
        """The number of messages of each broker."""
        self._moved: dict[str, tuple[int, float]] = {}
        """The number of messages of each broker, and the moment of the last look at which it was not behind others."""

    def details(self) -> Details:
        """Return how many meters are online, and what became of all messages."""
        outcomes = dict.fromkeys(Outcome, 0)
        for _, meter in self.meters.receivers:
            for outcome, number in meter.inbox.outcomes.items():
                outcomes[outcome] += number
        used = outcomes[Outcome.USED] + outcomes[Outcome.USED_WITHOUT_ENVELOPE]
        copies = outcomes[Outcome.COPY] + outcomes[Outcome.OLDER]
        return {
            "meters": len(self.meters.receivers),
            "meters_online": len(self._online),
            "messages_used": used,
            "messages_copied": copies,
            "messages_unused": sum(outcomes.values()) - used - copies + self.not_ours,
        }

    async def run(self) -> None:
        """Publish the tick, and look at the meters, until cancelled."""
        self._since = now()
        self.ready.set()
        await look_each(TICK_EVERY_S / PARTS, self._look)

    # Wiring

    def use(self, links: Sequence[Link]) -> None:
        """Use these brokers for the meters that are connected now."""
        for link in self._links:
            if link not in links:  # nobody reports any more that its connection is lost
                self.presence.forget(link.place)
        self._links = links
        places = [link.place for link in links]
        for name, meter in self.meters.receivers:
            meter.places = brokers_of(name, places)
            meter.topic = telegram_filter(self.settings.prefix, name)
            meter.inbox.is_edge = self.presence.is_online

    def topics_at(self, place: str) -> list[str]:
        """Return the topics to subscribe to at a broker."""
        return [
            status_filter(self.settings.prefix),
            *[meter.topic for _, meter in self.meters.receivers if place in meter.places],
        ]

    def taker(self, link: Link) -> Callable[[Message], None]:
        """Return the function that takes the messages of a broker."""
        return partial(self._take, link)

    def note_state(self, place: str, is_connected: bool) -> None:
        """Note that a broker is connected or not any more."""
        if is_connected:
            self._tick()
        else:
            self.presence.forget(place)

    # Messages

    def _take(self, link: Link, message: Message) -> None:
        self._received[link.place] += 1
        parts = message.topic[self._after_prefix :].split("/")
        if len(parts) == 3 and parts[2] == TELEGRAM:
            if self._known is not self.meters.receivers:
                self._known = self.meters.receivers
                self._by_level = {level_of(name): meter for name, meter in self._known}
            meter = self._by_level.get(parts[1])
            if meter:
                meter.take(message, Arrival(parts[0], now(), link.ping_moment), self.ticks)
                return
        elif parts[-1] == STATUS and self._take_status(link, parts, message.payload):
            return
        self.not_ours += 1

    def _take_status(self, link: Link, parts: Sequence[str], payload: bytes) -> bool:
        """Note the status of an edge; return whether it is one."""
        status = decode_status(payload) if len(parts) == 2 and is_valid_id(parts[0]) else None
        if status:
            self.presence.note(link.place, parts[0], status)
        return status is not None

    def _tick(self) -> None:
        tick = self.ticks.next(now())
        message = Message(tick_topic(self.settings.prefix, tick.gateway), encode_tick(tick))
        for link in self._links:
            link.publish(message)

    # Looks

    def _look(self, moment: float) -> None:
        """Look at a part of the meters, and publish the tick in each tenth turn."""
        turn = next(self._turns) % PARTS
        connected = {link.place for link in self._links if link.is_connected}
        for _, meter in self.meters.receivers[turn::PARTS]:
            is_connected = not connected.isdisjoint(meter.places)
            is_online = meter.look(moment, self._since, is_connected=is_connected, is_offline=self.presence.is_offline)
            (self._online.add if is_online else self._online.discard)(meter)
        if turn == 0:
            self._tick()
            self._note_forged(moment)
            self._show(len(connected), self._quiet_broker(moment), moment)

    def _note_forged(self, moment: float) -> None:
        """Log that ticks came back that this gateway has not sent."""
        if self.ticks.forged != self._forged:
            self._forged, self._forged_at = self.ticks.forged, moment
            self.log_seldom(logging.WARNING, str(forged_ticks()))

    def _quiet_broker(self, moment: float) -> Problem | None:
        """Return that a connected broker sends nothing, while telegrams of its meters come over other brokers."""
        for link in self._links:
            count, place = self._received[link.place], link.place
            before, since = self._moved.get(place, (None, moment))
            if count != before or not link.is_connected or not self._comes_elsewhere(place, since):
                self._moved[place] = count, moment
            elif moment - since > QUIET_S and self._comes_elsewhere(place, since + QUIET_S):
                problem = quiet_broker(place)
                self.log_seldom(logging.WARNING, str(problem), alike=problem.short)
                return problem
        return None

    def _comes_elsewhere(self, place: str, moment: float) -> bool:
        """Return whether a telegram of a meter of this broker has come since `moment`."""
        return any(
            meter.meter.newest is not None and meter.meter.newest.arrived >= moment and place in meter.places
            for meter in self._online
        )

    def _show(self, connected: int, quiet: Problem | None, moment: float) -> None:
        total = len(self.meters.receivers)
        self._online.intersection_update(meter for _, meter in self.meters.receivers)
        values: Mapping[str, int] = {"count": len(self._online), "total": total}
        if not connected:
            self.show(Colour.RED, Mark.RING, "no-broker")
        elif moment - self._forged_at <= FORGED_SHOWN_S:
            self.show(Colour.YELLOW, Mark.DOT, label_of(forged_ticks()))
        elif quiet:
            self.show(Colour.YELLOW, Mark.DOT, label_of(quiet))
        elif len(self._online) < total or connected < len(self._links):
            self.show(Colour.YELLOW, Mark.DOT, "meters-online", **values)
        else:
            self.show(Colour.GREEN, Mark.DOT, "meters-online", **values)
