"""The MQTT brokers of a configuration, and the nodes that publish to them; they stay at a reload if nothing changed.

Imported only where `mqtt:` is configured.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from gateway.config import Config
from gateway.config.mqtt import BrokerAddress, MqttConfig
from gateway.exports.home_assistant_mqtt import STATUS_TOPIC
from gateway.nodes.mqtt_broker import BrokerSettings, MqttBroker, Subscription
from gateway.nodes.mqtt_publisher.channel import Channel, Edge
from gateway.nodes.mqtt_publisher.readings import ReadingsPublisher
from gateway.nodes.mqtt_publisher.telegrams import TelegramPublisher
from gateway.nodes.mqtt_receiver import MqttReceiver
from gateway.protocol.fleet.presence import EdgeStatus, encode_status
from gateway.protocol.fleet.rendezvous import brokers_of
from gateway.protocol.fleet.ticks import MAX_TICKS_PER_S
from gateway.protocol.fleet.topics import status_topic, tick_filter
from gateway.runtime.flow import Node
from gateway.service.boot import next_boot
from gateway.service.fleet_receiver import connect_receiver
from gateway.service.sources import Source
from gateway.service.state_folder import state_folder
from gateway.transport.client_tls import ClientCertificate
from gateway.transport.mqtt import Broker, Message

OWN_ID = secrets.token_hex(4)
"""Part of the client id at the brokers that no other gateway has; it stays until the process ends."""


class Fleet:
    """The nodes of `mqtt:`."""

    def __init__(self, folder: Path) -> None:
        """Begin without brokers; relative paths in the configuration begin at `folder`."""
        self._folder = folder
        self.brokers: list[MqttBroker] = []
        """The brokers, in the order of the configuration."""
        self._boot = 0
        self._sequences = Counter[str]()
        self._telegrams: TelegramPublisher | None = None
        self._readings: ReadingsPublisher | None = None
        self.receiver: MqttReceiver | None = None
        """The node for all meters whose telegrams come over the brokers."""

    def count_start(self, config: Config) -> None:
        """Find the number of this start when a configuration first publishes; this reads and writes a file."""
        if config.mqtt and config.mqtt.publish and not self._boot:
            self._boot = next_boot(state_folder(config, self._folder))

    def connect(self, config: Config, sources: Mapping[str, Source]) -> list[Node]:
        """Make the nodes that do not exist yet, connect all, and return them in their order."""
        if config.mqtt is None:
            self.brokers, self._telegrams, self._readings, self.receiver = [], None, None, None
            return []
        self.count_start(config)
        edge = Edge(config.mqtt.edge_name, self._boot, config.mqtt.prefix)
        known = {each.settings: each for each in self.brokers}
        settings = [broker_settings(config, address, self._folder, edge) for address in config.mqtt.addresses]
        self.brokers = [known.get(each) or MqttBroker(each) for each in settings]
        # What came over MQTT is not sent there again: it would come back as the telegrams of another edge.
        own = [name for name, meter in config.all_meters().items() if not meter.is_from_brokers]
        everyone = self._channels(sources)
        self.receiver = connect_receiver(self.receiver, config.mqtt, self.brokers, sources)
        nodes: list[Node] = [self.receiver] if self.receiver else []
        nodes += self.brokers
        nodes += self._connect_telegrams(config.mqtt, edge, {name: everyone[name] for name in own}, sources)
        return nodes + self._connect_readings(config.mqtt, edge, everyone, sources)

    def _channels(self, sources: Mapping[str, Source]) -> dict[str, Channel]:
        """Return each meter with its brokers."""
        by_place = {broker.place: broker for broker in self.brokers}
        return {
            name: Channel(source.meter, [by_place[place] for place in brokers_of(name, list(by_place))])
            for name, source in sources.items()
        }

    def _connect_telegrams(
        self, config: MqttConfig, edge: Edge, channels: Mapping[str, Channel], sources: Mapping[str, Source]
    ) -> list[Node]:
        if "telegrams" not in config.publish:
            self._telegrams = None
            return []
        if self._telegrams is None or self._telegrams.edge != edge:
            self._telegrams = TelegramPublisher(edge, self._sequences)
        publisher = self._telegrams
        ticks = Subscription([tick_filter(edge.prefix)], publisher.take_tick, MAX_TICKS_PER_S)
        for broker in self.brokers:
            publisher.messages.connect(broker, broker)
            broker.messages.connect(publisher, ticks)
        for name, channel in channels.items():
            sources[name].parser.readings.connect(publisher, publisher.watch(channel))
        return [publisher]

    def _connect_readings(
        self, config: MqttConfig, edge: Edge, channels: Mapping[str, Channel], sources: Mapping[str, Source]
    ) -> list[Node]:
        is_for_home_assistant = "home_assistant" in config.publish
        is_published = is_for_home_assistant or "readings" in config.publish
        publisher = self._readings
        is_same = publisher and (publisher.edge, publisher.is_for_home_assistant) == (edge, is_for_home_assistant)
        if publisher:
            publisher.keep(set(channels) if is_published and is_same else set())
        if not is_published:
            self._readings = None
            return []
        if not publisher or not is_same:
            publisher = self._readings = ReadingsPublisher(edge, is_for_home_assistant=is_for_home_assistant)
        for broker in self.brokers:
            publisher.messages.connect(broker, broker)
            broker.states.connect(publisher, partial(publisher.note_broker, broker))
            if is_for_home_assistant:
                broker.messages.connect(publisher, Subscription([STATUS_TOPIC], publisher.take_birth))
        for name, channel in channels.items():
            sources[name].parser.readings.connect(publisher, publisher.watch(channel))
        return [publisher]


def broker_settings(whole: Config, address: BrokerAddress, folder: Path, edge: Edge) -> BrokerSettings:
    """Return the settings of one broker of a configuration; paths begin at `folder`."""
    config = whole.mqtt
    assert config
    own = None
    if address.is_tls and config.certificate and config.key:
        own = ClientCertificate(folder / config.certificate, folder / config.key)
    broker = Broker(
        address.host,
        address.port,
        is_tls=address.is_tls,
        user=config.login,
        password_file=config.password_file and folder / config.password_file,
        ca=config.ca and folder / config.ca,
        certificate=own,
    )
    will, birth = (_status(edge, is_online=False), _status(edge, is_online=True)) if config.publish else (None, None)
    # An older protocol has no room for the envelope of a telegram.
    needs_new = "telegrams" in config.publish or any(each.is_from_brokers for each in whole.all_meters().values())
    # Serving gateways with one configuration would otherwise end each other's connections.
    client_id = f"dsmr-gateway-{edge.name}" + ("" if config.publish else f"-{OWN_ID}")
    return BrokerSettings(broker, client_id, will, birth, needs_new)


def _status(edge: Edge, *, is_online: bool) -> Message:
    """Return the stored message that says whether this gateway is online."""
    payload = encode_status(EdgeStatus(is_online, edge.boot))
    return Message(status_topic(edge.prefix, edge.name), payload, is_retained=True)
