"""The receiver of all meters with `source: mqtt`, and its connections to brokers and meters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from gateway.config.mqtt import MqttConfig
from gateway.nodes.mqtt_broker import MqttBroker, Subscription
from gateway.nodes.mqtt_receiver import MqttReceiver, ReceiverSettings, Recipient
from gateway.service.sources import Source


def connect_receiver(
    known: MqttReceiver | None, config: MqttConfig, brokers: Sequence[MqttBroker], sources: Mapping[str, Source]
) -> MqttReceiver | None:
    """Connect the meters whose telegrams come over brokers; return their receiver, None if there is no such meter.

    Args:
        known: the receiver so far, which stays if its settings are the same.
        config: the settings of `mqtt:`.
        brokers: its brokers.
        sources: all meters by name.

    """
    meters = {name: source.over_mqtt for name, source in sources.items() if source.over_mqtt}
    if not meters:
        return None
    settings = ReceiverSettings(config.prefix, config.edge_name)
    receiver = known if known and known.settings == settings else MqttReceiver(settings)
    for name, meter in meters.items():
        receiver.meters.connect(meter, Recipient(name, meter))
    receiver.use(brokers)
    for broker in brokers:
        status, *telegrams = receiver.topics_at(broker.place)
        take = receiver.taker(broker)
        broker.messages.connect(receiver, Subscription(telegrams, take))
        broker.messages.connect(receiver, Subscription([status], take, counts_each=True))
        broker.states.connect(receiver, partial(receiver.note_state, broker.place))
    return receiver
