"""Readings publisher: sends the readings of all meters to MQTT brokers, for programs that read JSON.

In: the telegrams that are served, and whether Home Assistant and the brokers have just come online. Out: for each meter
its readings, whether they are fresh, and for Home Assistant the description of its sensors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil

from gateway.exports.home_assistant_mqtt import Device, discovery, discovery_topic, sensors_of
from gateway.nodes.mqtt_publisher.channel import Channel, Edge, MessageBroker
from gateway.nodes.mqtt_publisher.payload import readings_json
from gateway.protocol.fleet.topics import level_of, status_topic
from gateway.protocol.p1.serving import Received
from gateway.runtime.clock import now
from gateway.runtime.flow import Details, Node
from gateway.runtime.output import Output
from gateway.runtime.status import Colour, Mark
from gateway.runtime.ticking import look_each
from gateway.transport.mqtt import Message
from gateway.version import version

LOOK_S = 0.25
ONLINE, OFFLINE = b"online", b"offline"
CONTENT_TYPE = "application/json"


@dataclass(slots=True)
class _Watched:
    """A meter, and what was last published about it."""

    channel: Channel
    is_fresh: bool = False
    sensors: frozenset[str] = frozenset()
    """Readings that the meter has sent so far, and that have a sensor in Home Assistant."""


class ReadingsPublisher(Node):
    """The publisher of readings."""

    kind = "readings publisher"

    def __init__(self, edge: Edge, *, is_for_home_assistant: bool) -> None:
        """Publish nothing yet; describe the sensors to Home Assistant if `is_for_home_assistant`."""
        super().__init__("mqtt readings")
        self.edge = edge
        self.is_for_home_assistant = is_for_home_assistant
        self.messages: Output[MessageBroker] = Output(self)
        """The brokers, each once."""
        self._watched: dict[str, _Watched] = {}

    def details(self) -> Details:
        """Return the name of this gateway, and how many of its meters are fresh."""
        return {
            "edge": self.edge.name,
            "meters": len(self._watched),
            "meters_fresh": sum(each.is_fresh for each in self._watched.values()),
            "sensors": sum(len(each.sensors) for each in self._watched.values()),
        }

    def watch(self, channel: Channel) -> Callable[[Received | None], None]:
        """Return a function that takes the served telegrams of a meter."""
        name = channel.meter.name
        known = self._watched.get(name)
        watched = self._watched[name] = _Watched(channel)
        if known and known.channel.meter is channel.meter:
            watched.is_fresh, watched.sensors = known.is_fresh, known.sensors
            # A broker that is connected already, and is one of this meter's since a reload.
            if added := [each for each in channel.brokers if each.is_connected and each not in known.channel.brokers]:
                self._introduce(watched, channel._replace(brokers=added))
        return partial(self._publish, watched)

    def keep(self, names: set[str]) -> None:
        """Forget the meters that are not among these; publish before that those are no longer online."""
        for name in self._watched.keys() - names:
            watched = self._watched.pop(name)
            if watched.is_fresh:
                self._note_freshness(watched, is_fresh=False)
                self._offer_readings(watched, watched.channel)

    def note_broker(self, broker: MessageBroker, is_connected: bool) -> None:
        """Publish everything to a broker that has come online."""
        if is_connected:
            for watched in self._watched.values():
                if any(each is broker for each in watched.channel.brokers):
                    self._introduce(watched, watched.channel._replace(brokers=[broker]))

    def take_birth(self, message: Message) -> None:
        """Publish everything again when Home Assistant has started."""
        if message.payload == ONLINE and not message.is_retained:
            for watched in self._watched.values():
                self._introduce(watched, watched.channel)

    async def run(self) -> None:
        """Publish which meters become stale, and keep the status current, until cancelled."""
        self.ready.set()
        self._look(now())
        await look_each(LOOK_S, self._look)

    def _publish(self, watched: _Watched, received: Received | None) -> None:
        if received is None:
            self._look_at(watched, now())
            return
        sensors = watched.sensors | sensors_of(received.readings.values)
        if sensors != watched.sensors:
            watched.sensors = sensors
            self._describe(watched, watched.channel)
        self._note_freshness(watched, is_fresh=watched.channel.meter.is_fresh(now() + LOOK_S))
        self._offer_readings(watched, watched.channel)

    def _look(self, moment: float) -> None:
        for watched in self._watched.values():
            # A meter that is stale before the next look is stale now: others have to know it in time.
            self._look_at(watched, moment + LOOK_S)
        if any(broker.is_connected for broker in self.messages.receivers):
            self.show(Colour.GREEN, Mark.DOT, "publishing", count=len(self._watched))
        else:
            self.show(Colour.YELLOW, Mark.RING, "no-broker")

    def _look_at(self, watched: _Watched, moment: float) -> None:
        if watched.is_fresh and not watched.channel.meter.is_fresh(moment):
            self._note_freshness(watched, is_fresh=False)
            self._offer_readings(watched, watched.channel)

    def _note_freshness(self, watched: _Watched, *, is_fresh: bool) -> None:
        if is_fresh != watched.is_fresh:
            watched.is_fresh = is_fresh
            self._offer_availability(watched, watched.channel)

    def _introduce(self, watched: _Watched, channel: Channel) -> None:
        """Publish all that is known about a meter."""
        self._describe(watched, channel)
        self._offer_availability(watched, channel)
        if channel.meter.served:
            self._offer_readings(watched, channel)

    def _describe(self, watched: _Watched, channel: Channel) -> None:
        if not (self.is_for_home_assistant and watched.sensors):
            return
        meter, newest = channel.meter, channel.meter.newest
        device = Device(
            self.edge.name,
            meter.name,
            newest.variant.title if newest else "",
            version(),
            self._topic(meter.name, "readings"),
            self._topic(meter.name, "availability"),
            status_topic(self.edge.prefix, self.edge.name),
            max(1, int(meter.stale_after_s)),
        )
        topic, sensors = discovery_topic(device), watched.sensors
        channel.offer(topic, lambda: Message(topic, discovery(device, sensors), is_retained=True))

    def _offer_availability(self, watched: _Watched, channel: Channel) -> None:
        topic = self._topic(channel.meter.name, "availability")
        channel.offer(topic, lambda: Message(topic, ONLINE if watched.is_fresh else OFFLINE, is_retained=True))

    def _offer_readings(self, watched: _Watched, channel: Channel) -> None:
        """Let the readings be published that are fresh when it is their turn."""
        meter = channel.meter
        topic = self._topic(meter.name, "readings")

        def make() -> Message:
            moment = now()
            is_fresh = watched.is_fresh and meter.is_fresh(moment)
            payload = readings_json(meter, self.edge.name, moment, is_fresh=is_fresh)
            # A broker must not keep it longer for a subscriber that is away.
            expires_s = (
                ceil(meter.served.measured + meter.stale_after_s - moment) if is_fresh and meter.served else None
            )
            return Message(topic, payload, expires_s=expires_s, content_type=CONTENT_TYPE)

        channel.offer(topic, make)

    def _topic(self, meter: str, last: str) -> str:
        return f"{self.edge.prefix}/{self.edge.name}/{level_of(meter)}/{last}"
