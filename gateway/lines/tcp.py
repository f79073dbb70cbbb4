"""A TCP connection that P1 bytes come from, as a ser2net serves it."""

from __future__ import annotations

import asyncio
import errno
from weakref import WeakKeyDictionary

from gateway.lines.line import Line, Receive, Receiver
from gateway.problems.problem import ProblemError
from gateway.problems.system import connection_problem
from gateway.transport.connecting import connect_socket, not_in_time
from gateway.transport.socket_options import wait_a_turn, watch_peer

CONNECT_TIMEOUT_S = 10.0

READ_BYTES = 2048
"""Largest number of bytes read at once: most telegrams in one piece, and so few that clients do not wait for long.

asyncio's default of 256 KiB can hold a hundred thousand invalid telegrams. The kernel holds 4096 of a serial line.
"""


_buffers: WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = WeakKeyDictionary()
"""The buffer of all connections, by the event loop that reads them: it reads one after the other."""


class _TcpReceiver(Receiver, asyncio.BufferedProtocol):
    def __init__(self, receive: Receive) -> None:
        super().__init__(receive)
        self._received = _buffers.setdefault(asyncio.get_running_loop(), memoryview(bytearray(READ_BYTES)))
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        if nbytes == READ_BYTES and self._transport:
            wait_a_turn(self._transport, self._go_on)
        self._receive(bytes(self._received[:nbytes]))

    def _go_on(self) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.resume_reading()


class TcpLine(Line):
    """A TCP connection to a ser2net or a similar program, over which nothing is ever sent."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._transport: asyncio.Transport | None = None

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Connect, and resolve the name each time."""
        self._transport, receiver = await connect(self._host, self._port, receive)
        return receiver.closed

    def close(self) -> None:
        """Reset the connection: an orderly close can hang if the peer is gone."""
        if self._transport:
            self._transport.abort()


async def connect(host: str, port: int, receive: Receive) -> tuple[asyncio.Transport, Receiver]:
    """Connect, and return the connection and its receiver; the kernel will notice a peer that is gone.

    Raises:
        ProblemError: there is no connection within `CONNECT_TIMEOUT_S`.

    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            sock = await connect_socket(host, port)
            transport, receiver = await loop.create_connection(lambda: _TcpReceiver(receive), sock=sock)
    except TimeoutError:
        raise ProblemError(not_in_time(host, CONNECT_TIMEOUT_S), errno.ETIMEDOUT) from None
    except OSError as error:
        raise ProblemError(connection_problem(error), error.errno) from error
    watch_peer(transport.get_extra_info("socket"))
    return transport, receiver
