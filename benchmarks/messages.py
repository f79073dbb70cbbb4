"""CPU time of a telegram's message over MQTT, in this gateway and in paho-mqtt, without a network.

    python -m benchmarks.messages [--rounds N]

The nodes of a gateway are connected to a broker in this process: it takes what is sent and acknowledges it, and its
messages are put into the buffer of the connection, as they come from a socket. A message is a telegram of a DSMR 5
meter with its envelope, content type and expiry. All subjects take turns. The CPU time counts, so other programs
disturb little.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from paho.mqtt import _packet
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from benchmarks.feed import telegrams as make_telegrams
from benchmarks.measure import US, machine, show, take_turns
from gateway.nodes.mqtt_broker import BrokerSettings, MqttBroker, Subscription
from gateway.nodes.mqtt_publisher.channel import Channel, Edge
from gateway.nodes.mqtt_publisher.telegrams import TelegramPublisher
from gateway.nodes.mqtt_receiver import MqttMeter, MqttReceiver, ReceiverSettings, Recipient
from gateway.protocol.fleet.envelope import Envelope, encode
from gateway.protocol.fleet.inbox import Outcome
from gateway.protocol.fleet.ticks import MAX_STEP, MAX_TICKS, Tick, encode_tick
from gateway.protocol.fleet.topics import telegram_topic, tick_topic
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.readings import read
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import Telegram, TelegramReader
from gateway.protocol.p1.variants import VARIANTS
from gateway.runtime.clock import now
from gateway.transport.mqtt import Broker, Message
from gateway.transport.mqtt_connection import Connection, PahoClient
from gateway.transport.mqtt_message import PUBACK, PUBLISH
from gateway.transport.mqtt_message import decode as decode_message
from gateway.transport.mqtt_message import encode as encode_message

ROUNDS, BATCH = 100, 50
PREFIX, EDGE, METER, GATEWAY = "dsmr/v1", "site-12", "flat 1", "serving-1"
TOPIC = telegram_topic(PREFIX, EDGE, METER)
BOOT, RUN = 1_796_040_313, 2**62
"""Numbers of a start of the edge, and of a run of a serving gateway."""
TICKED = 86_400 * MAX_STEP // 2
"""Number of a tick after a day."""
CONNECT, SUBSCRIBE, PING = 0x10, 0x80, 0xC0
CONNECTED, PONG = b"\x20\x03\x00\x00\x00", b"\xd0\x00"
SETTLE_S = 10.0


def message(number: int, ticks: Sequence[Tick], payload: bytes) -> Message:
    """Return a message as an edge sends it."""
    envelope = Envelope(EDGE, BOOT, number, 0.001, 0.02, True, tuple(ticks))
    return Message(TOPIC, payload, properties=encode(envelope), expires_s=5, content_type="text/plain")


def packet(number: int, ticks: Sequence[Tick], payload: bytes) -> bytes:
    return encode_message(message(number, ticks, payload), None, is_new=True, is_stored=False)


def begin_of(data: bytes) -> int:
    """Return the position behind the length of a packet."""
    at = 2
    while data[at - 1] & 0x80:
        at += 1
    return at


class BrokerInMemory(asyncio.Transport):
    """A connection to a broker that accepts everything."""

    def __init__(self, protocol: Connection) -> None:
        super().__init__({"socket": socket.socket()})
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self.unacknowledged: list[bytes] = []
        protocol.connection_made(self)

    def give(self, data: bytes) -> None:
        """Let the gateway receive bytes."""
        self._protocol.get_buffer(-1)[: len(data)] = data
        self._protocol.buffer_updated(len(data))

    def write(self, data: Any) -> None:
        kind, at = data[0] & 0xF0, begin_of(data)
        if kind == PUBLISH and data[0] & 0x06:
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            self.unacknowledged.append(data[end : end + 2])
        elif kind == CONNECT:
            self._loop.call_soon(self.give, CONNECTED)
        elif kind == SUBSCRIBE:
            self._loop.call_soon(self.give, b"\x90\x04" + data[at : at + 2] + b"\x00\x00")
        elif kind == PING:
            self._loop.call_soon(self.give, PONG)

    def acknowledge(self) -> None:
        """Acknowledge what was published."""
        for number in self.unacknowledged:
            self.give(b"%c\x02" % PUBACK + number)
        self.unacknowledged.clear()

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        self.get_extra_info("socket").close()


class PahoSocket:
    """A connection of paho to a broker that accepts everything."""

    def __init__(self) -> None:
        self.waiting, self.sent = CONNECTED, b""
        self.client = PahoClient(CallbackAPIVersion.VERSION2, "benchmark", protocol=MQTTProtocolVersion.MQTTv5)
        self.client.connection = self
        self.client.connect_async("localhost", 1883)
        self.client.reconnect()
        self.client.loop_read()

    def send(self, data: bytes) -> int:
        self.sent = bytes(data)
        return len(data)

    def recv(self, size: int) -> bytes:
        if not self.waiting:
            raise BlockingIOError
        data, self.waiting = self.waiting[:size], self.waiting[size:]
        return data

    def setblocking(self, _flag: bool) -> None:
        """Do nothing: this never blocks."""

    def close(self) -> None:
        """Do nothing."""

    def publish(self, sent: Message) -> None:
        """Publish a message with QoS 1 and its properties, and read the acknowledgement."""
        properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.UserProperty = list(sent.properties)
        properties.MessageExpiryInterval = sent.expires_s
        properties.ContentType = sent.content_type
        number = self.client.publish(sent.topic, sent.payload, 1, False, properties).mid
        self.waiting = b"%c\x02" % PUBACK + number.to_bytes(2, "big")
        self.client.loop_read()


def read_by_paho(data: bytes) -> tuple[str, Any]:
    """Return the topic and the properties of a packet, as paho's client decodes it."""
    found = _packet.decode_publish(data[0], data[begin_of(data) :], MQTTProtocolVersion.MQTTv5)
    properties: Any = found.properties
    return found.topic.decode(), (properties.UserProperty, properties.MessageExpiryInterval, properties.ContentType)


