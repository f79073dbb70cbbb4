"""Telegrams that a gateway publishes to a real mosquitto: their envelope, ticks, status, and what a user is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.protocol.fleet.envelope import Envelope, decode
from gateway.protocol.fleet.ticks import Tick
from gateway.protocol.p1.telegram import Telegram, TelegramReader
from tests.peers.harness import SIMULATED, Gateway, free_port, running, wait_until
from tests.peers.test_mqtt import Mosquitto

EDGE = "dsmr/v1/site-12"
LIMIT_OF_METER_S = 5


class Seen:
    """A program that has subscribed to everything, and the messages that it got."""

    def __init__(self, port: int) -> None:
        self.messages: list[Any] = []
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.on_message = lambda _client, _data, message: self.messages.append(message)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe("#")

    def on(self, topic: str) -> list[Any]:
        return [message for message in self.messages if message.topic == topic]

    def newest(self, topic: str) -> Any:
        """Return the newest message on a topic, once there is one."""
        return wait_until(lambda: self.on(topic)[-1:], topic)[0]

    def envelopes(self) -> list[Envelope]:
        found = [decode(message.properties.UserProperty) for message in self.on(f"{EDGE}/meter/telegram")]
        assert all(isinstance(each, Envelope) for each in found)
        return found  # type: ignore[return-value]


@contextmanager
def seeing(port: int) -> Iterator[Seen]:
    seen = Seen(port)
    try:
        yield seen
    finally:
        seen.client.disconnect()
        seen.client.loop_stop()


def publisher(folder: Path, *ports: int, servers: bool = True, **mqtt: object) -> Gateway:
    brokers = [f"mqtt://127.0.0.1:{port}" for port in ports]
    given = {"brokers": brokers, "edge": "site-12", "publish": ["telegrams"], **mqtt}
    (folder / "state").mkdir(parents=True, exist_ok=True)
    settings = {"mqtt": given, "state_dir": "state", **({} if servers else {"modbus": []})}
    return Gateway(folder, SIMULATED, settings=settings, waits=servers)


def test_telegrams_arrive_unchanged_with_their_envelope_and_the_status_of_the_edge(tmp_path: Path) -> None:
    port = free_port()
    with running(Mosquitto(tmp_path, port)), seeing(port) as seen:
        gateway = publisher(tmp_path / "edge", port, servers=False)
        with running(gateway):
            wait_until(lambda: len(seen.envelopes()) >= 2, "two telegrams")
            message = seen.on(f"{EDGE}/meter/telegram")[0]
            (telegram,) = TelegramReader().feed(message.payload)
            assert isinstance(telegram, Telegram)
            assert telegram.checked
            assert telegram.raw == message.payload
            assert message.properties.MessageExpiryInterval == LIMIT_OF_METER_S
            first, second = seen.envelopes()[:2]
            assert (first.edge, first.seq, second.seq) == ("site-12", 1, 2)
            assert first.boot == second.boot
            assert 0 <= first.held_s < LIMIT_OF_METER_S
            assert not first.ticks
            # Ticks are echoed as soon as they come, those of each serving gateway.
            seen.client.publish("dsmr/v1/_tick/one", b"7:1")
            seen.client.publish("dsmr/v1/_tick/two", b"8:4", retain=True)
            seen.client.publish("dsmr/v1/_tick/one", b"7:2")
            wait_until(
                lambda: set(seen.envelopes()[-1].ticks) == {Tick("one", 7, 2), Tick("two", 8, 4)}, "the newest ticks"
            )
            online = seen.newest(f"{EDGE}/status")
            assert json.loads(online.payload) == {"state": "online", "boot": first.boot}
            gateway.kill()
            wait_until(lambda: b"offline" in seen.newest(f"{EDGE}/status").payload, "the will")
            assert json.loads(seen.newest(f"{EDGE}/status").payload)["boot"] == first.boot
        with running(publisher(tmp_path / "edge", port, servers=False)):
            wait_until(lambda: seen.envelopes()[-1].boot > first.boot, "a later start")
            assert seen.envelopes()[-1].seq == 1
        # An orderly end is told by the will too.
        wait_until(lambda: b"offline" in seen.newest(f"{EDGE}/status").payload, "the end")


def test_with_three_brokers_a_meter_goes_to_two_and_a_killed_one_is_no_failure(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(3)]
    folders = [tmp_path / str(port) for port in ports]
    for folder in folders:
        folder.mkdir()
    brokers = [Mosquitto(folder, port) for folder, port in zip(folders, ports, strict=True)]
    with running(*brokers), seeing(ports[0]) as one, seeing(ports[1]) as two, seeing(ports[2]) as three:
        gateway = publisher(tmp_path / "edge", *ports)
        with running(gateway):
            everyone = [one, two, three]
            for seen in everyone:
                assert json.loads(seen.newest(f"{EDGE}/status").payload)["state"] == "online"
            wait_until(lambda: sum(bool(seen.envelopes()) for seen in everyone) == 2, "telegrams at two brokers")
            first, second = [index for index, seen in enumerate(everyone) if seen.envelopes()]
            wait_until(lambda: min(len(everyone[each].envelopes()) for each in (first, second)) >= 2, "more telegrams")
            shared = [{each.seq for each in everyone[index].envelopes()} for index in (first, second)]
            assert shared[0] & shared[1], "copies have the same number"
            brokers[first].kill()
            count = len(everyone[second].envelopes())
            gateway.wait_for_log(f"node=mqtt 127.0.0.1:{ports[first]}: .*; trying again until it works")
            wait_until(lambda: len(everyone[second].envelopes()) >= count + 2, "telegrams at the other one")


def test_an_edge_that_may_not_write_its_topic_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "acl").write_text("topic write dsmr/v1/site-13/#\ntopic read #\n")
    port = free_port()
    with running(Mosquitto(tmp_path, port, "allow_anonymous true", f"acl_file {tmp_path / 'acl'}")):
        gateway = publisher(tmp_path / "edge", port)
        with running(gateway):
            gateway.wait_for_log(r"refuses the message on 'dsmr/v1/site-12/meter/telegram': Not authorized\. Allow")
