"""The gate of an HTTP listener: which connections it has room for, and when the next request is handled.

The listener shares the event loop with the Modbus servers, which come first. So requests have turns: one at a
time, with a pause after each, and the sources in rotation. Connections have shares: when there is no room, the source
with the most connections gives up the one that has been idle for the longest time. Strangers, which have not shown the
password yet, have room of their own, and little of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.transport.addresses import Address, source_of
from gateway.transport.shares import TurnedAway, room_for
from gateway.transport.turns import Turns

MAX_CONNECTIONS = 256
"""Largest number of connections, besides those of strangers."""
MAX_STRANGERS_BYTES = 8192
"""Largest number of bytes of all requests of a connection that has not shown the password yet."""
MAX_STRANGERS = 32
"""Largest number of connections that have not shown the password yet."""
PAUSE_S = 0.004
"""Pause after each request, in which Modbus clients are served."""


class Connection(Protocol):
    """The part of a connection that the gate uses."""

    last_active: float
    """Time of the last data from the client."""

    @property
    def is_responding(self) -> bool:
        """Return whether a request has not got its whole response yet."""

    def abort(self) -> None:
        """Close at once."""


class Gate:
    """The connections of a listener, and the requests that wait."""

    def __init__(
        self,
        needs_password: Callable[[Address], bool],
        note: Callable[[TurnedAway], None],
        strangers_bytes: int = MAX_STRANGERS_BYTES,
    ) -> None:
        """Admit connections.

        Args:
            needs_password: returns True for an address that has to show the password.
            note: called for each connection that is refused, or closed for another one.
            strangers_bytes: largest number of bytes from a connection that has not shown the password.

        """
        self.strangers_bytes = strangers_bytes
        self.turns = Turns(PAUSE_S)
        self.turn_away = note
        self._needs_password = needs_password
        self._strangers: dict[Connection, str] = {}
        self._known: dict[Connection, str] = {}

    def __len__(self) -> int:
        return len(self._strangers) + len(self._known)

    def admit(self, connection: Connection, address: Address) -> bool:
        """Return whether there is room for a new connection, after another was closed if that is fair."""
        if self._needs_password(address):
            return self._enter(connection, source_of(address), self._strangers, MAX_STRANGERS)
        return self._enter(connection, source_of(address), self._known, MAX_CONNECTIONS)

    def recognise(self, connection: Connection) -> None:
        """Note that a connection has shown the password: it is no stranger any more."""
        source = self._strangers.pop(connection, None)
        if source is not None and not self._enter(connection, source, self._known, MAX_CONNECTIONS):
            connection.abort()

    def is_stranger(self, connection: Connection) -> bool:
        """Return whether a connection has to show the password first."""
        return connection in self._strangers

    def leave(self, connection: Connection) -> None:
        """Remove a connection that is closed."""
        self._strangers.pop(connection, None)
        self._known.pop(connection, None)

    def _enter(self, connection: Connection, source: str, members: dict[Connection, str], limit: int) -> bool:
        if len(members) >= limit:
            room = room_for(source, members)
            leaving = min(room.candidates, key=lambda each: (each.is_responding, each.last_active))
            if leaving.is_responding and not room.is_owed:
                self.turn_away(TurnedAway.FULL)
                return False
            self.turn_away(TurnedAway.UNFAIR if room.is_owed else TurnedAway.EVICTED)
            del members[leaving]
            leaving.abort()
        members[connection] = source
        return True
