"""uvicorn's server in the gateway's own event loop, with limits of our own.

This uses more than uvicorn's public interface; `tests/nodes/status_page/test_uvicorn_contract.py` guards all of it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.types import ASGIApp, Receive
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from gateway.runtime.clock import now
from gateway.transport.addresses import Address, peer_of, source_of
from gateway.transport.descriptors import takes_reserve
from gateway.transport.http_gate import Gate
from gateway.transport.listening import ACCEPTED_PER_TURN, lengthen_queue
from gateway.transport.shares import TurnedAway
from gateway.transport.socket_options import watch_peer
from gateway.transport.timed_reading import read_in_time

if TYPE_CHECKING:
    from gateway.transport.https import HttpsEntrance
    from gateway.transport.tls import TlsFiles

MAX_HEADER_BYTES = 16_384
RECEIVE_BUFFER_BYTES = 8192
"""Size of the receive buffer, which all connections share. asyncio's own 256 KiB costs an mmap per request."""
WRITE_BUFFER_BYTES = 16_384
"""Unsent bytes beyond which a response waits."""
HEADERS_TIMEOUT_S = 10.0
"""Longest time for the headers of a request. A connection without a complete request is then closed."""
STALL_TIMEOUT_S = 10.0
"""Longest time for which a browser does not read its response; its connection is then closed."""
KEEP_ALIVE_S = 30
"""Longest time between two requests of one connection."""

IsAllowed = Callable[[Address], bool]


