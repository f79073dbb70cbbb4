"""Finding: who posts, or only connects, keeps the telegrams of no other datalogger out."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.nodes.push_listener import PATH
from gateway.protocol.p1.age.verdict import Kind
from gateway.runtime.clock import now, unix_now
from gateway.transport import http_gate
from gateway.transport.http_server import BrowserConnection
from gateway.transport.turns import Turns, Work
from tests.certificates import add_certificate, make_certificates
from tests.conftest import own_telegram
from tests.nodes.test_push_listener import FARM, LIMIT_S, TLS, Bench, form, new, serving
from tests.protocol.p1.stream import stamped
from tests.waiting import until

CROWD = 258
"""More than all the room of the listener: 256, of which strangers have 32."""
CROWD_ADDRESS, DATALOGGER = "127.0.0.2", "127.0.0.3"


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    async with serving(tmp_path) as bench:
        yield bench


def connect(bench: Bench, address: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", bench.listener.port), LIMIT_S, (address, 0))


def send_post(sock: socket.socket) -> None:
    body = form(new())
    lines = [f"POST {PATH} HTTP/1.1", "Host: a", f"Authorization: Token {FARM}", f"Content-Length: {len(body)}"]
    lines.append("Content-Type: application/x-www-form-urlencoded")
    sock.sendall("\r\n".join([*lines, "", ""]).encode() + body)


async def test_idle_connections_of_one_address_lock_no_datalogger_out(bench: Bench) -> None:
    with ExitStack() as stack:
        for _ in range(CROWD):
            stack.enter_context(connect(bench, CROWD_ADDRESS))
        datalogger = stack.enter_context(connect(bench, DATALOGGER))
        send_post(datalogger)
        assert (await asyncio.to_thread(datalogger.recv, 100)).startswith(b"HTTP/1.1 201 ")


async def test_a_post_that_waits_for_its_turn_makes_no_room_for_idle_connections_of_many_addresses(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_gate, "MAX_STRANGERS", 3)
    waiting: list[Work] = []
    monkeypatch.setattr(Turns, "ask", lambda _turns, _source, work: waiting.append(work))
    with ExitStack() as stack:
        datalogger = stack.enter_context(connect(bench, DATALOGGER))
        send_post(datalogger)
        await until(lambda: waiting, "the post to ask for its turn")
        for number in range(6):
            stack.enter_context(connect(bench, f"127.0.1.{number + 1}"))
        await until(lambda: bench.listener.turned_away.total() == 4)
        waiting[0]()
        assert (await asyncio.to_thread(datalogger.recv, 100)).startswith(b"HTTP/1.1 201 ")


async def test_nothing_is_left_of_connections_that_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has TLS buffers of 256 KiB, which a flood would pile up until the garbage collector looks for cycles."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    make_certificates(tmp_path)
    add_certificate(tmp_path, "server", host="localhost")
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    async with serving(tmp_path, TLS) as bench:
        made = weakref.WeakSet[BrowserConnection]()
        reads: list[int] = []
        monkeypatch.setattr(BrowserConnection, "get_buffer", noting(made, reads, BrowserConnection.get_buffer))
        gc.disable()
        try:
            for number in range(4):
                assert await bench.post_over_tls(form(new()) if number % 2 else b"", trusted) == (
                    201 if number % 2 else 400
                )
            assert reads, "connections of this class are used; they may be freed already"
            await until(lambda: not made, "the connections to be freed")
        finally:
            gc.enable()


def noting(
    made: weakref.WeakSet[BrowserConnection],
    reads: list[int],
    get_buffer: Callable[[BrowserConnection, int], memoryview],
) -> Callable[[BrowserConnection, int], memoryview]:
    def note(connection: BrowserConnection, size: int) -> memoryview:
        made.add(connection)
        reads.append(size)
        return get_buffer(connection, size)

    return note


async def test_the_telegrams_of_another_meter_with_the_token_of_this_one_are_not_served(bench: Bench) -> None:
    assert await bench.post(form(new())) == 201
    await until(lambda: bench.farm.is_fresh(now()))
    own = bench.farm.served
    crossed = stamped(own_telegram("v50_kamstrup-one-phase"), unix_now())
    for _ in range(3):
        assert await bench.post(form(crossed)) == 201
    assert bench.farm.served is own
    assert bench.farm.serving.newest_kind is Kind.OTHER_METER
    assert bench.farm.serving.other_meter(now())
