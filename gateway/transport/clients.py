"""The TCP clients of one listener: admission, eviction when there are too many, and disconnection of idle clients."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from gateway.runtime.audit import ACCEPTED, REFUSED, Event, strangers
from gateway.runtime.flow import Node
from gateway.transport.addresses import Address, Network, peer_of, source_of
from gateway.transport.client import Client
from gateway.transport.descriptors import FEW_DESCRIPTORS, takes_reserve
from gateway.transport.shares import TurnedAway, room_for
from gateway.transport.socket_options import watch_peer
from gateway.transport.timed_reading import read_in_time
from gateway.transport.turns import Turns

if TYPE_CHECKING:
    import socket

    from gateway.transport.certificates import Expiry
    from gateway.transport.tls import PreTlsBuffer, ServerTls, TlsFiles


HANDSHAKE_PAUSE_S = 0.04
"""Pause of a listener between the beginnings of two TLS handshakes, which take a millisecond or more each."""


class Eviction(StrEnum):
    """The client that is disconnected when one more than `max_clients` connects."""

    LEAST_RECENTLY_ACTIVE = "least recently active"
    OLDEST = "oldest"
    NOBODY = "nobody"
    """The new client."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The rules for admission and disconnection of clients."""

    max_clients: int = 32
    allow: tuple[Network, ...] = ()
    """Networks whose clients are served; empty for all."""
    priority: tuple[Network, ...] = ()
    """Networks whose clients are never disconnected for another client."""
    eviction: Eviction = Eviction.LEAST_RECENTLY_ACTIVE
    idle_timeout_s: float | None = None
    """Seconds without data after which a client is disconnected."""
    tls: TlsFiles | None = None


C = TypeVar("C", bound=Client)