class BrowserConnection(H11Protocol, asyncio.BufferedProtocol):
    """A browser's connection."""

    is_allowed: IsAllowed
    gate: Gate
    entrance: HttpsEntrance | None
    """Its handshakes; None for plain HTTP."""
    received: memoryview

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        recognise = partial(_recognise, weakref.ref(self))
        super().__init__(config, server_state, {**app_state, "recognise": recognise}, _loop)
        self.last_active = now()
        self._source = ""
        self._strangers_bytes = 0
        self._waits_for_turn = self._has_begun = False
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Check the client before anything is read from it."""
        super().connection_made(transport)
        if transport.get_extra_info("peername") is None:
            transport.abort()  # closed already
            return
        address, _ = peer_of(transport)
        self._source = source_of(address)
        sock = transport.get_extra_info("socket")
        if not self.is_allowed(address):
            self.gate.turn_away(TurnedAway.NOT_ALLOWED)
            transport.abort()
        elif takes_reserve(sock):
            self.gate.turn_away(TurnedAway.FEW_DESCRIPTORS)
            transport.abort()
        elif not self.gate.admit(self, address):
            transport.abort()
        else:
            watch_peer(sock)
            # asyncio sets it only on its own sockets. Without it, each response waits 40 ms for a delayed ACK.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.entrance:
                self.entrance.enter(self, transport, self._source, self._begin_secured)
            else:
                self._begin(transport)

    def _begin_secured(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._begin(transport)

    def _begin(self, transport: asyncio.Transport) -> None:
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self._set_deadline()
        self._has_begun = True
        self.handle_events()

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return the buffer for the next bytes."""
        return self.received

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was received."""
        self.data_received(bytes(self.received[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Keep data until the turn of this connection."""
        self.last_active = now()
        if self.gate.is_stranger(self):
            self._strangers_bytes += len(data)
            if self._strangers_bytes > self.gate.strangers_bytes:
                self.transport.abort()
                return
        super().data_received(data)

    def handle_events(self) -> None:
        """Ask for a turn to handle what was received, and read no more until then."""
        # The first bytes may come with the end of a handshake, before this connection has its secured transport.
        if self._has_begun and not self._waits_for_turn and self.conn.trailing_data[0]:
            self._waits_for_turn = True
            self.transport.pause_reading()
            self.gate.turns.ask(self._source, self._take_turn)

    def _take_turn(self) -> bool:
        self._waits_for_turn = False
        if self.transport.is_closing():
            return False
        if not self.flow.read_paused:
            self.transport.resume_reading()
        super().handle_events()
        if self.is_responding:
            self._cancel_deadline()
        elif self._deadline is None:
            self._set_deadline()
        return True

    def send_400_response(self, msg: str) -> None:
        """Respond to what is not HTTP, and close; h11 raises an error for a text after a HEAD request."""
        super().send_400_response("" if self.scope and self.scope["method"] == "HEAD" else msg)

    def pause_writing(self) -> None:
        """Stop sending, and close the connection if that takes too long."""
        super().pause_writing()
        self._stall = asyncio.get_running_loop().call_later(STALL_TIMEOUT_S, self.abort)

    def resume_writing(self) -> None:
        """Send again."""
        super().resume_writing()
        if self._stall:
            self._stall.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the gate."""
        self.gate.leave(self)
        self._cancel_deadline()
        if self._stall:
            self._stall.cancel()
        super().connection_lost(exc)
        # They refer to this connection. Without such cycles the TLS buffers, 256 KiB, are freed at once.
        self.cycle = None  # type: ignore[assignment]
        self.transport, self.flow = _GONE, FlowControl(_GONE)

    def abort(self) -> None:
        """Close at once."""
        self.transport.abort()

    @property
    def is_responding(self) -> bool:
        """Return whether a request waits for its turn, or has not got its whole response yet."""
        return self._waits_for_turn or (self.cycle is not None and not self.cycle.response_complete)

    def _set_deadline(self) -> None:
        self._deadline = asyncio.get_running_loop().call_later(HEADERS_TIMEOUT_S, self._close_unfinished)

    def _cancel_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _close_unfinished(self) -> None:
        self._deadline = None
        if not self.is_responding:
            self.transport.abort()


class _Gone(asyncio.Transport):
    """The transport of a connection that is lost."""

    def is_closing(self) -> bool:
        """Return True."""
        return True

    def abort(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


_GONE = _Gone()


def _recognise(connection: weakref.ref[BrowserConnection]) -> None:
    """Note that a request of a connection had access."""
    if there := connection():
        there.gate.recognise(there)


async def make_entrance(files: TlsFiles | None, note_failure: Callable[[str], None]) -> HttpsEntrance | None:
    """Return the entrance of a listener with these files; None without files.

    Raises:
        OSError: a file cannot be read in time, or cannot be used.

    """
    if files is None:
        return None
    from gateway.transport.https import HttpsEntrance  # noqa: PLC0415 - only where there is TLS
    from gateway.transport.tls import ServerTls  # noqa: PLC0415

    return HttpsEntrance(await read_in_time(ServerTls, files), note_failure)


async def read_body(receive: Receive, limit: int, kept: int, timeout_s: float) -> bytes | None:
    """Return the first `kept` bytes of a request's body; None if it is larger than `limit`, or takes too long."""
    body, size, has_more = bytearray(), 0, True
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while has_more and size <= limit:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                part = message.get("body", b"")
                size += len(part)
                body += part[: kept - len(body)]
                has_more = message.get("more_body", False)
    return None if has_more else bytes(body)


class PageServer(uvicorn.Server):
    """Serves an application until `should_exit` is set."""

    def __init__(self, app: ASGIApp, is_allowed: IsAllowed, gate: Gate, entrance: HttpsEntrance | None = None) -> None:
        """Prepare to serve `app` to the connections that `gate` admits, over TLS where there is an `entrance`."""
        self._gate, self._entrance = gate, entrance
        received = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        rules = {"is_allowed": staticmethod(is_allowed), "gate": gate, "entrance": entrance, "received": received}
        connection = type("AdmittedConnection", (BrowserConnection,), rules)
        # uvicorn logs a warning for each malformed request; nobody has to act on these.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        super().__init__(
            uvicorn.Config(
                app,
                http=connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=1,
                h11_max_incomplete_event_size=MAX_HEADER_BYTES,
                backlog=ACCEPTED_PER_TURN,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, with a queue for the clients that are not accepted yet."""
        await super().startup(sockets)
        lengthen_queue(sockets or ())

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do not handle signals: the gateway does."""
        yield

    def cut_off(self) -> None:
        """Abort all connections, and drop the requests that wait."""
        self._gate.turns.close()
        if self._entrance:
            self._entrance.close()
        connections: set[Any] = self.server_state.connections
        for connection in list(connections):
            connection.transport.abort()
