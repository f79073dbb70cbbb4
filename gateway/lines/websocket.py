"""A WebSocket that P1 bytes come from (RFC 6455), as the Homey Energy Dongle serves it.

A frame need not be a telegram: the content of text and binary frames is one stream of bytes. The other end is pinged
while nothing comes, so that one that is gone is noticed, also behind a proxy that keeps the connection open.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.lines.line import Line, Receive
from gateway.problems.problem import ProblemError, problem_of
from gateway.transport.socket_options import watch_peer
from gateway.transport.timed_reading import read_in_time

if TYPE_CHECKING:
    from aiohttp import ClientSession, ClientWebSocketResponse

CONNECT_TIMEOUT_S = 10.0
MAX_MESSAGE_BYTES = 16_384
"""Largest message, of one frame or of several: two of the longest telegrams."""
MESSAGE_TOO_BIG = 1009
"""Status code of a WebSocket for a message that is too large (RFC 6455, 7.4.1)."""
PING_EVERY_S = 10.0
"""Time without a frame after which the other end is pinged. It has half of that time to respond."""


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

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Connect, and resolve the name each time."""
        from gateway.lines.http_client import client_problem, websocket_session  # noqa: PLC0415 - where there is one
        from gateway.transport.client_tls import trust  # noqa: PLC0415

        tls = await read_in_time(trust, self._ca) if self._url.startswith("wss:") else False
        session = websocket_session(tls)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                socket = await session.ws_connect(
                    self._url,
                    autoclose=False,
                    compress=0,
                    decode_text=False,
                    heartbeat=PING_EVERY_S,
                    max_msg_size=MAX_MESSAGE_BYTES,
                )
        except BaseException as error:
            await session.close()
            if isinstance(error, Exception):
                raise client_problem(error, CONNECT_TIMEOUT_S) from error
            raise
        if (sock := socket.get_extra_info("socket")) is not None:
            watch_peer(sock)
        closed = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(_read_until_closed(session, socket, receive, closed))
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


async def _read_until_closed(
    session: ClientSession,
    socket: ClientWebSocketResponse[bool],
    receive: Receive,
    closed: asyncio.Future[Exception | None],
) -> None:
    """Read until the line ends; then set the result of `closed` to the error that ended it, or to None."""
    from gateway.lines.http_client import close_websocket  # noqa: PLC0415 - only where there is such a line

    error: Exception | None = None
    try:
        error = await _read(socket, receive)
    except asyncio.CancelledError:
        pass  # the line was closed here, which is the only way to cancel
    finally:
        await close_websocket(session, socket)
        if not closed.done():
            closed.set_result(error)


async def _read(socket: ClientWebSocketResponse[bool], receive: Receive) -> Exception | None:
    """Pass the content of all frames on; return the error that ended the WebSocket, or None."""
    from aiohttp import WSMsgType  # noqa: PLC0415 - only where there is such a line

    while True:
        message = await socket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            if message.data:
                receive(message.data)
            await asyncio.sleep(0)  # others have their turn, however many frames come
        elif message.type is WSMsgType.ERROR:
            return _error(message.data)
        elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
            return _error(socket.exception())


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
