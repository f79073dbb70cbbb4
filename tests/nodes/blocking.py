"""Clients that block, and a server of ours in a thread beside them: hypothesis does not wait for event loops."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import NamedTuple

from gateway.nodes.modbus_server import ModbusServer
from tests.nodes.transports import make_unit, mbap, serve

READ = bytes.fromhex("0300050001")
ANSWER = bytes.fromhex("03020005")
LIMIT_S = 60.0
HEALTHY_ID = 0x4141


class Background(NamedTuple):
    """A server that runs in a thread of its own."""

    server: ModbusServer
    call: Callable[[Callable[[], object]], object]
    """Runs something in its event loop."""


@contextmanager
def background(name: str, folder: Path) -> Iterator[Background]:
    """Run a server on a transport, for clients that block."""
    started: list[Background] = []
    is_started, stop = Event(), asyncio.Event()

    async def work() -> None:
        loop = asyncio.get_running_loop()

        def call(function: Callable[[], object]) -> object:
            async def run() -> object:
                return function()

            return asyncio.run_coroutine_threadsafe(run(), loop).result(LIMIT_S)

        async with serve(name, folder, make_unit(folder)) as server:
            started.append(Background(server, call))
            is_started.set()
            await stop.wait()

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(asyncio.run, work())
        try:
            assert is_started.wait(LIMIT_S), ended.exception(0)
            yield started[0]
        finally:
            started[0].call(stop.set)
            ended.result(LIMIT_S)


class Stream:
    """A TCP connection, blocking."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            assert piece, f"closed after {len(data)} of {count} bytes"
            data += piece
        return data

    def all(self) -> bytes:
        """Everything until the server closes."""
        data = b""
        try:
            while piece := self.socket.recv(65536):
                data += piece
        except ConnectionResetError:
            pass  # it closed while more of ours was on the way
        return data


class Healthy(Stream):
    """A client that always gets its answers."""

    def check(self) -> None:
        asked = time.monotonic()
        self.socket.sendall(mbap(HEALTHY_ID, 1, READ))
        assert self.exactly(11) == mbap(HEALTHY_ID, 1, ANSWER)
        assert time.monotonic() - asked < 1
