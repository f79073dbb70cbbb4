"""uvicorn's server in the gateway's own event loop, with limits of our own.

This uses more than uvicorn's public interface: `H11Protocol` with its `cycle`, `transport` and `connections`, and
`Server.server_state` and `capture_signals`. `tests/nodes/status_page/test_uvicorn_contract.py` guards them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.nodes.status_page.stream import MAX_VIEWERS
from gateway.transport.addresses import Address, peer_of
from gateway.transport.descriptors import takes_reserve
from gateway.transport.socket_options import watch_peer

MAX_CONNECTIONS = MAX_VIEWERS + 56
MAX_HEADER_BYTES = 16_384
HEADERS_TIMEOUT_S = 10.0
"""Longest time for the headers of a request. A connection without a complete request is then closed."""
KEEP_ALIVE_S = 30
"""Longest time between two requests of one connection."""

IsAllowed = Callable[[Address], bool]


class BrowserConnection(H11Protocol):
    """A browser's connection."""

    is_allowed: IsAllowed
    note_few_descriptors: Callable[[], None]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Check the client before anything is read from it."""
        super().connection_made(transport)
        self._deadline: asyncio.TimerHandle | None = None
        if transport.get_extra_info("peername") is None:
            transport.abort()  # closed already
            return
        address, _ = peer_of(transport)
        if not self.is_allowed(address) or len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        sock = transport.get_extra_info("socket")
        if takes_reserve(sock):
            self.note_few_descriptors()
            transport.abort()
            return
        watch_peer(sock)
        # asyncio sets it only on its own sockets. Without it, each response waits 40 ms for a delayed ACK.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        """Take data, and set a deadline for the rest of a request."""
        super().data_received(data)
        if self._deadline is None and not self._is_responding:
            self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadline."""
        if self._deadline:
            self._deadline.cancel()
        super().connection_lost(exc)

    @property
    def _is_responding(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _set_deadline(self) -> None:
        self._deadline = asyncio.get_running_loop().call_later(HEADERS_TIMEOUT_S, self._close_unfinished)

    def _close_unfinished(self) -> None:
        self._deadline = None
        if not self._is_responding:
            self.transport.abort()


class PageServer(uvicorn.Server):
    """Serves an application until `should_exit` is set."""

    def __init__(self, app: ASGIApp, is_allowed: IsAllowed, note_few_descriptors: Callable[[], None]) -> None:
        """Prepare to serve `app`; `note_few_descriptors` is called for a client that is refused for want of them."""
        rules = {"is_allowed": staticmethod(is_allowed), "note_few_descriptors": staticmethod(note_few_descriptors)}
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
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do not handle signals: the gateway does."""
        yield

    def cut_off(self) -> None:
        """Abort all connections."""
        connections: set[Any] = self.server_state.connections
        for connection in list(connections):
            connection.transport.abort()
