"""The MQTT brokers of a configuration, and the nodes that publish to them; they stay at a reload if nothing changed.

Imported only where `mqtt:` is configured.
"""

from __future__ import annotations

from pathlib import Path

from gateway.config import Config
from gateway.config.mqtt import BrokerAddress, MqttConfig
from gateway.nodes.mqtt_broker import BrokerSettings, MqttBroker
from gateway.runtime.flow import Node
from gateway.transport.client_tls import ClientCertificate
from gateway.transport.mqtt import Broker


class Fleet:
    """The nodes of `mqtt:`."""

    def __init__(self, folder: Path) -> None:
        """Begin without brokers; relative paths in the configuration begin at `folder`."""
        self._folder = folder
        self.brokers: list[MqttBroker] = []
        """The brokers, in the order of the configuration."""

    def connect(self, config: Config) -> list[Node]:
        """Make the nodes that do not exist yet, connect all, and return them in their order."""
        if config.mqtt is None:
            self.brokers = []
            return []
        known = {each.settings: each for each in self.brokers}
        settings = [broker_settings(config.mqtt, address, self._folder) for address in config.mqtt.addresses]
        self.brokers = [known.get(each) or MqttBroker(each) for each in settings]
        return [*self.brokers]


def broker_settings(config: MqttConfig, address: BrokerAddress, folder: Path) -> BrokerSettings:
    """Return the settings of one broker; paths begin at `folder`."""
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
    return BrokerSettings(broker, f"dsmr-gateway-{config.edge_name}")
