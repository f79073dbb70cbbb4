"""The publisher of readings gives each broker of a meter what it has to store, also after a reload."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from gateway.nodes.dsmr_parser import DsmrParser
from gateway.nodes.mqtt_publisher import readings
from gateway.nodes.mqtt_publisher.channel import Channel, Edge
from gateway.nodes.mqtt_publisher.readings import ReadingsPublisher
from gateway.protocol.p1.meter import MeterState
from gateway.transport.mqtt import Message
from tests.conftest import own_telegram
from tests.nodes.parsing import receive, ripen


class Broker:
    """A broker that keeps the topics of what is offered, and the newest message of each."""

    def __init__(self, *, is_connected: bool = True) -> None:
        self.is_connected = is_connected
        self.topics: list[str] = []
        self.messages: dict[str, Message | None] = {}

    def offer(self, topic: str, make: Callable[[], Message | None]) -> None:
        self.topics.append(topic)
        self.messages[topic] = make()


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


async def test_a_meter_that_a_reload_removes_is_no_longer_online_and_fresh_readings_expire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readings, "now", lambda: 1000.5)
    publisher, broker, meter = (
        ReadingsPublisher(Edge("site", 1, "p"), is_for_home_assistant=False),
        Broker(),
        MeterState("house", None),
    )
    parser = DsmrParser("house/parser", meter, 1.0)
    parser.readings.connect(publisher, publisher.watch(Channel(meter, [broker])))
    receive(parser, own_telegram("v50_sagemcom-t210d"), 1000.0)
    ripen(parser, 1000.0)
    fresh = broker.messages["p/site/house/readings"]
    assert fresh
    assert json.loads(fresh.payload)["fresh"]
    assert fresh.expires_s == 5, "no broker keeps it for a subscriber that is away for longer"
    publisher.keep({"house"})
    assert broker.messages["p/site/house/availability"] == Message("p/site/house/availability", b"online", True)
    publisher.keep(set())
    assert broker.messages["p/site/house/availability"] == Message("p/site/house/availability", b"offline", True)
    stale = broker.messages["p/site/house/readings"]
    assert stale
    assert not json.loads(stale.payload)["fresh"]
    assert stale.expires_s is None
