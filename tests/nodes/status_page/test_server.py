"""The HTTP server: speed, limits and malformed requests."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.transport import http_gate as gate
from gateway.transport import http_server as server
from tests.nodes.status_page.bench import LIMIT_S, Bench, serving
from tests.waiting import until


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(tmp_path) as bench:
        yield bench


async def test_a_response_is_sent_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted: list[socket.socket] = []
    monkeypatch.setattr(server, "watch_peer", accepted.append)
    connection = http.client.HTTPConnection("127.0.0.1", bench.page.port, timeout=LIMIT_S)
    await asyncio.to_thread(connection.connect)
    await until(lambda: accepted, "the connection")
    # Without it, Nagle's algorithm and a delayed acknowledgement together make 40 ms.
    assert accepted[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    connection.close()


async def test_a_client_without_a_request_is_disconnected_and_too_many_are_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADERS_TIMEOUT_S", 0.1)
    monkeypatch.setattr(gate, "MAX_CONNECTIONS", 20)
    address = ("127.0.0.1", bench.page.port)

    def closed(sock: socket.socket) -> bool:
        try:
            return not sock.recv(1)
        except ConnectionResetError:
            return True

    def crowd() -> list[bool]:
        socks = [socket.create_connection(address, timeout=LIMIT_S) for _ in range(30)]
        socks[0].sendall(b"GET / HTTP/1.1\r\n")
        found = [closed(sock) for sock in socks]
        for sock in socks:
            sock.close()
        return found

    assert all(await asyncio.to_thread(crowd))
    assert (await bench.get("/healthz")).status == 200


async def test_a_second_request_that_does_not_end_is_cut_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADERS_TIMEOUT_S", 0.1)

    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", bench.page.port), timeout=LIMIT_S) as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += sock.recv(4096)
            sock.sendall(b"GET /healthz HTTP/1.1\r\n")
            with suppress(ConnectionResetError):
                assert sock.recv(1) == b""
            return answer

    assert (await asyncio.to_thread(ask)).startswith(b"HTTP/1.1 200")


async def test_garbage_is_refused_and_the_page_keeps_running(bench: Bench) -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))

    def say(data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", bench.page.port), timeout=LIMIT_S) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            try:
                while piece := sock.recv(4096):
                    answer += piece
            except ConnectionResetError:
                pass
            return answer

    for data in (
        b"\x00\xff" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"HEAD / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
    ):
        answer = await asyncio.to_thread(say, data)
        assert not answer or answer.startswith(b"HTTP/1.1 4"), data[:20]
    assert not errors
    assert (await bench.get("/healthz")).status == 200
