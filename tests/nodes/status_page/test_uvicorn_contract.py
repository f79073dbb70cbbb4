"""The internals of uvicorn that the status page uses.

`gateway/transport/http_server.py` limits the connections of uvicorn's HTTP protocol by subclassing it; uvicorn does
not document what it uses for that. When one of these tests fails with a new uvicorn, fix server.py before the pin in
pyproject.toml is widened.
"""

from __future__ import annotations

import asyncio
import inspect
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.transport.http_gate import Gate
from gateway.transport.http_server import BrowserConnection, PageServer
from tests.waiting import until

CHANGED = f"uvicorn {version('uvicorn')} has changed, and gateway/transport/http_server.py depends on it: "
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LIMIT_S = 60.0


class Application:
    """An application whose response ends when the test says so."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        self.has_begun.set()
        await self.may_end.wait()
        await send({"type": "http.response.body", "body": b"ok"})


class Serving:
    """A server with one client."""

    def __init__(self, server: PageServer, application: Application) -> None:
        self.server = server
        self.application = application
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    @property
    def connections(self) -> set[Any]:
        state = getattr(self.server, "server_state", None)
        assert state is not None, CHANGED + "Server.server_state does not exist"
        assert isinstance(getattr(state, "connections", None), set), CHANGED + "server_state.connections is not a set"
        connections: set[Any] = state.connections
        return connections


@asynccontextmanager
async def serving() -> AsyncIterator[Serving]:
    application = Application()
    bench = Serving(
        PageServer(application, lambda _address: True, Gate(lambda _address: False, lambda _reason: None)), application
    )
    listener = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(bench.server.serve(sockets=[listener]))
    bench.reader, bench.writer = await asyncio.open_connection(*listener.getsockname())
    try:
        await until(lambda: bench.connections, "a new connection is not added to server_state.connections")
        yield bench
    finally:
        application.may_end.set()
        bench.server.should_exit = True
        bench.server.cut_off()
        bench.writer.close()
        await asyncio.wait_for(task, LIMIT_S)
        listener.close()


@pytest.mark.parametrize(
    "name",
    [
        *("__init__", "connection_made", "data_received", "connection_lost", "handle_events"),
        *("pause_writing", "resume_writing", "send_400_response"),
    ],
)
def test_the_protocol_has_the_methods_that_are_overridden(name: str) -> None:
    ours, theirs = getattr(BrowserConnection, name), getattr(H11Protocol, name, None)
    assert theirs is not None, CHANGED + f"H11Protocol.{name} does not exist"
    assert list(inspect.signature(theirs).parameters) == list(inspect.signature(ours).parameters), CHANGED + name


@pytest.mark.parametrize(
    "name",
    [
        *("is_allowed", "gate", "received", "address", "last_active", "is_responding", "abort"),
        *("_source", "_strangers_bytes", "_waits_for_turn", "_deadline", "_stall", "_take_turn", "_recognise"),
        *("_set_deadline", "_cancel_deadline", "_close_unfinished"),
    ],
)
async def test_the_protocol_has_no_attribute_with_a_name_of_ours(name: str) -> None:
    config = uvicorn.Config(Application())
    config.load()
    plain = H11Protocol(config, uvicorn.Server(config).server_state, {})
    assert not hasattr(plain, name), CHANGED + f"H11Protocol has its own {name}"


async def test_a_connection_is_made_from_the_class_in_the_configuration() -> None:
    async with serving() as bench:
        (connection,) = bench.connections
        assert isinstance(connection, BrowserConnection), CHANGED + f"Config(http=...) makes a {type(connection)}"
        assert isinstance(connection, H11Protocol)
        assert connection.connections is bench.connections, CHANGED + "a connection does not know all connections"
        assert connection.transport is not None, CHANGED + "a connection has no transport"
        assert callable(connection.transport.abort)


async def test_the_cycle_shows_whether_a_response_is_complete() -> None:
    async with serving() as bench:
        (connection,) = bench.connections
        assert hasattr(connection, "cycle"), CHANGED + "H11Protocol.cycle does not exist"
        assert connection.cycle is None, CHANGED + "cycle is not None before the first request"
        bench.writer.write(REQUEST)
        await asyncio.wait_for(bench.application.has_begun.wait(), LIMIT_S)
        assert connection.cycle is not None, CHANGED + "cycle is None during a request"
        assert connection.cycle.response_complete is False, CHANGED + "response_complete before the end of a response"
        bench.application.may_end.set()
        await until(lambda: connection.cycle.response_complete, "response_complete is not set after a response")


async def test_an_aborted_connection_leaves_the_state_and_the_client_sees_it() -> None:
    async with serving() as bench:
        bench.server.cut_off()
        assert await asyncio.wait_for(bench.reader.read(1), LIMIT_S) == b""
        await until(lambda: not bench.connections, "a closed connection stays in server_state.connections")


async def test_the_server_leaves_signals_to_the_gateway() -> None:
    assert callable(getattr(uvicorn.Server, "capture_signals", None)), CHANGED + "Server.capture_signals does not exist"
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with serving():
        during = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert during == before, CHANGED + "capture_signals is not what installs the signal handlers"
