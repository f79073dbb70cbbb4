"""A meter's bytes, passthroughs in this process that offer them over real sockets, and readers of these."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from typing import Any

from gateway.nodes.dsmr_parser import DsmrParser
from gateway.nodes.passthrough import Mode, Passthrough, PassthroughSettings, WritableLine
from gateway.protocol.crc16 import crc16
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.variants import FAST_LINE, VARIANTS, SerialSettings
from gateway.runtime.clock import now
from gateway.transport.clients import Admission
from tests.conftest import own_telegram
from tests.waiting import until

LIMIT_S = 60.0
"""What a healthy gateway does in a fraction of it."""
SMALL_BUFFER_BYTES = 4096
MODES = (Mode.TELEGRAMS, Mode.RAW)
_TEMPLATE = own_telegram("v50_sagemcom-t210d")
_TEXT = b"0-0:96.13.0("
_DATA_SEGMENTS_IN = struct.Struct("=152xI")
"""Where `struct tcp_info` of Linux counts the segments with data that came in."""


def numbered(number: int) -> bytes:
    """A telegram like no other: its text message is the number."""
    at = _TEMPLATE.index(_TEXT) + len(_TEXT)
    body = _TEMPLATE[:at] + b"%08X" % number + _TEMPLATE[_TEMPLATE.index(b")", at) : _TEMPLATE.index(b"!") + 1]
    return body + b"%04X\r\n" % crc16(body)


def number_of(telegram: bytes) -> int:
    """The number of a telegram that `numbered` made."""
    at = telegram.index(_TEXT) + len(_TEXT)
    return int(telegram[at : at + 8], 16)


class Bench:
    """One meter, wired to its passthroughs as the gateway wires them."""

    def __init__(self, stale_after_s: float | None = None) -> None:
        self.meter = MeterState("meter", VARIANTS["5"], stale_after_s)
        self.parser = DsmrParser("parser", self.meter, gap_s=1.0)
        self.passthroughs: list[Passthrough] = []

    def offer(
        self,
        mode: Mode = Mode.TELEGRAMS,
        host: str = "127.0.0.1",
        port: int = 0,
        line: WritableLine | None = None,
        admission: Admission | None = None,
        in_force: SerialSettings = FAST_LINE,
        **settings: Any,
    ) -> Passthrough:
        """Make a passthrough; the rest is as `PassthroughSettings` takes it."""
        given = PassthroughSettings(host, port, mode, admission=admission or Admission(), **settings)
        passthrough = Passthrough(f"passthrough {len(self.passthroughs)}", given, self.meter, line, lambda: in_force)
        self.passthroughs.append(passthrough)
        if mode is Mode.TELEGRAMS:
            self.parser.telegrams.connect(passthrough, passthrough.take)
        return passthrough

    def feed(self, data: bytes, piece_bytes: int = 4096, arrived: float | None = None) -> None:
        """Bytes of the line."""
        for at in range(0, len(data), piece_bytes):
            for output in (*self.passthroughs, self.parser):
                output.receive(data[at : at + piece_bytes], now() if arrived is None else arrived)

    def lose_line(self) -> None:
        """The meter is away."""
        for output in (*self.passthroughs, self.parser):
            output.line_lost()


class Reader:
    """A client that can do what clients do, and misbehave as they misbehave."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.stream, self.writer = streams

    @property
    def socket(self) -> socket.socket:
        """Its socket, for options."""
        return self.writer.get_extra_info("socket")  # type: ignore[no-any-return]

    async def read(self, count: int) -> bytes:
        """So many bytes."""
        async with asyncio.timeout(LIMIT_S):
            return await self.stream.readexactly(count)

    async def gets(self, expected: bytes) -> bool:
        """Whether the next bytes are these."""
        return await self.read(len(expected)) == expected

    async def rest(self) -> bytes:
        """All until the gateway closes, in order or not."""
        data = b""
        async with asyncio.timeout(LIMIT_S):
            try:
                while piece := await self.stream.read(65536):
                    data += piece
            except ConnectionResetError:
                pass
        return data

    def pause(self) -> None:
        """Take nothing more out of the socket."""
        self._under_tls().pause_reading()

    def resume(self) -> None:
        """Read again."""
        self._under_tls().resume_reading()

    def _under_tls(self) -> asyncio.Transport:
        # asyncio's TLS goes on reading into a buffer of its own while its user does not read.
        secured = getattr(self.writer.transport, "_ssl_protocol", None)
        return secured._transport if secured else self.writer.transport  # type: ignore[no-any-return]

    def segments(self) -> int:
        """How many segments with data have come."""
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _DATA_SEGMENTS_IN.size)
        return int(_DATA_SEGMENTS_IN.unpack(info)[0])

    def reset(self) -> None:
        """Leave as a program that crashed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        """Leave in order."""
        self.writer.close()


async def connect(
    passthrough: Passthrough,
    context: ssl.SSLContext | None = None,
    *,
    host: str = "",
    small: bool = False,
    is_served: bool = True,
) -> Reader:
    """A reader that is served; `small` for one that takes in nearly nothing while it does not read."""
    host = host or passthrough.settings.host or "127.0.0.1"
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setblocking(False)
    if small:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    served = sum(client.is_served for client in passthrough.clients)
    await asyncio.get_running_loop().sock_connect(sock, (host, passthrough.port))
    streams = await asyncio.open_connection(
        sock=sock, ssl=context, server_hostname="" if context else None, limit=SMALL_BUFFER_BYTES if small else 2**20
    )
    if is_served:
        await until(lambda: sum(c.is_served for c in passthrough.clients) > served, "a reader to be served")
    return Reader(streams)


async def feed_each(bench: Bench, healthy: Reader, numbers: range) -> float:
    """Feed telegrams one by one as the healthy reader gets them; the longest that it waited for one."""
    longest = 0.0
    for number in numbers:
        telegram = numbered(number)
        begun = now()
        bench.feed(telegram, piece_bytes=300)
        assert await healthy.gets(telegram)
        longest = max(longest, now() - begun)
    return longest