class Clients(Generic[C]):
    """The connected clients, in the order of their arrival."""

    def __init__(
        self, node: Node, admission: Admission, makes_room_first: Callable[[C], bool] = lambda _client: False
    ) -> None:
        """Manage the clients of `node`, which logs refused and disconnected clients.

        Args:
            node: the node that serves the clients.
            admission: the limits, and the addresses that are allowed.
            makes_room_first: returns True for a client that may be gone already; it is closed first for a new one.

        """
        self._node = node
        self._makes_room_first = makes_room_first
        self._admission = admission
        self._connected: dict[C, str] = {}
        """Each client with its source."""
        self._tls: ServerTls | None = None
        self._handshakes: set[asyncio.Task[None]] = set()
        self._turns = Turns(HANDSHAKE_PAUSE_S)
        self._secured: dict[C, asyncio.Transport] = {}
        """The connections over TLS."""
        self._is_open = False
        self.refused = 0
        self.turned_away = Counter[TurnedAway]()
        """Number of clients that were refused, or closed for others, by reason."""

    def __len__(self) -> int:
        return len(self._connected)

    def __iter__(self) -> Iterator[C]:
        return iter(list(self._connected))

    async def open(self) -> None:
        """Prepare for clients, and for TLS if it is configured.

        Raises:
            OSError: when a certificate cannot be used.

        """
        if self._admission.tls:
            from gateway.transport.tls import ServerTls  # noqa: PLC0415 - only where there is TLS

            self._tls = await read_in_time(ServerTls, self._admission.tls)
        self._is_open = True

    @property
    def tls_files(self) -> TlsFiles | None:
        """Return the files of the certificate and key; None without TLS."""
        return self._admission.tls

    @property
    def expiries(self) -> Sequence[Expiry]:
        """Return when the certificates in use expire; empty without TLS."""
        return self._tls.expiries if self._tls else ()

    def expiry_details(self) -> dict[str, str]:
        """Return the last day of the certificate and of the authorities, as details of the node."""
        return {f"{each.key}_valid_until": f"{each.at:%Y-%m-%d}" for each in self.expiries}

    async def renew_tls(self, tls: ServerTls) -> int:
        """Use `tls` from the next handshake on; return the number of clients that it no longer trusts, now closed.

        All other connections go on. A listener that is not open yet reads its files when it opens.
        """
        if self._tls is None:
            return 0
        before, self._tls = self._tls, tls
        if tls.authorities in (b"", before.authorities):
            return 0
        shown = {client: _certificate_of(transport) for client, transport in self._secured.items()}
        untrusted = await asyncio.to_thread(
            lambda: [client for client, certificate in shown.items() if not tls.trusts(certificate)]
        )
        for client in untrusted:
            client.abort()  # at once: a close in order would wait for the client, and go on serving it
        return len(untrusted)

    def enter(self, client: C, transport: asyncio.Transport) -> None:
        """Serve a new client or close its connection, before any of its data is read."""
        if transport.get_extra_info("peername") is None:
            transport.abort()  # the client is gone; uvloop reports that here, asyncio at the first read
            return
        client.address, client.name = peer_of(transport)
        sock = transport.get_extra_info("socket")
        if not self._admit(client, sock):
            self.refused += 1
            transport.abort()
            return
        watch_peer(sock)
        if self._tls is None:
            client.begin(transport)
        else:
            early = self._tls.hold(transport, client)  # type: ignore[arg-type]
            task = asyncio.get_running_loop().create_task(
                self._handshake(client, transport, self._tls, early), name="handshake"
            )
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    def is_allowed(self, address: Address) -> bool:
        """Return whether clients at `address` are allowed."""
        allow = self._admission.allow
        if not allow or any(address in network for network in allow):
            return True
        self._record(REFUSED, address, "not in allow")
        self.turned_away[TurnedAway.NOT_ALLOWED] += 1
        self._node.log_seldom(logging.WARNING, "a client was refused: its address is not in any network of allow")
        return False

    def _record(self, outcome: str, address: Address, detail: str, event: Event = Event.CONNECTION) -> None:
        strangers.record(event, outcome, address=str(address), node=self._node.name, detail=detail)

    def leave(self, client: C) -> None:
        """Remove a client that has disconnected."""
        self._connected.pop(client, None)
        self._secured.pop(client, None)

    def close_idle(self, now: float) -> None:
        """Disconnect idle clients."""
        timeout = self._admission.idle_timeout_s
        for client in self if timeout else ():
            if timeout and now - client.last_active > timeout:
                client.close()

    def close(self) -> None:
        """Disconnect all clients, also those that were accepted and enter only later."""
        self._is_open = False
        for task in self._handshakes:
            task.cancel()
        for client in self:
            client.close()

    def _admit(self, client: C, sock: socket.socket) -> bool:
        admission = self._admission
        if not self._is_open or not self.is_allowed(client.address):
            return False
        if takes_reserve(sock):
            self.turned_away[TurnedAway.FEW_DESCRIPTORS] += 1
            self._node.log_seldom(logging.WARNING, FEW_DESCRIPTORS)
            return False
        source = source_of(client.address)
        if len(self._connected) >= admission.max_clients and not self._make_room(source):
            self.turned_away[TurnedAway.FULL] += 1
            self._node.log_seldom(
                logging.WARNING, f"max_clients ({admission.max_clients}) is reached: new clients are refused"
            )
            return False
        self._connected[client] = source
        return True

    def _make_room(self, source: str) -> bool:
        """Close a client for a new one from `source`; return False if none may go."""
        admission = self._admission
        for client in self:
            if self._makes_room_first(client):
                self._evict(client)
                return True
        connected = self._connected
        if admission.priority:  # a crowd that connects makes room very often
            connected = {client: its for client, its in connected.items() if not self._has_priority(client)}
        room = room_for(source, connected)
        if not room.candidates or (admission.eviction is Eviction.NOBODY and not room.is_owed):
            return False
        is_oldest = admission.eviction is Eviction.OLDEST
        which = "longest connected" if is_oldest else "longest inactive"
        text = f"max_clients ({admission.max_clients}) is reached: the {which} client is closed for a new one"
        if room.is_owed:
            text += f". {room.source} has the most clients, and the new one comes from another address"
        self._node.log_seldom(logging.WARNING, text)
        self.turned_away[TurnedAway.UNFAIR if room.is_owed else TurnedAway.EVICTED] += 1
        others = room.candidates
        self._evict(others[0] if is_oldest else min(others, key=lambda each: (each.has_asked, each.last_active)))
        return True

    def _has_priority(self, client: C) -> bool:
        return any(client.address in network for network in self._admission.priority)

    def _evict(self, client: C) -> None:
        self.leave(client)
        client.abort()

    async def _handshake(self, client: C, transport: asyncio.Transport, tls: ServerTls, early: PreTlsBuffer) -> None:
        secured: asyncio.Transport | None = None
        try:
            secured = await tls.start(transport, client, early, partial(self._turns.wait, source_of(client.address)))  # type: ignore[arg-type]
        except OSError as error:
            self.refused += 1
            self.turned_away[TurnedAway.HANDSHAKE] += 1
            reason = getattr(error, "reason", None) or error.strerror or "the client went away"
            self._record(REFUSED, client.address, f"TLS handshake failed: {reason}")
            self._node.log_seldom(logging.WARNING, f"TLS handshake failed: {reason}")
            # Its traceback holds asyncio's frames with the buffers of the handshake, 256 KiB, in a reference cycle.
            error.__traceback__ = None
        finally:
            if secured is None:
                transport.abort()
                # asyncio does not report a connection that is lost during its handshake.
                client.connection_lost(None)
        if secured is None:
            return
        self._secured[client] = secured
        if tls.authorities:
            self._record(ACCEPTED, client.address, tls.subject_of(secured), Event.LOGIN)
        client.begin(secured)
        if self._tls is not tls and self._tls and not self._tls.trusts(_certificate_of(secured)):
            client.abort()  # the authorities were replaced during the handshake


def _certificate_of(transport: asyncio.Transport) -> bytes:
    """Return the certificate that a client has shown, in DER form; empty without one."""
    return transport.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
