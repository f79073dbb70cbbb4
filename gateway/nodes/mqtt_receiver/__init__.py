"""MQTT receiver: the telegrams of many meters, which the gateways at the meters publish at brokers."""

from gateway.nodes.mqtt_receiver.meter import MqttMeter
from gateway.nodes.mqtt_receiver.node import MqttReceiver, ReceiverSettings, Recipient

__all__ = ["MqttMeter", "MqttReceiver", "ReceiverSettings", "Recipient"]
