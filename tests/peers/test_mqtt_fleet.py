"""Meters whose telegrams come over two real brokers: no old number is fresh, and one broker may die.

The gateway runs in this process, with edges that are as small as possible, so that a test can let them repeat, restart
and send old messages.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.config import load_config, load_maps
from gateway.nodes.mqtt_broker import BrokerSettings, MqttBroker, Subscription
from gateway.nodes.mqtt_receiver import MqttMeter
from gateway.protocol.fleet.envelope import Envelope, encode
from gateway.protocol.fleet.presence import EdgeStatus, encode_status
from gateway.protocol.fleet.ticks import SeenTicks, decode_tick
from gateway.protocol.fleet.topics import status_topic, telegram_topic, tick_filter
from gateway.runtime.clock import now
from gateway.runtime.flow import Node
from gateway.service.wiring import Wiring
from gateway.transport.mqtt import Broker, Message
from tests.conftest import own_telegram
from tests.peers.harness import free_port, running
from tests.peers.test_mqtt import Mosquitto
from tests.protocol.p1.stream import resealed, stamped
from tests.waiting import until

PREFIX = "dsmr/v1"
FIRST = own_telegram("v50_sagemcom-t210d")
LIMIT_S = 2.0
TOLERANCE_S = 1.5
"""What an age may exceed the limit by: the clock of a meter has a resolution of a second."""
PAUSE_S = 4.0
UNIX_START = time.time()


class Meter:
    """A meter that writes a telegram each second, and knows when it wrote which."""

    def __init__(self) -> None:
        self.written: list[float] = []

    def write(self) -> bytes:
        """Return the next telegram; its power is its number."""
        self.written.append(now())
        number = len(self.written)
        digits = f"1-0:1.7.0({number // 1000:02}.{number % 1000:03}"
        return stamped(resealed(FIRST.replace(b"1-0:1.7.0(02.486", digits.encode())), time.time())


class Edge(Node):
    """A gateway at a meter, as small as it can be."""

    def __init__(self, name: str, meter: Meter, ports: Sequence[int], boot: int = 1) -> None:
        super().__init__(name)
        self.meter, self.boot, self.seq = meter, boot, 0
        self.twins: list[Edge] = []
        """Edges that read the same meter."""
        self.seen = SeenTicks()
        self.messages: list[Message] = []
        self.brokers = []
        will = Message(status_topic(PREFIX, name), encode_status(EdgeStatus(False, boot)), is_retained=True)
        for port in ports:
            broker = MqttBroker(BrokerSettings(Broker("127.0.0.1", port), f"{name}-{boot}", will))
            broker.messages.connect(self, Subscription([tick_filter(PREFIX)], self._note))
            self.brokers.append(broker)

    def _note(self, message: Message) -> None:
        tick = decode_tick(message.topic.rpartition("/")[2], message.payload)
        assert tick
        self.seen.note(tick, now())

    def publish(self, telegram: bytes, *, name: str = "flat1") -> None:
        """Publish a telegram at all brokers."""
        self.seq += 1
        envelope = Envelope(self.name, self.boot, self.seq, 0.0, 0.0, True, self.seen.newest(now()))
        topic = telegram_topic(PREFIX, self.name, name)
        self.send(Message(topic, telegram, is_retained=True, properties=encode(envelope), expires_s=5))

    def send(self, message: Message) -> None:
        """Publish a message at all brokers."""
        self.messages.append(message)
        for broker in self.brokers:
            broker.offer(message.topic, lambda: message)

    async def run(self) -> None:
        """Read the meter."""
        status = Message(status_topic(PREFIX, self.name), encode_status(EdgeStatus(True, self.boot)), is_retained=True)
        for broker in self.brokers:
            broker.offer(status.topic, lambda: status)
        while True:
            telegram = self.meter.write()
            for edge in (self, *self.twins):
                edge.publish(telegram)
            await asyncio.sleep(1.0)


class Watch:
    """Looks at what the gateway serves, as a client that reads without a pause."""

    def __init__(self, wiring: Wiring, meter: Meter) -> None:
        self.state, self._meter = wiring.meters["flat1"], meter
        (self.node,) = [node for node in wiring.flow.nodes if isinstance(node, MqttMeter)]
        self.old: list[float] = []
        self.longest_gap_s = 0.0
        self._gap_since = now()

    def number(self) -> int:
        """Return the number of the telegram that is served as fresh; 0 if there is none."""
        moment, served = now(), self.state.served
        if served is None or not self.state.is_fresh(moment):
            self.longest_gap_s = max(self.longest_gap_s, moment - self._gap_since)
            return 0
        self._gap_since = moment
        number = int(served.readings.values["power_import"])
        age = moment - self._meter.written[number - 1]
        if age > LIMIT_S + TOLERANCE_S:
            self.old.append(age)
        return number

    async def until(self, condition: Callable[[int], object], what: str) -> None:
        """Look until a condition on the number is true."""
        await until(lambda: condition(self.number()), f"{what}; the meter shows {self.node.status}")

    async def next(self, count: int = 3) -> None:
        """Look until a few more telegrams are served."""
        wanted = len(self._meter.written) + count
        await self.until(lambda number: number >= wanted, "fresh readings")

    async def for_seconds(self, seconds: float) -> None:
        """Look for some time."""
        end = now() + seconds
        await self.until(lambda _: now() > end, "time")


@asynccontextmanager
async def run(*nodes: Node) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(node.run()) for node in nodes]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def gateway(folder: Path, ports: Sequence[int], meter: Meter) -> AsyncIterator[Watch]:
    brokers = ", ".join(f'"mqtt://127.0.0.1:{port}"' for port in ports)
    (folder / "gateway.yaml").write_text(
        f'meters: {{flat1: {{source: mqtt, dsmr_version: "5", stale_after: {LIMIT_S:g}s}}}}\n'
        f"mqtt: {{brokers: [{brokers}], edge: serving}}\n"
        'modbus: [{listen: "127.0.0.1:0", units: {1: {meter: flat1, map: dsmr}}}]\n'
    )
    config = load_config(folder / "gateway.yaml", {})
    wiring = Wiring(config, load_maps(config, folder), folder)
    async with run(*[node for node in wiring.flow.nodes if node.kind != "control"]):
        yield Watch(wiring, meter)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "a", tmp_path / "b"]
    for each in found:
        each.mkdir()
    return found


async def test_one_of_two_brokers_may_die_and_nothing_old_is_ever_fresh(folders: list[Path], tmp_path: Path) -> None:
    """Take 20 s of real time: brokers that really stand still and die, at the pace of a meter."""
    ports, meter = [free_port(), free_port()], Meter()
    first, second = (Mosquitto(folder, port) for folder, port in zip(folders, ports, strict=True))
    with running(first, second):
        yesterday = Edge("site", Meter(), ports, boot=1)
        async with run(*yesterday.brokers):
            yesterday.publish(FIRST)
            await until(lambda: all(broker.details()["messages_published"] for broker in yesterday.brokers))
        edge, twin = Edge("site", meter, ports, boot=2), Edge("site2", meter, ports, boot=9)
        edge.twins.append(twin)
        async with gateway(tmp_path, ports, meter) as watch:
            await watch.until(lambda _: "site is offline" in watch.node.status.text, "the status of the edge")
            assert watch.state.newest is None
            async with run(*edge.brokers, *twin.brokers, edge):
                await watch.next(2)
                watch.longest_gap_s = 0.0
                first.kill()
                await watch.next(2)
                assert watch.longest_gap_s < 1.0
                second.pause()
                await watch.for_seconds(PAUSE_S)
                assert watch.number() == 0, "nothing comes any more"
                second.resume()
                await watch.next(2)
                for message in edge.messages[:3]:
                    edge.send(message)
                await watch.next(1)
        details = watch.node.details()
    assert not watch.old, f"readings that were {max(watch.old):.1f} s old"
    assert details["messages (copies)"]
    assert details["messages (older than another)"]


async def test_a_bridge_that_drops_the_proof_of_the_age_gives_no_fresh_reading(
    folders: list[Path], tmp_path: Path
) -> None:
    ports, meter = [free_port(), free_port()], Meter()
    edge = Edge("site", meter, ports[:1])
    bridge = ["allow_anonymous true", "connection other", f"address 127.0.0.1:{ports[0]}", f"topic {PREFIX}/# in 1"]
    with running(Mosquitto(folders[0], ports[0]), Mosquitto(folders[1], ports[1], *bridge)):
        async with gateway(tmp_path, ports[1:], meter) as watch, run(*edge.brokers):
            online = Message(status_topic(PREFIX, "site"), encode_status(EdgeStatus(True, 1)), is_retained=True)
            edge.send(online)
            await until(lambda: watch.node.inbox.is_edge("site"), "the status to come over the bridge")
            edge.publish(meter.write())
            unused = "messages (without envelope)"
            await until(lambda: watch.node.details().get(unused), "the telegram to come over the bridge")
            assert watch.state.newest is None
