"""A client of a listener, as the listener sees it."""

from __future__ import annotations

import asyncio
from typing import Protocol

from gateway.transport.addresses import Address


class Client(Protocol):
    """The part of a connection that its listener uses."""

    address: Address
    name: str
    """Address and port as text. Both attributes are set when the client enters."""

    @property
    def last_active(self) -> float:
        """Return the time of the last exchange with the client."""

    @property
    def has_asked(self) -> bool:
        """Return whether the client has ever got a response.

        One that has not makes room first, so that a crowd of strangers cannot push out those that are at work.
        """

    def begin(self, transport: asyncio.Transport) -> None:
        """Serve over `transport`; with TLS, after the handshake."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the listener; may be called more than once."""

    def close(self) -> None:
        """Close after all sent data has left."""

    def abort(self) -> None:
        """Close at once, and drop unsent data."""


def close_in_order(transport: asyncio.Transport | None) -> None:
    """Close after all sent data has left; if a close is waiting for that already, close at once."""
    if transport is None:
        return
    # A TLS transport that is closed twice no longer knows how much waits.
    if transport.is_closing() or transport.get_write_buffer_size():
        transport.abort()
    else:
        transport.close()
