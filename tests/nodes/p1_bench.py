"""A P1 port in this process, and a server beside it that sends telegrams as a ser2net does."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.lines.line import Line
from gateway.lines.tcp import TcpLine
from gateway.nodes.dsmr_parser import DsmrParser
from gateway.nodes.p1_port import P1Port
from gateway.protocol.p1.meter import MeterState

LIMIT_S = 60.0
RESET = struct.pack("ii", 1, 0)


class Ser2net:
    """A TCP port that serves a meter, as a ser2net does."""

    def __init__(self) -> None:
        self.greeting = b""
        self.clients: list[asyncio.StreamWriter] = []
        self.accepted = 0
        self.port = 0

    async def serve(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.clients.append(writer)
        writer.write(self.greeting)

    def send(self, data: bytes) -> None:
        for client in self.clients:
            client.write(data)

    def refuse(self) -> None:
        """Close in order after the greeting."""
        for client in self.clients:
            client.close()
        self.clients.clear()

    def vanish(self) -> None:
        """Reset all connections."""
        for client in self.clients:
            sock = client.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.transport.abort()
        self.clients.clear()


class Bench:
    """A P1 port, its parser and its meter."""

    def __init__(self, lines: list[tuple[str, Line]], watchdog_s: float = 30) -> None:
        self.meter = MeterState("m", None)
        self.parser = DsmrParser("m/parser", self.meter, gap_s=1.0)
        self.port = P1Port("m/port", self.meter, lines, watchdog_s)
        self.port.line_bytes.connect(self.parser, self.parser)


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[None]:
    task = asyncio.create_task(bench.port.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, LIMIT_S)
        assert not bench.meter.is_connected


@asynccontextmanager
async def ser2net() -> AsyncIterator[Ser2net]:
    served = Ser2net()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        served.vanish()
        server.close()


def over_tcp(served: Ser2net, watchdog_s: float = 30) -> Bench:
    return Bench([("p1.local:2001", TcpLine("127.0.0.1", served.port))], watchdog_s)
