"""A client of an HTTP listener without a network: passes segments to a connection, and reads the responses."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Collection, Sequence
from http.client import HTTPException, HTTPResponse
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.transport.http_gate import Gate
from gateway.transport.http_server import RECEIVE_BUFFER_BYTES, PageServer
from gateway.transport.turns import Turns

LOOP = asyncio.new_event_loop()
"""The event loop of all exchanges; files are read in its threads."""
with socket.create_server(("127.0.0.1", 0)) as _listener:
    CLIENT = socket.create_connection(_listener.getsockname())
    SOCKET, _ = _listener.accept()
    """Socket that each connection seems to have: it is asked for its options and its other end."""
QUIET_TURNS = 8
"""Number of turns of the loop without work after which the listener waits for its client."""
ENDLESS = ("/events",)
"""Paths whose responses end with the connection."""
LIMIT_S = 60.0
"""Time in which work ends, also on a busy machine."""


class Response(NamedTuple):
    """One response of the listener."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool


class Exchange(NamedTuple):
    """All that was sent on one connection."""

    requests: list[Scope]
    """Those that reached the application."""
    responses: list[Response]
    errors: list[dict[str, Any]]
    """Errors that nothing has handled."""


class _Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__({"peername": SOCKET.getpeername(), "socket": SOCKET})
        self.sent = b""
        self.is_closed = False

    def write(self, data: Any) -> None:
        assert not self.is_closed, "bytes after the end"
        self.sent += bytes(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        """Ignore it: the next segment waits for its turn anyway."""

    def resume_reading(self) -> None:
        """Ignore it, as above."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Ignore it: everything is sent at once."""


def exchange(app: ASGIApp, segments: Sequence[bytes]) -> Exchange:
    """Return the responses to a client that sends these segments and then ends the connection."""
    requests: list[Scope] = []
    errors: list[dict[str, Any]] = []

    working = set[object]()
    """The requests that the application works on; one whose client it waits for is none."""

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        is_complete = False

        async def receive_idly() -> Message:
            nonlocal is_complete
            # Behind the request nothing comes but its client's end, for which an application may wait beside its work.
            if not is_complete or scope["path"] in ENDLESS:
                working.discard(receive)
            message = await receive()
            working.add(receive)
            is_complete = not message.get("more_body", False)
            return message

        requests.append(scope)
        working.add(receive)
        try:
            await app(scope, receive_idly, send)
        finally:
            working.discard(receive)

    LOOP.set_exception_handler(lambda _loop, context: errors.append(context))
    transport = LOOP.run_until_complete(_send(noting, segments, working))
    return Exchange(requests, _responses(transport.sent, [scope["method"] for scope in requests]), errors)


async def _send(app: ASGIApp, segments: Sequence[bytes], working: Collection[object]) -> _Transport:
    gate = Gate(lambda _address: False, lambda _reason: None)
    gate.turns = Turns(0.0)
    server = PageServer(app, lambda _address: True, gate)
    server.config.load()
    protocol = server.config.http_protocol_class
    connection: Any = protocol(config=server.config, server_state=server.server_state, app_state={})  # type: ignore[operator,call-arg]
    transport = _Transport()
    connection.connection_made(transport)
    for segment in segments:
        for at in range(0, len(segment), RECEIVE_BUFFER_BYTES):
            if not transport.is_closed:
                connection.data_received(segment[at : at + RECEIVE_BUFFER_BYTES])
                await asyncio.wait_for(_settle(transport, working), LIMIT_S)
    connection.connection_lost(None)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=LIMIT_S)
    assert not left
    return transport


async def _settle(transport: _Transport, working: Collection[object]) -> None:
    """Wait until the listener waits for its client."""
    quiet, sent = 0, len(transport.sent)
    while quiet < QUIET_TURNS and not transport.is_closed:
        await asyncio.sleep(0.0005 if working else 0)  # a thread may do the work
        quiet = 0 if working or len(transport.sent) > sent else quiet + 1
        sent = len(transport.sent)


class _Stream(io.BytesIO):
    def makefile(self, _mode: str) -> _Stream:
        return self

    def close(self) -> None:
        """Stay open: the next response follows."""


def _responses(sent: bytes, methods: list[str]) -> list[Response]:
    """Return the responses in the bytes that were sent, in the order of the methods of their requests."""
    stream, found = _Stream(sent), []
    while stream.tell() < len(sent):
        method = methods[len(found)] if len(found) < len(methods) else None
        response = HTTPResponse(stream, method=method)  # type: ignore[arg-type]
        response.begin()
        try:
            body, is_whole = response.read(), True
        except HTTPException:
            body, is_whole = b"", False
        headers = {name.lower(): value for name, value in response.getheaders()}
        found.append(Response(response.status, headers, body, is_whole))
        if not is_whole:
            break
    return found
