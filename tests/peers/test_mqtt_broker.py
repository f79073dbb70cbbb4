"""The broker node with a real mosquitto: acknowledgements, refusals, subscriptions, wills, and lost connections."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.nodes.mqtt_broker import BrokerSettings, MqttBroker, Subscription
from gateway.nodes.mqtt_broker import node as broker_node
from gateway.nodes.mqtt_broker import outbox as broker_outbox
from gateway.runtime.flow import Node
from gateway.transport.client_tls import ClientCertificate
from gateway.transport.mqtt import Broker, Message
from tests.certificates import add_certificate, make_certificates
from tests.conftest import program
from tests.lines.test_mqtt import ACCEPTED_5, Reader, broker
from tests.peers.harness import free_port, running
from tests.peers.test_mqtt import Mosquitto
from tests.waiting import until

WILL = Message("dsmr/v1/edge/status", b"offline", is_retained=True)


class Other(Node):
    """A node that receives messages."""

    def __init__(self) -> None:
        super().__init__("other")
        self.messages: list[Message] = []

    async def run(self) -> None:
        """Do nothing."""

    def payloads(self, topic: str) -> list[bytes]:
        return [message.payload for message in self.messages if message.topic == topic]


def broker_at(port: int, client_id: str = "edge", **login: object) -> MqttBroker:
    host = "localhost" if login.get("is_tls") else "127.0.0.1"
    return MqttBroker(BrokerSettings(Broker(host, port, **login), client_id, WILL))  # type: ignore[arg-type]


@asynccontextmanager
async def connected(*nodes: MqttBroker) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(node.run()) for node in nodes]
    try:
        await until(lambda: all(node.is_connected for node in nodes))
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def listen(node: MqttBroker, *topics: str) -> Other:
    other = Other()
    node.messages.connect(other, Subscription(topics, other.messages.append))
    return other


def offer(node: MqttBroker, message: Message) -> None:
    node.offer(message.topic, lambda: message)


async def test_messages_arrive_with_their_properties_at_all_who_subscribe(tmp_path: Path) -> None:
    port = free_port()
    with running(Mosquitto(tmp_path, port)):
        sender, receiver = broker_at(port), broker_at(port, "gateway")
        one = listen(receiver, *(f"a/+/{number}/telegram" for number in range(1200)))
        two = listen(receiver, "b", "c/#", "c/+")
        async with connected(sender, receiver):
            assert receiver.details()["topics_subscribed"] == 1203
            properties = (("edge", "x"), ("tick", "g:1:2"), ("tick", "h:1:2"))
            offer(sender, Message("a/x/7/telegram", b"7", properties=properties, expires_s=5))
            offer(sender, Message("a/x/1199/telegram", b"1199", is_retained=True))
            await until(lambda: len(one.messages) == 2)
            assert one.messages[0] == Message("a/x/7/telegram", b"7", properties=properties, expires_s=5)
            assert not one.messages[1].is_retained, "it came live"
            await until(lambda: sender.details()["messages_published"] == 2)
            assert receiver.publish(Message("b", b"tick"))
            await until(lambda: two.payloads("b") == [b"tick"])
            # A reload connects again: what nobody wants any more ends, and what is new begins.
            receiver.disconnect()
            three = listen(receiver, "a/x/1199/+")
            await until(lambda: three.payloads("a/x/1199/telegram") == [b"1199"])
            assert three.messages[0].is_retained
            assert len(two.messages) == 1


async def test_a_refused_message_is_reported_and_does_not_delay_the_others(tmp_path: Path) -> None:
    (tmp_path / "acl").write_text("pattern write dsmr/v1/%c/+/telegram\ntopic read #\n")
    port = free_port()
    with running(Mosquitto(tmp_path, port, "allow_anonymous true", f"acl_file {tmp_path / 'acl'}")):
        node = broker_at(port)
        async with connected(node):
            for number in range(50):
                offer(node, Message("dsmr/v1/other/house/telegram", b"x"))
                offer(node, Message(f"dsmr/v1/edge/{number}/telegram", b"x"))
            await until(lambda: node.details()["messages_published"] == 50)
            await until(lambda: node.status.label.code == "mqtt-message-refused")
            await until(lambda: node.details()["messages_waiting"] == 0)
            refused, replaced = node.details()["messages_refused"], node.details()["messages_replaced"]
            assert (refused, replaced) == (2, 48), "one under way, and the newest behind it"
            (_, text, _) = node.recent_problems[-1]
            assert "'dsmr/v1/other/house/telegram': Not authorized. Allow this user to write the topic" in text


async def test_a_message_that_is_too_long_for_the_broker_is_reported_and_ends_no_connection(tmp_path: Path) -> None:
    port = free_port()
    with running(Mosquitto(tmp_path, port, "allow_anonymous true", "max_packet_size 400")):
        node = broker_at(port)
        async with connected(node):
            for number in range(2000):  # as many meters, none of which makes the next one wait
                offer(node, Message(f"long/{number}", bytes(400)))
            offer(node, Message("short", b"x"))
            # The status of the edge is the other one.
            await until(lambda: node.details()["messages_published"] == 1)
            await until(lambda: node.details()["messages_refused"] == 2000)
            await until(lambda: node.status.label.code == "mqtt-message-refused")
            assert node.connections == 1
            (_, text, _) = node.recent_problems[0]
            assert ": Packet too large. Allow longer messages at the broker" in text


async def test_a_broker_that_stores_nothing_is_used(tmp_path: Path) -> None:
    port = free_port()
    with running(Mosquitto(tmp_path, port, "allow_anonymous true", "retain_available false")):
        node = broker_at(port)
        async with connected(node):
            offer(node, Message("a", b"x", is_retained=True))
            await until(lambda: node.details()["messages_published"] == 1)
            assert not node.recent_problems


async def test_a_broker_without_acknowledgements_is_reported(tmp_path: Path) -> None:
    port = free_port()
    with running(Mosquitto(tmp_path, port, "allow_anonymous true", "max_qos 0")):
        node = broker_at(port)
        task = asyncio.create_task(node.run())
        await until(lambda: node.recent_problems)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert "the broker only takes messages with QoS 0" in node.recent_problems[0][1]


async def test_the_newest_message_waits_for_a_broker_that_was_killed(tmp_path: Path) -> None:
    port = free_port()
    mosquitto = Mosquitto(tmp_path, port)
    node, receiver = broker_at(port), broker_at(port, "gateway")
    other = listen(receiver, "a", WILL.topic)
    with running(mosquitto):
        async with connected(node, receiver):
            mosquitto.kill()
            await until(lambda: not node.is_connected and not receiver.is_connected)
            for number in range(5):
                offer(node, Message("a", b"%d" % number))
            await until(lambda: node.status.label.code == "retrying")
            with running(Mosquitto(tmp_path, port)):
                await until(lambda: receiver.is_connected)
                offer(node, Message("a", b"last"))
                await until(lambda: other.payloads("a")[-1:] == [b"last"])
                await until(lambda: node.details()["messages_published"])
                ends = ("messages_published", "messages_replaced")
                await until(lambda: sum(int(node.details()[each] or 0) for each in ends) == 6)
                assert int(node.details()["messages_replaced"] or 0) >= 4
                assert "ser2net" not in str(node.recent_problems)
        # An orderly end publishes the will too.
        with running(Mosquitto(tmp_path, port)):
            async with connected(receiver):
                async with connected(node):
                    pass
                await until(lambda: other.payloads(WILL.topic)[-1:] == [b"offline"])


async def test_a_broker_that_acknowledges_nothing_is_reported_and_connected_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broker_outbox, "ACKNOWLEDGED_WITHIN_S", 0.1)
    monkeypatch.setattr(broker_node, "LOOK_S", 0.2)

    async def serve(reader: Reader, writer: asyncio.StreamWriter) -> None:
        await reader.packet()
        writer.write(ACCEPTED_5)
        while True:
            await reader.packet()

    async with broker(serve) as port, connected(silent := broker_at(port)):
        offer(silent, Message("a", b"1"))
        await until(lambda: silent.connections > 1)
        assert "the broker acknowledges no messages" in str(silent.details()["last_trouble"])


async def test_a_flooded_topic_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    port = free_port()
    with running(Mosquitto(tmp_path, port)):
        sender, receiver = broker_at(port), broker_at(port, "gateway")
        other = listen(receiver, "a/+/house/telegram", "a/+/barn/telegram")
        async with connected(sender, receiver):
            offer(sender, Message("a/true/house/telegram", b"1"))
            await until(lambda: other.payloads("a/true/house/telegram") == [b"1"])
            for _ in range(2000):
                sender.publish(Message("a/flood/house/telegram", b"x" * 500))
                await asyncio.sleep(0)
            await until(lambda: receiver.status.label.code == "mqtt-topic-flood")
            offer(sender, Message("a/x/barn/telegram", b"y"))
            await until(lambda: other.payloads("a/x/barn/telegram") == [b"y"])
            await until(lambda: receiver.details()["topics_subscribed"] == 2)
            offer(sender, Message("a/true/house/telegram", b"2"))
            await until(lambda: other.payloads("a/true/house/telegram") == [b"1", b"2"])
            assert receiver.connections == 1
            assert len(other.messages) < 200, "the rest was dropped"
            assert "'a/+/house/telegram', such as on 'a/flood/house/telegram'" in receiver.recent_problems[0][1]


async def test_two_gateways_with_the_same_id_are_reported(tmp_path: Path) -> None:
    port = free_port()
    with running(Mosquitto(tmp_path, port)):
        first, second = broker_at(port), broker_at(port)
        tasks = [asyncio.create_task(each.run()) for each in (first, second)]
        await until(lambda: first.connections + second.connections >= 4)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        (_, text, _) = [*first.recent_problems, *second.recent_problems][0]
        # mosquitto 2.0 does not say why; later ones do.
        assert "the broker closed the connection" in text or "another client has logged in" in text
        assert "an edge of its own" in text
        assert len(first.recent_problems) + len(second.recent_problems) <= 2, "not once for each connection"


async def test_a_client_certificate_is_the_login_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    server = add_certificate(tmp_path, "broker", host="localhost")
    own = add_certificate(tmp_path, "site-12", host="site-12")
    port = free_port()
    tls = (f"certfile {server.certificate}", f"keyfile {server.key}", f"cafile {tmp_path / 'ca.pem'}")
    (tmp_path / "acl").write_text("pattern write dsmr/v1/%u/#\ntopic read #\n")
    mosquitto = Mosquitto(
        tmp_path,
        port,
        *tls,
        "require_certificate true",
        "use_identity_as_username true",
        f"acl_file {tmp_path / 'acl'}",
    )
    with running(mosquitto):
        ca = tmp_path / "ca.pem"
        node = broker_at(port, is_tls=True, ca=ca, certificate=ClientCertificate(own.certificate, own.key))
        async with connected(node):
            offer(node, Message("dsmr/v1/site-12/house/telegram", b"x"))
            await until(lambda: node.details()["messages_published"] == 1)
            offer(node, Message("dsmr/v1/site-13/house/telegram", b"x"))
            await until(lambda: node.details()["messages_refused"] == 1)
        wrong = broker_at(port, is_tls=True, ca=ca, certificate=ClientCertificate(own.certificate, server.key))
        task = asyncio.create_task(wrong.run())
        await until(lambda: wrong.status.label.code == "retrying")
        task.cancel()
        assert "the certificate and the key cannot be used together" in wrong.recent_problems[-1][1]


@pytest.mark.parametrize("has_password", [True, False])
async def test_a_refused_login_is_named_and_a_new_password_is_used(tmp_path: Path, has_password: bool) -> None:
    passwords, secret = tmp_path / "passwords", tmp_path / "mqtt.password"
    command = [program("mosquitto_passwd"), "-b", "-c", passwords, "edge", "s3cret-1"]
    await asyncio.to_thread(subprocess.run, command, check=True)
    secret.write_text("s3cret-1\n")
    port = free_port()
    with running(Mosquitto(tmp_path, port, f"password_file {passwords}")):
        node = broker_at(port, **({"user": "edge", "password_file": secret} if has_password else {}))
        if has_password:
            async with connected(node):
                node.renew_login({tmp_path / "other"})
                node.renew_login({secret})
                await until(lambda: node.connections == 2)
                assert not node.recent_problems
            return
        task = asyncio.create_task(node.run())
        await until(lambda: node.status.label.code == "retrying")
        task.cancel()
        assert "the broker refuses the login: Not authorized" in node.recent_problems[-1][1]


async def test_a_broker_that_acknowledges_late_stays_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_node, "LOOK_S", 0.02)

    async def serve(reader: Reader, writer: asyncio.StreamWriter) -> None:
        await reader.packet()
        writer.write(ACCEPTED_5)
        while True:
            kind, packet = await reader.packet()
            if kind == 3:
                await asyncio.sleep(0.1)
                writer.write(b"\x40\x02" + packet[3:5])

    async with broker(serve) as port:
        slow = broker_at(port)
        offer(slow, Message("a", b"1"))
        async with connected(slow):
            await until(lambda: slow.details()["messages_published"] or slow.details()["messages_lost"])
            assert (slow.details()["messages_published"], slow.connections) == (1, 1)