def cpu(work: Callable[[], object], per: int = BATCH, before: Callable[[], object] = int) -> Callable[[], float]:
    """Return a function that returns the CPU time of `work` for each of its messages; `before` does not count."""

    def call() -> float:
        before()
        begun = time.process_time()
        work()
        return (time.process_time() - begun) / per

    return call


def times(work: Callable[[], object]) -> Callable[[], None]:
    """Return a function that works as often as a batch has messages."""

    def call() -> None:
        for _ in range(BATCH):
            work()

    return call


class Publishing:
    """The nodes of an edge that publish telegrams at one broker."""

    def __init__(self, raw: bytes, broker: MqttBroker, memory: BrokerInMemory) -> None:
        [telegram] = [each for each in TelegramReader().feed(raw) if isinstance(each, Telegram)]
        variant = VARIANTS["5"]
        moment = now()
        self._received = Received(telegram, read(telegram), variant, moment, time.time(), variant, moment)
        self._memory = memory
        self.publisher = TelegramPublisher(Edge(EDGE, BOOT, PREFIX), Counter())
        self._take = self.publisher.watch(Channel(MeterState(METER, variant, 5.0), [broker]))
        self._batch: list[Received] = []

    def prepare(self) -> None:
        """Make the telegrams, and let a tick of a serving gateway come."""
        moment = now()
        tick = Tick(GATEWAY, RUN, TICKED + round(moment))
        self.publisher.take_tick(Message(tick_topic(PREFIX, GATEWAY), encode_tick(tick)))
        telegram = self._received.telegram
        self._batch = [
            self._received._replace(telegram=copy(telegram), arrived=moment, measured=moment) for _ in range(BATCH)
        ]

    def publish(self) -> None:
        """Publish the telegrams one by one."""
        for received in self._batch:
            self._take(received)
            self._memory.acknowledge()


