"""Telegrams that a gateway publishes to a real mosquitto: their envelope, ticks, status, and what a user is told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.protocol.fleet.envelope import Envelope, decode
from gateway.protocol.fleet.ticks import Tick
from gateway.protocol.p1.telegram import Telegram, TelegramReader
from tests.peers.harness import SIMULATED, Gateway, free_port, running, wait_until
from tests.peers.test_mqtt import FIRST_NET_W, STALE_AFTER_S, TOPIC, Mosquitto, publishing, telegram

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


def publisher(
    folder: Path, *ports: int, servers: bool = True, meter: Mapping[str, object] = SIMULATED, **mqtt: object
) -> Gateway:
    brokers = [f"mqtt://127.0.0.1:{port}" for port in ports]
    given = {"brokers": brokers, "edge": "site-12", "publish": ["telegrams"], **mqtt}
    (folder / "state").mkdir(parents=True, exist_ok=True)
    settings = {"mqtt": given, "state_dir": "state", **({} if servers else {"modbus": []})}
    return Gateway(folder, meter, settings=settings, waits=servers)


def test_telegrams_go_unchanged_to_two_of_three_brokers_with_what_proves_their_age(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(3)]
    folders = [tmp_path / str(port) for port in ports]
    for folder in folders:
        folder.mkdir()
    brokers = [Mosquitto(folder, port) for folder, port in zip(folders, ports, strict=True)]
    with running(*brokers), seeing(ports[0]) as one, seeing(ports[1]) as two, seeing(ports[2]) as three:
        gateway = publisher(tmp_path / "edge", *ports, servers=False)
        with running(gateway):
            everyone = [one, two, three]
            online = [json.loads(seen.newest(f"{EDGE}/status").payload) for seen in everyone]
            assert [each["state"] for each in online] == ["online"] * 3
            wait_until(lambda: sum(len(seen.envelopes()) >= 2 for seen in everyone) == 2, "telegrams at two brokers")
            left, right = [index for index, seen in enumerate(everyone) if seen.envelopes()]
            killed, seen = brokers[left], everyone[right]
            shared = [{each.seq for each in everyone[index].envelopes()} for index in (left, right)]
            assert shared[0] & shared[1], "copies have the same number"
            message = seen.on(f"{EDGE}/meter/telegram")[0]
            (telegram,) = TelegramReader().feed(message.payload)
            assert isinstance(telegram, Telegram)
            assert telegram.checked
            assert telegram.raw == message.payload
            assert message.properties.MessageExpiryInterval == LIMIT_OF_METER_S
            first, second = seen.envelopes()[:2]
            assert (first.edge, first.boot, second.seq) == ("site-12", online[0]["boot"], first.seq + 1)
            assert 0 <= first.held_s < LIMIT_OF_METER_S
            assert not first.ticks
            # The newest tick of each serving gateway is echoed, whichever broker brought it.
            seen.client.publish("dsmr/v1/_tick/one", b"7:1")
            everyone[3 - left - right].client.publish("dsmr/v1/_tick/two", b"8:4")
            seen.client.publish("dsmr/v1/_tick/one", b"7:2")
            ticks = {Tick("one", 7, 2), Tick("two", 8, 4)}
            wait_until(lambda: set(seen.envelopes()[-1].ticks) == ticks, "the newest ticks")
            killed.kill()
            count = len(seen.envelopes())
            gateway.wait_for_log(f"node=mqtt 127.0.0.1:{ports[left]}: .*; trying again until it works")
            wait_until(lambda: len(seen.envelopes()) >= count + 2, "telegrams at the other one")
            gateway.kill()
            wait_until(lambda: b"offline" in seen.newest(f"{EDGE}/status").payload, "the will")
            assert json.loads(seen.newest(f"{EDGE}/status").payload)["boot"] == first.boot


def test_readings_are_json_while_they_are_fresh_and_home_assistant_gets_its_sensors(tmp_path: Path) -> None:
    port = free_port()
    meter = {"source": f"mqtt://127.0.0.1:{port}/{TOPIC}", "stale_after": f"{STALE_AFTER_S:g}s"}
    with running(Mosquitto(tmp_path, port)), seeing(port) as seen:
        gateway = publisher(tmp_path / "edge", port, servers=False, meter=meter, publish=["home_assistant"])
        with running(gateway):
            assert seen.newest(f"{EDGE}/meter/availability").payload == b"offline", "no telegram yet"
            with publishing(port, telegram):
                wait_until(lambda: seen.newest(f"{EDGE}/meter/availability").payload == b"online", "a fresh meter")
                message = seen.newest(f"{EDGE}/meter/readings")
                assert not message.retain
                found = json.loads(message.payload)
                assert found["readings"]["power_net"] == {"value": FIRST_NET_W, "unit": "W"}
                assert (found["meter"], found["fresh"], found["stale_after_s"]) == ("meter", True, STALE_AFTER_S)
                assert 0 <= found["age_s"] <= STALE_AFTER_S
                assert "equipment_identifier" not in found["readings"]
                topic = "homeassistant/device/dsmr_gateway_site-12_meter/config"
                config = json.loads(seen.newest(topic).payload)
                assert config["components"].keys() <= found["readings"].keys(), "only what the meter sends"
                assert config["components"]["power_net"]["default_entity_id"] == "sensor.meter_power_net"
                described = len(seen.on(topic))
                seen.client.publish("homeassistant/status", b"online", qos=1)
                wait_until(lambda: len(seen.on(topic)) == described + 1, "the description again")
            wait_until(lambda: seen.newest(f"{EDGE}/meter/availability").payload == b"offline", "a stale meter")
            wait_until(lambda: not json.loads(seen.newest(f"{EDGE}/meter/readings").payload)["fresh"], "its message")
            assert json.loads(seen.newest(f"{EDGE}/meter/readings").payload)["readings"] == {}
