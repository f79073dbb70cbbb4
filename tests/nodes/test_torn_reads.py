"""No answer ever mixes two telegrams, however fast they come and however fast a client reads.

`GATEWAY_TESTS_TORN_ANSWERS=1000000` reads that many answers.
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

from gateway.protocol.modbus.unit import FOREVER, Unit
from gateway.runtime.clock import now
from tests.nodes.transports import make_unit, serve

ANSWERS = int(os.environ.get("GATEWAY_TESTS_TORN_ANSWERS", "100000"))
SWAP_EVERY_S = 0.001
IN_FLIGHT = 32
REGISTERS = 125
NUMBERS = 60_000
FIRST_BYTES = b"\0\0\0\xfd\1\3\xfa"
"""Of an answer, behind its transaction id."""
REFUSAL_BYTES = b"\0\0\0\3\1\x83\x0b"
MIN_TELEGRAMS_SEEN = 200

MAP = "title: One reading everywhere\nsource: tests\nregisters:\n" + "".join(
    f"  - {{address: {address}, name: r{address}, type: uint16, value: power_import, unit: W}}\n"
    for address in range(REGISTERS)
)


class Seen(NamedTuple):
    """What a client got."""

    good: int
    refused: int
    torn: list[str]
    telegrams: int
    """How often an answer was of another telegram than the one before."""
    backwards: int
    """How often it was of an older one."""


def read_without_pause(port: int, count: int) -> Seen:
    """Read all registers `count` times with many requests in flight; runs in a process of its own."""
    good = refused = telegrams = backwards = asked = 0
    previous, torn = -1, []
    received = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (done := good + refused) < count:
            requests = b""
            while asked < done + IN_FLIGHT:
                requests += (asked % 0x10000).to_bytes(2, "big") + b"\0\0\0\6\1\3\0\0\0\x7d"
                asked += 1
            sock.sendall(requests)
            piece = sock.recv(65536)
            assert piece, f"closed after {done} answers"
            received += piece
            at = 0
            while len(received) - at >= 9:
                assert received[at : at + 2] == ((good + refused) % 0x10000).to_bytes(2, "big"), "answers in order"
                if received[at + 2 : at + 9] == REFUSAL_BYTES:
                    refused += 1
                    at += 9
                    continue
                assert received[at + 2 : at + 9] == FIRST_BYTES, received[at : at + 9].hex()
                if len(received) - at < 9 + 2 * REGISTERS:
                    break
                words = received[at + 9 : at + 9 + 2 * REGISTERS]
                if words != words[:2] * REGISTERS:
                    torn.append(words.hex())
                number = int.from_bytes(words[:2], "big")
                if number != previous:
                    telegrams += 1
                    # The numbers begin again at some time.
                    backwards += previous >= 0 and not 0 < (number - previous) % NUMBERS < NUMBERS // 2
                    previous = number
                good += 1
                at += 9 + 2 * REGISTERS
            del received[:at]
    return Seen(good, refused, torn[:3], telegrams, backwards)


@asynccontextmanager
async def telegrams_at_1_khz(unit: Unit, stale_every: int = 0) -> AsyncIterator[None]:
    """Publish a snapshot a millisecond, made of one number; of `stale_every` that many one is out of date."""

    async def publish() -> None:
        number = 0
        due = now()
        while True:
            number = (number + 1) % NUMBERS
            snapshot = unit.register_map.readings.encode({"power_import": number})
            unit.publish(snapshot, now() - 1 if stale_every and number % stale_every == 0 else FOREVER)
            due += SWAP_EVERY_S
            await asyncio.sleep(max(0.0, due - now()))

    task = asyncio.create_task(publish())
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()


@pytest.fixture
async def unit(tmp_path: Path) -> Unit:
    unit = make_unit(tmp_path, MAP, is_fresh=False)
    unit.publish(unit.register_map.readings.encode({"power_import": 0}), FOREVER)
    return unit


async def read_in_another_process(port: int, count: int) -> Seen:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, read_without_pause, port, count)


async def test_no_answer_mixes_two_telegrams(tmp_path: Path, unit: Unit) -> None:
    async with serve("tcp", tmp_path, unit) as server, telegrams_at_1_khz(unit):
        seen = await read_in_another_process(server.port, ANSWERS)
    assert not seen.torn
    assert seen.good >= ANSWERS
    assert (seen.refused, seen.backwards) == (0, 0)
    assert seen.telegrams > MIN_TELEGRAMS_SEEN


async def test_an_answer_is_of_one_fresh_telegram_or_says_that_there_is_none(tmp_path: Path, unit: Unit) -> None:
    async with serve("tcp", tmp_path, unit) as server, telegrams_at_1_khz(unit, stale_every=3):
        seen = await read_in_another_process(server.port, ANSWERS // 4)
    assert not seen.torn
    assert seen.backwards == 0
    assert seen.good > 0 < seen.refused
    assert seen.telegrams > MIN_TELEGRAMS_SEEN / 4