class Receiving:
    """The nodes of a serving gateway with one meter, of which telegrams come over one broker."""

    def __init__(self, raw: bytes, broker: MqttBroker) -> None:
        self._raw, self._number = raw, 0
        self.meter = MqttMeter(f"{METER}/mqtt", MeterState(METER, None))
        self.receiver = MqttReceiver(ReceiverSettings(PREFIX, GATEWAY))
        self.receiver.meters.connect(self.meter, Recipient(METER, self.meter))
        self.receiver.use([broker])
        subscription = Subscription([self.meter.topic], self.receiver.taker(broker), limit_per_s=10**9)
        broker.messages.connect(self.receiver, subscription)
        self.memory: BrokerInMemory | None = None
        self._packets: list[bytes] = []

    def prepare(self, ticks: int) -> None:
        """Make the packets of telegrams with a number of ticks, the last of which is that of the receiver."""
        others = [Tick(f"serving-{number + 2}", RUN, TICKED) for number in range(ticks - 1)]
        own = self.receiver.ticks.next(now())
        self._packets = [packet(self._number + each, [*others, own], self._raw) for each in range(BATCH)]
        self._number += BATCH

    def prepare_copies(self) -> None:
        """Let one telegram come, and prepare to let it come again."""
        self.prepare(1)
        self._packets = [self._packets[-1]] * BATCH
        self.memory_give(self._packets[0])

    def receive(self) -> None:
        """Let the packets come one by one."""
        for each in self._packets:
            self.memory_give(each)

    def memory_give(self, data: bytes) -> None:
        assert self.memory
        self.memory.give(data)


async def measure(rounds: int) -> None:
    memories: list[BrokerInMemory] = []
    loop: Any = asyncio.get_running_loop()

    async def connect(factory: Callable[[], Connection], *_: object, **__: object) -> tuple[BrokerInMemory, Connection]:
        protocol = factory()
        memories.append(BrokerInMemory(protocol))
        return memories[-1], protocol

    async def no_socket(*_: object) -> None:
        pass

    loop.create_connection, loop.sock_connect = connect, no_socket
    broker = MqttBroker(BrokerSettings(Broker("127.0.0.1", 1883), "benchmark"))
    [raw] = make_telegrams(1)
    receiving = Receiving(raw, broker)
    running = asyncio.create_task(broker.run(), name="broker")
    async with asyncio.timeout(SETTLE_S):
        while not broker.is_connected:  # noqa: ASYNC110
            await asyncio.sleep(0)
    receiving.memory = memories[-1]
    publishing, paho = Publishing(raw, broker, memories[-1]), PahoSocket()
    tick = Tick(GATEWAY, RUN, TICKED)
    sent, received = message(1, [tick], raw), packet(1, [tick], raw)
    samples = take_turns(
        {
            "packet to fields: paho": cpu(times(lambda: read_by_paho(received))),
            "packet to fields: here": cpu(times(lambda: decode_message(received, is_new=True))),
            "published, acknowledged: paho": cpu(times(lambda: paho.publish(sent))),
            "published, acknowledged: here": cpu(publishing.publish, before=publishing.prepare),
            "second copy, dropped": cpu(receiving.receive, before=receiving.prepare_copies),
            "first copy, 1 tick": cpu(receiving.receive, before=lambda: receiving.prepare(1)),
            f"first copy, {MAX_TICKS} ticks": cpu(receiving.receive, before=lambda: receiving.prepare(MAX_TICKS)),
        },
        rounds,
    )
    outcomes = receiving.meter.inbox.outcomes
    expected = {Outcome.COPY: BATCH * (rounds + 1), Outcome.USED: (2 * BATCH + 1) * (rounds + 1)}
    assert outcomes == expected, outcomes
    show(f"CPU of a message of {len(received)} bytes", samples, US, "us")
    fewest, most = (min(samples[f"first copy, {each}"]) for each in ("1 tick", f"{MAX_TICKS} ticks"))
    ticks = [Tick(f"serving-{each}", RUN, TICKED) for each in range(2)]
    size = len(packet(1, ticks, raw)) - len(packet(1, ticks[:1], raw))
    print(f"\nanother tick: {size} bytes, {US * (most - fewest) / (MAX_TICKS - 1):.2f} us at the receiver")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = options.parse_args().rounds
    print(machine())
    asyncio.run(measure(rounds))


if __name__ == "__main__":
    main()
