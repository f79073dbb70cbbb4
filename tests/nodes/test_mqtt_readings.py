"""The publisher of readings gives each broker of a meter what it has to store, also after a reload."""

from __future__ import annotations

from gateway.nodes.mqtt_publisher.channel import Channel, Edge
from gateway.nodes.mqtt_publisher.readings import ReadingsPublisher
from gateway.protocol.p1.meter import MeterState


class Broker:
    """A broker that keeps the topics of what is offered."""

    def __init__(self, *, is_connected: bool = True) -> None:
        self.is_connected = is_connected
        self.topics: list[str] = []

    def offer(self, topic: str, make: object) -> None:
        self.topics.append(topic)


def test_a_broker_that_gets_a_meter_at_a_reload_gets_what_is_stored() -> None:
    publisher = ReadingsPublisher(Edge("site", 1, "p"), is_for_home_assistant=True)
    meter = MeterState("house", None)
    removed, kept, added, offline = Broker(), Broker(), Broker(), Broker(is_connected=False)
    publisher.watch(Channel(meter, [removed, kept]))
    publisher.watch(Channel(meter, [kept, added, offline]))
    assert added.topics == ["p/site/house/availability"]
    assert not removed.topics + kept.topics + offline.topics


def test_a_broker_that_restarts_without_its_store_gets_it_again() -> None:
    publisher = ReadingsPublisher(Edge("site", 1, "p"), is_for_home_assistant=True)
    restarted, other = Broker(), Broker()
    publisher.watch(Channel(MeterState("house", None), [restarted, other]))
    publisher.note_broker(restarted, is_connected=False)
    assert not restarted.topics
    publisher.note_broker(restarted, is_connected=True)
    assert restarted.topics == ["p/site/house/availability"]
    assert not other.topics
