"""A reader of a passthrough: one TCP client, and what waits for it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from gateway.runtime.clock import now
from gateway.transport.addresses import Address
from gateway.transport.client import close_in_order

if TYPE_CHECKING:
    from gateway.nodes.passthrough.node import Passthrough

QUEUE_BYTES = 32_768
"""Largest number of bytes kept for a slow reader, besides those in its socket: half a minute of telegrams."""
SEND_BUFFER_BYTES = 16_384
"""Size of a socket's send buffer. The system's default keeps half an hour of telegrams for a reader that is gone."""


class Reader(asyncio.Protocol):
    """One TCP client."""

    has_asked = True

    def __init__(self, passthrough: Passthrough) -> None:
        self._passthrough = passthrough
        self._transport: asyncio.Transport | None = None
        self._has_begun = False
        self.address: Address = IPv4Address(0)
        self.name = ""
        self.last_active = now()
        self.has_ended = False
        """True once it has closed its half: it may read on, or be gone, which only shows when something is sent."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit or refuse the new client."""
        self._transport = transport
        with suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        # With TLS, the waiting bytes are counted above this transport, which must not keep a queue of its own.
        transport.set_write_buffer_limits(0)
        self._passthrough.clients.enter(self, transport)

    def begin(self, transport: asyncio.Transport) -> None:
        """Serve over `transport`."""
        self._transport = transport
        self._has_begun = True
        self._passthrough.welcome(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the passthrough."""
        self._passthrough.see_off(self)

    def data_received(self, data: bytes) -> None:
        """Hand over what the reader sends, which is for the meter only where that is allowed."""
        self.last_active = now()
        self._passthrough.take_from(self, data)

    def eof_received(self) -> bool:
        """Keep the connection open for a reader that only reads; TLS does not allow that."""
        assert self._transport is not None
        self.has_ended = True
        self._passthrough.end_writing(self)
        return self._transport.get_extra_info("ssl_object") is None

    @property
    def is_served(self) -> bool:
        """Return whether it gets data: it is admitted, its TLS handshake is done, and it is not being closed."""
        return self._has_begun and self._transport is not None and not self._transport.is_closing()

    def is_gone(self) -> bool:
        """Return whether the connection of a reader that has ended is broken, which asyncio no longer reports."""
        if not self.has_ended or self._transport is None or self._transport.is_closing():
            return False  # with TLS, a connection that closes has no socket any more
        error: int = self._transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return error != 0

    def send(self, data: bytes, moment: float) -> bool:
        """Send to a reader that is served; False if too much waits already."""
        transport = self._transport
        assert transport is not None
        waiting = transport.get_write_buffer_size()
        # If nothing waits, any piece is sent: none is larger than what is read from a line at once.
        if waiting and waiting + len(data) > QUEUE_BYTES:
            return False
        transport.write(data)
        self.last_active = moment
        self._passthrough.bytes_sent += len(data)
        return True

    def close(self) -> None:
        """Close in order if all that was sent has been taken, else at once."""
        close_in_order(self._transport)

    def abort(self) -> None:
        """Close at once, without sending what waits."""
        if self._transport:
            self._transport.abort()
