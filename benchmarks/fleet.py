"""Cost of many meters whose telegrams come over two MQTT brokers: CPU, memory, and the time from sending to register.

    python -m benchmarks.fleet [N ...] [--seconds S]

One program is the edge of all meters. It publishes one telegram per meter and second at two mosquittos, with its
envelope and the tick that it has seen, evenly over the second. The serving gateway takes the first of both copies.
Everything else is as in `benchmarks.many`: a unit for each meter, the moment of sending as power, CPU without clients.
The gateway runs on one core, the edge, the brokers and the client on another. `telegrams/s` are those of one meter:
below 1, the edge or the brokers did not keep up, and the figures are not those of the gateway.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import many
from benchmarks.feed import telegrams
from benchmarks.footprint import cpu_s, resident_mb
from benchmarks.measure import machine
from benchmarks.running import LOAD_CORE, Program, free_port, missing, on_core
from gateway.nodes.mqtt_broker import BrokerSettings, MqttBroker, Subscription
from gateway.protocol.crc16 import crc16, use_library
from gateway.protocol.fleet.envelope import Envelope, encode
from gateway.protocol.fleet.ticks import SeenTicks, decode_tick
from gateway.protocol.fleet.topics import telegram_topic, tick_filter
from gateway.runtime.clock import now
from gateway.transport.mqtt import Broker, Message

COUNTS = (1, 100, 1000, 2000, 3000)
ACCEPTED_ADDRESS = 4
COUNTED = 50
"""Number of meters whose telegrams are counted."""
PREFIX, EDGE = "dsmr/v1", "edge"
MOSQUITTO = "listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nuser root\n"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("counts", type=int, nargs="*", metavar="N", help="numbers of meters")
    options.add_argument("--seconds", type=float, default=20.0, help="duration of each of the two measurements")
    given = options.parse_args()
    if missing("mosquitto"):
        sys.exit("mosquitto is not installed; try: apt install mosquitto")
    print(machine())
    print("meters  start s  CPU %  us/telegram     MB  brokers CPU %  telegrams/s  p50 ms  p99 ms  max ms")
    for count in given.counts or COUNTS:
        row = measure(count, given.seconds)
        print(
            f"{count:6} {row['start']:8.2f} {row['cpu']:6.1f} {row['us']:12.0f} {row['mb']:6.1f} {row['brokers']:14.1f}"
            f" {row['rate']:12.2f} {row['p50']:7.2f} {row['p99']:7.2f} {row['max']:7.2f}",
            flush=True,
        )


def measure(count: int, seconds: float) -> dict[str, float]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="dsmr-gateway-")))
        stack.enter_context(on_core(LOAD_CORE))
        brokers = [stack.enter_context(_Mosquitto(folder / f"broker{number}")) for number in range(2)]
        stack.enter_context(edge(count, [broker.port for broker in brokers]))
        ports = [free_port() for _ in range(-(-count // many.UNITS_PER_PORT))]
        config = folder / "gateway.yaml"
        config.write_text(configuration(count, [broker.port for broker in brokers], ports))
        command = [Path(sys.executable).with_name("dsmr-gateway"), "run", config]
        gateway = stack.enter_context(Program(command, folder, ports[-1]))
        gateway.wait_for_port()
        start_s = many.wait_for_all(gateway, count, ports)
        time.sleep(many.SETTLING_S)
        came = accepted(count, ports)
        begun, used, theirs = time.monotonic(), cpu_s(gateway), sum(map(cpu_s, brokers))
        time.sleep(seconds)
        took, used, theirs = time.monotonic() - begun, cpu_s(gateway) - used, sum(map(cpu_s, brokers)) - theirs
        came = accepted(count, ports) - came
        resident = resident_mb(gateway)
        samples = many.sample(count, ports, seconds)
    return {
        "start": start_s,
        "cpu": 100 * used / took,
        "us": 1e6 * used / max(1, came) / count,
        "mb": resident,
        "brokers": 100 * theirs / took,
        "rate": came / took,
        **many.quantiles(samples),
    }


def accepted(count: int, ports: list[int]) -> float:
    """Return the mean number of accepted telegrams of a meter; on a busy machine it is not one a second."""
    numbers = range(0, count, -(-count // COUNTED))
    found = []
    for number in numbers:
        with many.asking(ports, number) as client:
            found.append(client.uint32(ACCEPTED_ADDRESS) or 0)
    return sum(found) / len(found)


class _Mosquitto(Program):
    """A broker on the core of the load."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        folder.mkdir()
        path = folder / "mosquitto.conf"
        path.write_text(MOSQUITTO.format(port=port))
        super().__init__(["taskset", "-c", str(LOAD_CORE), "mosquitto", "-c", path], folder, port)
        self.wait_for_port()


def configuration(count: int, brokers: list[int], ports: list[int]) -> str:
    """Return a configuration in JSON, which is YAML."""
    plain = json.loads(many.configuration(count, 1, ports))
    plain["meters"] = {name: {"source": "mqtt", "dsmr_version": "5"} for name in plain["meters"]}
    plain["mqtt"] = {"brokers": [f"mqtt://127.0.0.1:{port}" for port in brokers], "edge": "serving"}
    return json.dumps(plain)


@contextmanager
def edge(count: int, brokers: list[int]) -> Iterator[None]:
    """Run the edge of all meters in a process of its own."""
    process = multiprocessing.get_context("fork").Process(
        target=lambda: asyncio.run(publish_all(count, brokers)), daemon=True
    )
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


async def publish_all(count: int, ports: list[int]) -> None:
    """Publish the telegrams of all meters at all brokers, evenly over each second."""
    use_library()  # the checksums of thousands of telegrams would keep the core busy
    seen = SeenTicks()

    def note(message: Message) -> None:
        if tick := decode_tick(message.topic.rpartition("/")[2], message.payload):
            seen.note(tick, now())

    brokers = [MqttBroker(BrokerSettings(Broker("127.0.0.1", port), EDGE)) for port in ports]
    for broker in brokers:
        broker.messages.connect(broker, Subscription([tick_filter(PREFIX)], note))
    tasks = [asyncio.create_task(broker.run()) for broker in brokers]
    loop = asyncio.get_running_loop()
    plain = telegrams(1)[0]
    begun, clock, second = loop.time(), datetime(2026, 1, 5, 12, tzinfo=UTC), 0
    while not any(task.done() for task in tasks):
        text = many.with_clock(plain, clock + timedelta(seconds=second))
        second += 1
        for number in range(count):
            due = begun + second + number / count
            if (pause := due - loop.time()) > 0.001 or number % 20 == 0:
                await asyncio.sleep(max(0.0, pause))
            message = message_of(text, number, second, seen)
            for broker in brokers:
                broker.publish(message)


def message_of(text: bytes, number: int, second: int, seen: SeenTicks) -> Message:
    """Return the message of a telegram whose power is this moment."""
    values: dict[bytes, Any] = {
        b"number": number,
        b"kilowatts": round(time.monotonic() / many.STEP_S) % many.WRAP / 1000,
    }
    body = text % values
    envelope = Envelope(EDGE, 1, second, 0.0, 0.0, is_checked=True, ticks=seen.newest(now()))
    topic = telegram_topic(PREFIX, EDGE, f"m{number}")
    return Message(topic, body + b"%04X\r\n" % crc16(body), True, encode(envelope), 5)


if __name__ == "__main__":
    main()
