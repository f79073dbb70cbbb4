"""Meters with `source: mqtt` get a receiver, and their brokers the subscriptions that they need, also at a reload."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import load_config, load_maps
from gateway.files.document import FileError
from gateway.nodes.mqtt_broker import MqttBroker
from gateway.nodes.mqtt_publisher.readings import ReadingsPublisher
from gateway.nodes.mqtt_receiver import MqttMeter, MqttReceiver
from gateway.protocol.fleet.ticks import MAX_TICKS
from gateway.service.wiring import Wiring
from gateway.transport.mqtt import Message

BROKERS = 'mqtt: {brokers: ["mqtt://a", "mqtt://b", "mqtts://c"], edge: serving}\n'
TWO = "meters:\n  flat1: {source: mqtt}\n  flat2: {source: mqtt, simulate: true}\n  flat3: {source: mqtt}\n"
SERVER = 'modbus: [{listen: ":0", units: {1: {meter: flat1}}}]\n'
OF_A = SERVER.replace("flat1", "a")
BROKERS_MISSING = [("brokers-missing", "meters.a.source")]


def written(folder: Path, text: str) -> Path:
    path = folder / "gateway.yaml"
    path.write_text(text)
    return path


def wire(folder: Path, text: str) -> Wiring:
    config = load_config(written(folder, text), {})
    return Wiring(config, load_maps(config, folder), folder)


def topics(wiring: Wiring) -> dict[str, set[str]]:
    return {
        node.place: {topic for subscription in node.messages.receivers for topic in subscription.topics}
        for node in wiring.flow.nodes
        if isinstance(node, MqttBroker)
    }


def receiver(wiring: Wiring) -> MqttReceiver | None:
    return next((node for node in wiring.flow.nodes if isinstance(node, MqttReceiver)), None)


def meters(wiring: Wiring) -> dict[str, MqttMeter]:
    return {node.meter.name: node for node in wiring.flow.nodes if isinstance(node, MqttMeter)}


def test_each_meter_is_subscribed_to_at_two_brokers_and_a_simulated_one_at_none(tmp_path: Path) -> None:
    wiring = wire(tmp_path, TWO + BROKERS + SERVER)
    assert meters(wiring).keys() == {"flat1", "flat3"}
    found = topics(wiring)
    assert found.keys() == {"a:1883", "b:1883", "c:8883"}
    for name, meter in meters(wiring).items():
        topic = f"dsmr/v1/+/{name}/telegram"
        assert {place for place, each in found.items() if topic in each} == set(meter.places)
        assert len(meter.places) == 2
    assert all("dsmr/v1/+/status" in each for each in found.values())
    wires = {(each.source.name, each.target.name) for each in wiring.flow.wires}
    assert {("mqtt a:1883", "mqtt receiver"), ("mqtt receiver", "flat1/mqtt"), ("flat1/mqtt", "flat1/parser")} <= wires


def test_gateways_with_one_configuration_that_only_serve_do_not_end_each_others_connections(tmp_path: Path) -> None:
    def ids(text: str) -> set[str]:
        nodes = wire(tmp_path, text).flow.nodes
        return {node.settings.client_id for node in nodes if isinstance(node, MqttBroker)}

    (own,) = ids(TWO + BROKERS + SERVER)
    assert own.startswith("dsmr-gateway-serving-")
    publishing = BROKERS.replace("edge:", "publish: [telegrams], edge:")
    assert ids(TWO + publishing + SERVER) == {"dsmr-gateway-serving"}, "an edge that starts again takes its place"


def test_an_edge_reads_the_ticks_of_more_gateways_than_a_telegram_names(tmp_path: Path) -> None:
    wiring = wire(
        tmp_path, "meter: {simulate: true}\nmodbus: []\n" + BROKERS.replace("edge:", "publish: [telegrams], edge:")
    )
    brokers = [node for node in wiring.flow.nodes if isinstance(node, MqttBroker)]
    limits = [each.limit_per_s for node in brokers for each in node.messages.receivers]
    assert min(limits) > 20 * MAX_TICKS, "with too many messages the ticks of all gateways would be left out"


def test_a_reload_keeps_the_receiver_and_changes_its_topics(tmp_path: Path) -> None:
    wiring = wire(tmp_path, TWO + BROKERS + SERVER)
    before, first = receiver(wiring), meters(wiring)
    assert before

    def reload(text: str) -> MqttReceiver | None:
        config = load_config(written(tmp_path, text), {})
        wiring._build(config, load_maps(config, tmp_path))
        wiring.flow.nodes = wiring._nodes
        return receiver(wiring)

    assert reload(TWO.replace("flat3", "flat4") + BROKERS + SERVER) is before
    assert "dsmr/v1/+/flat4/telegram" in set.union(*topics(wiring).values())
    assert "dsmr/v1/+/flat3/telegram" not in set.union(*topics(wiring).values())
    assert reload(TWO + BROKERS + SERVER) is before
    again = meters(wiring)
    assert again["flat1"] is first["flat1"]
    assert again["flat3"] is not first["flat3"], "a meter that was removed may be another one when it is added again"
    other = reload(TWO + BROKERS.replace("serving", "serving-2") + SERVER)
    assert other is not None
    assert other is not before, "a tick under another name is another one"
    assert reload("meter: {simulate: true}\n" + BROKERS) is None


@pytest.mark.parametrize(
    ("publish", "meter", "offline"),
    [
        ("[readings]", "house", []),
        ("[readings]", "other", ["house"]),
        ("[home_assistant]", "other", ["house"]),
        ("[telegrams]", "house", ["house"]),
    ],
)
def test_what_a_reload_no_longer_publishes_is_reported_as_offline(
    tmp_path: Path, publish: str, meter: str, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def text(publish: str, meter: str) -> str:
        mqtt = f'mqtt: {{brokers: ["mqtt://a"], edge: site, publish: {publish}}}\n'
        return f"meters: {{{meter}: {{simulate: true}}}}\nmodbus: []\n{mqtt}"

    offered: dict[str, Message | None] = {}
    monkeypatch.setattr(MqttBroker, "offer", lambda _broker, topic, make: offered.update({topic: make()}))
    wiring = wire(tmp_path, text("[readings]", "house"))
    (publisher,) = (node for node in wiring.flow.nodes if isinstance(node, ReadingsPublisher))
    publisher._watched["house"].is_fresh = True
    config = load_config(written(tmp_path, text(publish, meter)), {})
    wiring._build(config, load_maps(config, tmp_path))
    found = [topic for topic, message in offered.items() if message and message.payload == b"offline"]
    assert found == [f"dsmr/v1/site/{each}/availability" for each in offline]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("meter: {source: mqtt}\n", [("brokers-missing", "meter.source")]),
        ("meters: {a: {source: mqtt}, b: {source: mqtt, simulate: true}}\n" + OF_A, BROKERS_MISSING),
        ("meter: {source: mqtt}\nmqtt: {}\n", [("missing-key", "mqtt.brokers")]),
        ("meter: {source: mqtt, user: me}\n" + BROKERS, [("key-not-of-source", "meter")]),
        ("meter: {source: brokers}\n" + BROKERS, [("unknown-source", "meter.source")]),
        ('meter: {source: "brokers://a"}\n' + BROKERS, [("unknown-source", "meter.source")]),
    ],
)
def test_what_prevents_it_is_a_problem_with_its_place(
    tmp_path: Path, text: str, problems: list[tuple[str, str]]
) -> None:
    with pytest.raises(FileError) as caught:
        load_config(written(tmp_path, text), {})
    assert [(each.code, each.place.path) for each in caught.value.problems] == problems


def test_the_source_can_be_a_column_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "meters.csv").write_text("name,source,unit,listen\nflat/1,mqtt,1,:0\nflat 2,mqtt,2,:0\n")
    server = "modbus: [{listen: ':5555', units: {1: {meter: flat/1}}}]\n"
    wiring = wire(tmp_path, "meters_file: meters.csv\n" + server + BROKERS)
    assert {"dsmr/v1/+/flat%2F1/telegram", "dsmr/v1/+/flat 2/telegram"} <= set.union(*topics(wiring).values())
