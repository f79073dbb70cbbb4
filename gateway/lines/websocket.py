"""A WebSocket that P1 bytes come from (RFC 6455), as the Homey Energy Dongle serves it.

A frame need not be a telegram: the content of text and binary frames is one stream of bytes. The other end is pinged
while nothing comes, so that one that is gone is noticed, also behind a proxy that keeps the connection open.

Each frame costs time, however little it contains. So frames are counted, also pings and those without content, and a
source that sends too many is disconnected. The pause until the next connection grows, as after any failure.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.lines.line import Line, Receive
from gateway.problems.problem import Problem, ProblemError, problem_of
from gateway.runtime.clock import now
from gateway.runtime.log import LineBudget
from gateway.transport.socket_options import watch_peer
from gateway.transport.timed_reading import read_in_time

if TYPE_CHECKING:
    from aiohttp import ClientSession, ClientWebSocketResponse

CONNECT_TIMEOUT_S = 10.0
MAX_MESSAGE_BYTES = 16_384
"""Largest message, of one frame or of several: two of the longest telegrams."""
MESSAGE_TOO_BIG = 1009
"""Status code of a WebSocket for a message that is too large (RFC 6455, 7.4.1)."""
MAX_FRAMES_PER_S = 500
"""Largest number of frames in a second, with pings: a telegram in pieces of 12 characters has about 100.

As many are read without a pause, which takes some milliseconds.
"""
PING_EVERY_S = 10.0
"""Time without a frame after which the other end is pinged. It has half of that time to respond."""

_FLOOD = problem_of(
    "websocket-flood",
    f"the source sends more than {MAX_FRAMES_PER_S} WebSocket frames a second",
    "Restart the source. If that does not help, this is not the address of P1 telegrams",
    short="too many WebSocket frames",
)
_CABLE = "Is the cable of the source in the P1 port of the meter? If so, restart the source"
_NO_MESSAGE = problem_of("no-message", "no message comes over the WebSocket", _CABLE)
_EMPTY = problem_of("empty-messages", "the messages of the source are empty", _CABLE)


class WebSocketLine(Line):
    """A WebSocket of a device, over which only pings and their responses are sent."""

    def __init__(self, url: str, ca: Path | None = None) -> None:
        """Connect to `url`.

        Args:
            url: the address, which begins with `ws://` or `wss://`.
            ca: PEM file of the authorities of a `wss://` host; None for those of the system.

        """
        self._url, self._ca = url, ca
        self._reading: asyncio.Task[None] | None = None
        self._empty: int | None = None

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Connect, and resolve the name each time."""
        from gateway.lines.http_client import WAITING, client_problem, websocket_session  # noqa: PLC0415 - if needed
        from gateway.transport.client_tls import trust  # noqa: PLC0415

        tls = await read_in_time(trust, self._ca) if self._url.startswith("wss:") else False
        session = websocket_session(tls)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                socket = await session.ws_connect(
                    self._url,
                    autoclose=False,
                    autoping=False,
                    compress=0,
                    decode_text=False,
                    heartbeat=PING_EVERY_S,
                    max_msg_size=MAX_MESSAGE_BYTES,
                    timeout=WAITING,
                )
        except BaseException as error:
            await session.close()
            if isinstance(error, Exception):
                raise client_problem(error, CONNECT_TIMEOUT_S, self._url) from error
            raise
        if (sock := socket.get_extra_info("socket")) is not None:
            watch_peer(sock)
        closed = asyncio.get_running_loop().create_future()
        self._empty = 0
        self._reading = asyncio.create_task(
            self._read_until_closed(session, socket, receive, closed), name="read WebSocket"
        )
        try:
            await asyncio.sleep(0)  # a task that is cancelled before it begins would not close the session
        except asyncio.CancelledError:
            self.close()
            await session.close()
            raise
        return closed

    def close(self) -> None:
        """Close, without waiting long for the other end."""
        if self._reading:
            self._reading.cancel()

    def silence(self) -> Problem | None:
        """Return that no content has come over an open WebSocket; None once some has."""
        if self._empty is None:
            return None
        return _EMPTY if self._empty else _NO_MESSAGE

    async def _read_until_closed(
        self,
        session: ClientSession,
        socket: ClientWebSocketResponse[bool],
        receive: Receive,
        closed: asyncio.Future[Exception | None],
    ) -> None:
        """Read until the line ends; then set the result of `closed` to the error that ended it, or to None."""
        from gateway.lines.http_client import close_websocket  # noqa: PLC0415 - only where there is such a line

        error: Exception | None = None
        try:
            error = await self._read(socket, receive)
        except asyncio.CancelledError:
            pass  # the line was closed here, which is the only way to cancel
        except OSError as reason:  # a pong could not be sent
            error = reason
        finally:
            # A close in order would read all the frames of a flood that are here already.
            is_flood = isinstance(error, ProblemError) and error.problem is _FLOOD
            await close_websocket(session, None if is_flood else socket)
            if not closed.done():
                closed.set_result(error)

    async def _read(self, socket: ClientWebSocketResponse[bool], receive: Receive) -> Exception | None:
        """Pass the content of all frames on; return the error that ended the WebSocket, or None."""
        from aiohttp import WSMsgType  # noqa: PLC0415 - only where there is such a line

        budget = LineBudget(now(), MAX_FRAMES_PER_S, 1 / MAX_FRAMES_PER_S)
        while True:
            # Frames that are here already come without a pause. Reading stops only where the budget ends.
            message = await socket.receive()
            if message.type is WSMsgType.ERROR:
                return _error(message.data)
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
                return _error(socket.exception())
            if not budget.allows(now()):
                return ProblemError(_FLOOD)
            if message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._take(message.data, receive)

    def _take(self, content: bytes, receive: Receive) -> None:
        if content:
            self._empty = None
            receive(content)
        elif self._empty is not None:
            self._empty += 1


def _error(error: BaseException | None) -> Exception | None:
    """Return the error of a line, with the problem where a message of this kind has its own."""
    if isinstance(error, TimeoutError):
        seconds = round(PING_EVERY_S / 2)
        what = f"no response to a ping within {seconds} s"
        return ProblemError(problem_of("no-pong", what, "Is the device on?", short=what, seconds=seconds))
    if getattr(error, "code", None) == MESSAGE_TOO_BIG:
        what = f"a message has more than {MAX_MESSAGE_BYTES} bytes"
        return ProblemError(problem_of("message-too-large", what, "This is not the address of P1 telegrams"))
    return error if isinstance(error, Exception) else None
