"""Cost of the pure core: framing, readings, snapshots, maps, responses, and the function calls of a request.

    python -m benchmarks.core [--rounds N]

The telegrams come from a simulated DSMR 5 household, one per second, so that each differs from the one before as it
does with a real meter. dsmr_parser takes turns with the gateway on the same telegrams. The gateway uses its parsers
of values, and not its parser of whole telegrams.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import itertools
import multiprocessing
import struct
import tempfile
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser

from benchmarks.client import Client
from benchmarks.feed import telegrams as make_telegrams
from benchmarks.measure import MS, US, machine, show, take_turns, timed
from gateway.maps.load import find_map, load_map
from gateway.nodes.modbus_server import ModbusServer, ServerSettings, Transport
from gateway.protocol.modbus.device_identification import Identification
from gateway.protocol.modbus.monitor import CountedClient, Monitor
from gateway.protocol.modbus.responder import Responder, UnitTable
from gateway.protocol.modbus.tcp import respond_tcp
from gateway.protocol.modbus.unit import FOREVER, OnStale, Unit
from gateway.protocol.p1.age.timeline import Timeline
from gateway.protocol.p1.age.verdict import Verdict
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.readings import Readings, read
from gateway.protocol.p1.status_values import status_values
from gateway.protocol.p1.telegram import Telegram, TelegramReader
from gateway.protocol.registers.register_map import RegisterMap
from gateway.protocol.registers.snapshot import Snapshot
from gateway.transport.clients import Admission

SECONDS = 120
MAP = "dsmr"
UNITS = 10
TEN_MAPS = (
    *("dsmr", "cg-em24", "cg-em3xx", "eastron-sdm630", "eastron-sdm72"),
    *("abb-b23", "socomec-e27", "chint-dtsu666", "sunspec-203", "sunspec-213"),
)
SMALL_MAP_REGISTERS = 120
BATCH = 16
"""Requests that a client has in flight."""
ADDRESS, COUNT = 100, 100
PIECE_BYTES = 64
COUNTED_REQUESTS = 4000
CONNECTIONS = 100
CLIENT = CountedClient("127.0.0.1:50000", 0.0)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=1000)
    rounds = options.parse_args().rounds
    print(machine())
    raws = make_telegrams(SECONDS)
    telegrams = [item for raw in raws for item in TelegramReader().feed(raw) if isinstance(item, Telegram)]
    assert len(telegrams) == SECONDS
    register_map = load_map(find_map(MAP, Path()))
    show_readings(raws, telegrams, rounds)
    show_snapshots(register_map, [read(telegram) for telegram in telegrams], rounds)
    show_age(rounds)
    show_map_load(max(5, rounds // 50))
    show_responses(register_map, read(telegrams[0]), rounds)
    show_calls(register_map, read(telegrams[0]))


def show_readings(raws: list[bytes], telegrams: list[Telegram], rounds: int) -> None:
    texts = itertools.cycle([raw.decode() for raw in raws])
    cold, warm, whole, pieces = (itertools.cycle(each) for each in (telegrams, telegrams, raws, raws))
    before: Readings | None = None

    def read_on() -> None:
        nonlocal before
        before = read(next(warm), before)

    parser = TelegramParser(telegram_specifications.V5)
    unchecked = TelegramParser(telegram_specifications.V5, apply_checksum_validation=False)
    reader = TelegramReader()

    def feed_pieces() -> None:
        raw = next(pieces)
        for at in range(0, len(raw), PIECE_BYTES):
            reader.feed(raw[at : at + PIECE_BYTES])

    lines = telegrams[0].body.count(b"\r\n") - 2
    samples = take_turns(
        {
            "readings, cold": timed(lambda: read(next(cold))),
            "readings, with those of the second before": timed(read_on),
            "dsmr_parser, no checksum": timed(lambda: unchecked.parse(next(texts))),
            "dsmr_parser": timed(lambda: parser.parse(next(texts))),
            "framing and checksum, whole": timed(lambda: TelegramReader().feed(next(whole))),
            f"framing and checksum, {PIECE_BYTES} bytes at a time": timed(feed_pieces),
        },
        rounds,
    )
    title = f"telegram of {len(raws[0])} bytes, {lines} readings"
    show(title, samples, US, "us", against="readings, cold")


def show_snapshots(register_map: RegisterMap, readings: list[Readings], rounds: int) -> None:
    encode = register_map.readings.encode
    one, ten, own = itertools.cycle(readings), itertools.cycle(readings), itertools.cycle(readings)
    images = [load_map(find_map(name, Path())).readings for name in TEN_MAPS]
    newest: list[Snapshot | None] = [None] * len(images)

    def encode_ten() -> None:
        values = next(ten).values
        for _ in range(UNITS):
            encode(values)

    def encode_ten_maps() -> None:
        values = next(own).values
        for index, image in enumerate(images):
            newest[index] = image.encode(values, newest[index])

    samples = take_turns(
        {
            "snapshot of one unit": timed(lambda: encode(next(one).values)),
            f"snapshots of {UNITS} units": timed(encode_ten),
            f"{len(TEN_MAPS)} units, each with another map": timed(encode_ten_maps),
        },
        rounds,
    )
    show(f"map {MAP}, {len(register_map.registers)} entries", samples, US, "us")


def show_age(rounds: int) -> None:
    """How long the age of a telegram takes: in time, late, and a copy."""
    lines = {"in time": 0.0, "late by 20 s": 20.0}
    samples = {}
    for name, held in lines.items():
        timeline, seconds = Timeline(1, 5.0), itertools.count()
        for _ in range(40):
            age_of(timeline, next(seconds), 0.0)
        samples[name] = timed(lambda t=timeline, s=seconds, h=held: age_of(t, next(s), h))
    copies, moments = Timeline(1, 5.0), itertools.count()
    samples["a copy"] = timed(lambda: age_of(copies, 0, float(next(moments))))
    show("age of a telegram by the meter's clock", take_turns(samples, rounds), US, "us")


def age_of(timeline: Timeline, second: int, held: float) -> Verdict:
    return timeline.take(second + held, 1_700_000_000 + second, "meter", (second, 5, 0, 0), second, is_first=False)


def show_map_load(rounds: int) -> None:
    path = find_map(MAP, Path())
    head, _, rest = path.read_text().partition("registers:\n")
    lines = [line for line in rest.splitlines(keepends=True) if line.startswith("  - ")]
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder, "small.yaml")
        small.write_text(f"{head}registers:\n{''.join(lines[:SMALL_MAP_REGISTERS])}")
        samples = take_turns(
            {
                f"{SMALL_MAP_REGISTERS} registers": timed(lambda: load_map(small)),
                f"{MAP}, {len(lines)} registers": timed(lambda: load_map(path)),
            },
            rounds,
        )
    show("load, check and compile a map", samples, MS, "ms")


def make_responder(register_map: RegisterMap, readings: Readings) -> Responder:
    """Return a responder with one unit and a snapshot that stays fresh."""
    unit = Unit(register_map, OnStale.EXCEPTION, partial(status_values, MeterState("house", None)))
    unit.publish(register_map.readings.encode(readings.values), FOREVER)
    return Responder(UnitTable({1: unit}), Identification("bench", "P1", "0"), Monitor())


def request(transaction: int, address: int = ADDRESS, count: int = COUNT) -> bytes:
    return struct.pack(">HHHBBHH", transaction, 0, 6, 1, 3, address, count)


def show_responses(register_map: RegisterMap, readings: Readings, rounds: int) -> None:
    responder = make_responder(register_map, readings)
    other_responder = make_responder(register_map, readings)
    single = memoryview(request(1))
    batch = memoryview(b"".join(request(transaction) for transaction in range(BATCH)))
    status = memoryview(b"".join(request(transaction, 0, 18) for transaction in range(BATCH)))

    def respond_to(data: memoryview, using: Responder) -> Callable[[], object]:
        return lambda: respond_tcp(data, using, 1.0, CLIENT)

    def respond_first_time() -> None:
        other_responder.ready.clear()
        respond_tcp(single, other_responder, 1.0, CLIENT)

    samples = take_turns(
        {
            "one request": timed(respond_to(single, responder)),
            f"{BATCH} in flight": timed(respond_to(batch, responder), BATCH),
            "one request, the first after a telegram": timed(respond_first_time),
            "status block, encoded for each request": timed(respond_to(status, responder), BATCH),
        },
        rounds,
    )
    show(f"response with {COUNT} registers, per request", samples, US, "us")


def show_calls(register_map: RegisterMap, readings: Readings) -> None:
    """Count the function calls of one request through asyncio and the server's connection: a figure without noise."""
    print("\nfunction calls per request, including those of asyncio and built-in ones (cProfile)")
    for connections in (1, CONNECTIONS):
        calls = asyncio.run(count_calls(make_responder(register_map, readings), connections))
        print(f"{connections:>5} connection{'s' * (connections > 1):<1}{calls:>8.1f}")


