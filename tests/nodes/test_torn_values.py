"""A client that reads the registers of a value one by one gets all of them from one telegram.

`GATEWAY_TESTS_TORN_RESPONSES=1000000` reads that many registers.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.protocol.modbus.latch import LATCH_S
from gateway.protocol.modbus.unit import FOREVER, Unit
from gateway.runtime.clock import now
from tests.nodes.transports import connect, make_unit, serve

READS = int(os.environ.get("GATEWAY_TESTS_TORN_RESPONSES", "20000"))
TELEGRAM_EVERY_S = 0.05
NUMBERS = 60_000
MIN_TELEGRAMS_SEEN = 5
"""A client that only reads parts of values sees a new telegram every 250 ms, so a fast one has to go on for longer."""
MAX_READS = 100 * READS
VALUES = (range(2), range(2, 4), range(4, 8), range(9, 11))
"""The addresses of each value of several registers."""

MAP = """
title: Values whose registers all show the same number
source: tests
registers:
  - {address: 0, name: a, type: uint32, value: power_import * 65537, unit: W}
  - {address: 2, name: b, type: int32, value: power_import * 65537, unit: W, word_order: little}
  - {address: 4, name: c, type: uint64, value: power_import * 281479271743489, unit: W}
  - {address: 8, name: d, type: uint16, value: power_import, unit: W}
  - {address: 9, name: e, type: uint32, value: power_import * 65537, unit: W}
"""


class Seen(NamedTuple):
    """The values that a client has put together."""

    reads: int
    torn: list[str]
    telegrams: int


def read_one_by_one(port: int, reads: int) -> Seen:
    """Read register by register, in several orders; runs in a process of its own."""
    orders = [list(span) for span in VALUES] + [list(reversed(span)) for span in VALUES] + [[1, 9, 0, 10], [5, 7, 4, 6]]
    done = telegrams = 0
    previous, torn = -1, []
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while done < reads or (telegrams < MIN_TELEGRAMS_SEEN and done < MAX_READS):
            for order in orders:
                shown = {}
                for address in order:
                    sock.sendall(bytes.fromhex("0001000000060103") + bytes((0, address, 0, 1)))
                    response = sock.recv(64)
                    assert response[:9] == bytes.fromhex("000100000005010302"), response.hex()
                    shown[address] = int.from_bytes(response[9:], "big")
                done += len(order)
                values = [{shown[address] for address in span if address in shown} for span in VALUES]
                torn += [str(shown)] * any(len(value) > 1 for value in values)
                telegrams += shown[order[0]] != previous
                previous = shown[order[0]]
    return Seen(done, torn[:3], telegrams)


@asynccontextmanager
async def telegrams_at_20_hz(unit: Unit) -> AsyncIterator[None]:
    """Publish twenty snapshots a second, each made of one number."""

    async def publish() -> None:
        number = 0
        due = now()
        while True:
            number = (number + 1) % NUMBERS
            unit.publish(unit.register_map.readings.encode({"power_import": number}), FOREVER)
            due += TELEGRAM_EVERY_S
            await asyncio.sleep(max(0.0, due - now()))

    task = asyncio.create_task(publish())
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()


async def test_no_value_is_torn_when_its_registers_are_read_one_by_one(tmp_path: Path) -> None:
    unit = make_unit(tmp_path, MAP, is_fresh=False)
    async with serve("tcp", tmp_path, unit) as server, telegrams_at_20_hz(unit):
        await asyncio.sleep(0)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            loop = asyncio.get_running_loop()
            seen = await loop.run_in_executor(pool, read_one_by_one, server.port, READS)
    assert not seen.torn
    assert seen.reads >= READS
    assert seen.telegrams >= MIN_TELEGRAMS_SEEN


@pytest.mark.parametrize("transport", ["tcp", "tls", "rtu_over_tcp", "udp", "serial"])
async def test_the_halves_belong_together_on_every_transport(transport: str, tmp_path: Path) -> None:
    unit = make_unit(tmp_path, MAP, is_fresh=False)
    async with serve(transport, tmp_path, unit) as server, connect(server, tmp_path) as client:
        for function_code in (3, 4):
            responses = set()
            begun = now()
            for address in VALUES[2]:
                unit.publish(unit.register_map.readings.encode({"power_import": address}), FOREVER)
                responses.add(await client.ask(bytes((function_code, 0, address, 0, 1))))
            # On a machine that stood still in between, the halves need not match.
            assert len(responses) == 1 or now() - begun > LATCH_S
