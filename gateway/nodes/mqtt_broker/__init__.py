"""MQTT broker: the connection to one broker, and the messages that go over it."""

from gateway.nodes.mqtt_broker.node import MqttBroker
from gateway.nodes.mqtt_broker.settings import BrokerSettings, Subscription

__all__ = ["BrokerSettings", "MqttBroker", "Subscription"]