async def count_calls(responder: Responder, connections: int) -> float:
    admission = Admission(max_clients=connections)
    settings = ServerSettings(transport=Transport.TCP, host="127.0.0.1", admission=admission)
    server = ModbusServer("bench", settings, responder)
    task = asyncio.create_task(server.run())
    await server.ready.wait()
    # The clients are a process of their own, so that their calls are not counted.
    context = multiprocessing.get_context("spawn")
    gate, others_gate = context.Pipe()
    process = context.Process(target=ask_twice, args=(server.port, connections, others_gate))
    process.start()
    await asyncio.to_thread(gate.recv)
    profile = cProfile.Profile()
    profile.enable()
    gate.send("go on")
    await asyncio.to_thread(gate.recv)
    profile.disable()
    process.join()
    task.cancel()
    await asyncio.wait([task])
    return sum(entry.callcount for entry in profile.getstats()) / COUNTED_REQUESTS


def ask_twice(port: int, connections: int, gate: Connection) -> None:
    """Send one request per connection, so that the response is cached, and then, at the signal, many."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(port)) for _ in range(connections)]
        for client in clients:
            client.read(ADDRESS, COUNT)
        gate.send("ready")
        gate.recv()
        for _ in range(COUNTED_REQUESTS // connections):
            for client in clients:
                client.ask(ADDRESS, COUNT)
            for client in clients:
                client.take()
        gate.send("done")


if __name__ == "__main__":
    main()
