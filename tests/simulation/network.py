"""A network in virtual time: hosts, connections between them, and what a network does to bytes.

A connection is two channels, one in each direction. A channel keeps the order of its bytes and never loses any, as TCP;
it may delay them, hold them back and deliver what it held in one burst or drop by drop, or be reset.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from ipaddress import ip_address
from typing import Any, Self

from tests.simulation.loop import VirtualLoop

HOST: ContextVar[str] = ContextVar("HOST", default="world")
"""Name of the host that a task runs on; its connections begin there."""
LATENCY_S = (0.0002, 0.004)
"""Shortest and longest way of a segment."""
SPACING_S = 1e-5
"""Shortest time between two segments of a channel."""
WINDOW_BYTES = 65_536
"""Bytes under way and unread before the sender has to keep some."""


class Link:
    """The way between two hosts, in both directions."""

    def __init__(self) -> None:
        self.is_held = False
        self.lag_s = 0.0
        """Added to the way of each segment."""
        self.drip_s: float | None = None
        """After a hold: seconds between two of the held segments; None for all at once."""
        self.transports: list[Transport] = []


class Network:
    """All hosts and their links."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self.loop = loop
        self.random = random.Random(seed)
        self._names: dict[str, str] = {}
        self._listeners: dict[tuple[str, Any], Server] = {}
        self._links: dict[frozenset[str], Link] = {}
        self._connected: dict[Any, Transport] = {}
        self._ports = 40_000
        loop.network = self

    def address_of(self, name: str) -> str:
        """Return the address of a host, a new one where it has none."""
        for address, known in self._names.items():
            if known == name:
                return address
        address = f"10.0.0.{len(self._names) + 1}"
        self._names[address] = name
        return address

    def link(self, one: str, other: str) -> Link:
        """Return the link between two hosts."""
        return self._links.setdefault(frozenset((one, other)), Link())

    def look_up(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """Resolve a name, as `getaddrinfo`."""
        try:
            address = str(ip_address(host))
        except ValueError:
            address = self.address_of(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def listen(self, factory: Callable[[], Any], host: Any, port: Any) -> Server:
        """Listen on a port of the host that calls."""
        key = ("unix", port) if host == "unix" else (HOST.get(), port)
        if key in self._listeners:
            raise OSError(98, "Address already in use")
        server = self._listeners[key] = Server(self, factory, key)
        return server

    def forget(self, server: Server) -> None:
        """Listen no more."""
        self._listeners.pop(server.key, None)

    async def connect(self, sock: Any, address: tuple[str, int]) -> None:
        """Make a connection from the host that calls; refused where nobody listens.

        Raises:
            ConnectionRefusedError: nobody listens there.

        """
        here, there = HOST.get(), self._names.get(address[0], "")
        link = self.link(here, there)
        await asyncio.sleep(2 * self._latency(link))
        while link.is_held:  # noqa: ASYNC110 - the kernel sends its SYN again
            await asyncio.sleep(1.0)
        server = self._listeners.get((there, address[1]))
        if server is None:
            raise ConnectionRefusedError(111, "Connection refused")
        self._ports += 1
        near = Transport(self, link, here, (self.address_of(here), self._ports), address)
        far = Transport(self, link, there, address, (self.address_of(here), self._ports))
        near.peer, far.peer = far, near
        link.transports += [near, far]
        self._connected[sock] = near
        server.accept(far)

    async def adopt(self, factory: Callable[[], Any], sock: Any, host: Any, port: Any) -> tuple[Any, Any]:
        """Give a connection that was made its protocol; make it first where there is none yet."""
        if sock is None:
            sock = _Socket()
            await self.connect(sock, self.look_up(host, port)[0][4])
        transport = self._connected.pop(sock)
        transport.sock = sock
        protocol = factory()
        transport.begin(protocol)
        return transport, protocol

    def reset(self, one: str, other: str) -> None:
        """Cut all connections between two hosts."""
        for transport in list(self.link(one, other).transports):
            transport.lose(ConnectionResetError(104, "Connection reset by peer"))

    def close_listeners(self, name: str) -> None:
        """Listen no more on any port of a host, as its program has ended."""
        for key in [key for key in self._listeners if key[0] == name]:
            del self._listeners[key]

    def hold(self, one: str, other: str) -> None:
        """Let nothing through any more; what is sent waits."""
        self.link(one, other).is_held = True

    def release(self, one: str, other: str, drip_s: float | None = None) -> None:
        """Let through what waits, at once or a segment each `drip_s` seconds."""
        link = self.link(one, other)
        link.is_held, link.drip_s = False, drip_s
        for transport in list(link.transports):
            transport.flush()

    def _latency(self, link: Link) -> float:
        return self.random.uniform(*LATENCY_S) + link.lag_s

    def way_s(self, link: Link) -> float:
        """Return how long the next segment is under way."""
        return self._latency(link)


class Server:
    """A listener, as far as asyncio and pymodbus use one."""

    def __init__(self, network: Network, factory: Callable[[], Any], key: tuple[str, Any]) -> None:
        self._network, self._factory, self.key = network, factory, key
        self.sockets = [self]
        self._host = HOST.get()

    def getsockname(self) -> tuple[str, Any]:
        """Return the address that is listened on."""
        return "0.0.0.0", self.key[1]

    def accept(self, transport: Transport) -> None:
        """Take a new connection."""
        self._network.loop.call_soon(self._begin, transport)

    def _begin(self, transport: Transport) -> None:
        token = HOST.set(self._host)
        try:
            protocol = self._factory()
        finally:
            HOST.reset(token)
        transport.sock = _Socket()
        transport.begin(protocol)

    def close(self) -> None:
        """Listen no more."""
        self._network.forget(self)

    def is_serving(self) -> bool:
        """Return whether it listens."""
        return True

    async def start_serving(self) -> None:
        """Listen already."""

    async def wait_closed(self) -> None:
        """Wait for nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class _Socket:
    """A socket whose options nobody reads."""

    family = socket.AF_INET

    def setsockopt(self, *_: object) -> None:
        """Ignore an option."""

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        """Hold nothing."""


class Transport(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, network: Network, link: Link, host: str, sockname: tuple[str, int], peername: Any) -> None:
        super().__init__()
        self._network, self._link, self._host = network, link, host
        self._names = {"sockname": sockname, "peername": peername}
        self.peer: Transport = self
        self.sock: Any = None
        self._protocol: Any = None
        self._held: deque[bytes | None] = deque()
        """Segments that the link holds back; None for the end."""
        self._held_under_way: deque[bytes | None] = deque()
        """Those that were under way when the hold began."""
        self._arrives_at = 0.0
        self._unread: deque[bytes | None] = deque()
        self._is_reading = True
        self._is_closing = False
        self._is_lost = False
        self._unsent = 0
        self._is_full = False
        self._high = WINDOW_BYTES

    def begin(self, protocol: Any) -> None:
        """Tell the protocol that it is connected, then hand it what has come already."""
        self._protocol = protocol
        self._call(protocol.connection_made, self)
        self._read()

    def _call(self, callback: Callable[..., Any], *arguments: Any) -> Any:
        """Call the protocol on its own host."""
        token = HOST.set(self._host)
        try:
            return callback(*arguments)
        finally:
            HOST.reset(token)

    # what protocols use

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return names and the socket."""
        return self.sock if name == "socket" else self._names.get(name, default)

    def set_protocol(self, protocol: Any) -> None:
        """Change the protocol."""
        self._protocol = protocol

    def get_protocol(self) -> Any:
        """Return the protocol."""
        return self._protocol

    def write(self, data: Any) -> None:
        """Send bytes."""
        if self._is_lost or self._is_closing or not data:
            return
        self._unsent += len(data)
        self._send(bytes(data))
        if self._unsent > self._high + WINDOW_BYTES and not self._is_full:
            self._is_full = True
            self._call(self._protocol.pause_writing)

    def writelines(self, list_of_data: Any) -> None:
        """Send several pieces."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Return whether one direction can be closed alone."""
        return True

    def write_eof(self) -> None:
        """Send no more."""
        self._send(None)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set after how many bytes beyond the window the protocol is asked to pause."""
        self._high = high if high is not None else WINDOW_BYTES

    def get_write_buffer_size(self) -> int:
        """Return the bytes that do not fit in the window."""
        return max(0, self._unsent - WINDOW_BYTES)

    def pause_reading(self) -> None:
        """Leave what comes where it is."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Take what has come."""
        if not self._is_reading and not self._is_lost:
            self._is_reading = True
            self._network.loop.call_soon(self._read)

    def is_reading(self) -> bool:
        """Return whether what comes is taken."""
        return self._is_reading and not self._is_closing

    def is_closing(self) -> bool:
        """Return whether it is closed or about to be."""
        return self._is_closing or self._is_lost

    def close(self) -> None:
        """Close after what was sent."""
        if not self.is_closing():
            self._is_closing = True
            self._send(None)
            self._network.loop.call_soon(self.lose, None)

    def abort(self) -> None:
        """Cut off at once; the peer sees a reset, once the link lets it through."""
        if not self._is_lost:
            self._is_closing = True
            if not self._link.is_held:
                self._network.loop.call_later(
                    self._network.way_s(self._link), self.peer.lose, ConnectionResetError(104, "reset")
                )
            self._network.loop.call_soon(self.lose, None)

    # what the network does

    def lose(self, error: Exception | None) -> None:
        """End this end of the connection."""
        if self._is_lost:
            return
        self._is_lost = True
        if self in self._link.transports:
            self._link.transports.remove(self)
        if self._protocol:
            self._call(self._protocol.connection_lost, error)
        if hasattr(self.sock, "close"):
            self.sock.close()

    def flush(self) -> None:
        """Send on what the link held back."""
        held = [*self._held_under_way, *self._held]
        self._held_under_way.clear()
        self._held.clear()
        for index, segment in enumerate(held):
            self._schedule(segment, (self._link.drip_s or 0.0) * index)

    def _send(self, segment: bytes | None) -> None:
        if self._link.is_held:
            self._held.append(segment)
        else:
            self._schedule(segment, 0.0)

    def _schedule(self, segment: bytes | None, later_s: float) -> None:
        loop = self._network.loop
        # Never two at one moment: timers of one moment run in any order.
        self._arrives_at = max(self._arrives_at + SPACING_S, loop.time() + self._network.way_s(self._link) + later_s)
        loop.call_at(self._arrives_at, self._arrive, segment)

    def _arrive(self, segment: bytes | None) -> None:
        if self._link.is_held:
            self._held_under_way.append(segment)
            return
        peer = self.peer
        if segment is not None:
            self._unsent -= len(segment)
            if self._is_full and self._unsent <= WINDOW_BYTES and not self._is_lost:
                self._is_full = False
                self._call(self._protocol.resume_writing)
        if not peer._is_lost:
            peer._unread.append(segment)
            peer._read()

    def _read(self) -> None:
        while self._unread and self._is_reading and self._protocol and not self.is_closing():
            segment = self._unread.popleft()
            if segment is None:
                if not self._call(self._protocol.eof_received):
                    self.close()
                return
            if isinstance(self._protocol, asyncio.BufferedProtocol):
                self._fill(segment)
            else:
                self._call(self._protocol.data_received, segment)

    def _fill(self, segment: bytes) -> None:
        buffer = self._protocol.get_buffer(-1)
        taken = segment[: len(buffer)]
        buffer[: len(taken)] = taken
        if len(segment) > len(taken):
            self._unread.appendleft(segment[len(taken) :])
        self._call(self._protocol.buffer_updated, len(taken))
