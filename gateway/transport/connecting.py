"""TCP connections to hosts: the first of the host's addresses that responds ("happy eyeballs").

All that look up the same name at the same time share one look-up. One that takes longer than an attempt to connect goes
on, and its result is for the next attempt. So a slow name server is enough, whatever the pauses between attempts are.

The event loop has few threads, and other work needs them too: serial devices, files, a reload. So
only some of them wait for name servers at a time, and further names wait for their turn. Names that failed the last
time have turns of their own: they do not delay those that work.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from asyncio.staggered import staggered_race
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from gateway.problems.problem import Problem
from gateway.problems.system import connection_timeout, name_server_timeout
from gateway.runtime.clock import now
from gateway.runtime.threads import LOOP_THREADS

HAPPY_EYEBALLS_DELAY_S = 0.25
"""Time after which the next address of a host is tried as well."""

LOOK_UPS = (LOOP_THREADS - 2) // 2
"""Largest number of names that are looked up at a time, and of names that failed the last time."""
KEPT_S = 60.0
"""Time for which addresses are kept that were found when nobody waited for them any more."""

Address = tuple[int, int, int, str, tuple[Any, ...]]
"""Family, type and protocol of a socket, a name, and the address, as `getaddrinfo` returns them."""


class _Found(NamedTuple):
    """The addresses of a name, and the moment at which they were found."""

    addresses: list[Address]
    moment: float


_LookUp = asyncio.Task[_Found]


class _LookUps:
    """The look-ups of an event loop."""

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(LOOK_UPS)
        self.turns_of_failing = asyncio.Semaphore(LOOK_UPS)
        self.failing: set[str] = set()
        """Hosts whose last look-up failed."""
        self.by_host: dict[str, _LookUp] = {}
        """Those that go on, and those whose addresses nobody has used yet."""


_look_ups: WeakKeyDictionary[asyncio.AbstractEventLoop, _LookUps] = WeakKeyDictionary()
"""The look-ups by event loop."""


async def connect_socket(host: str, port: int) -> socket.socket:
    """Connect to the first of the host's addresses that responds, and return the socket, which does not block.

    Raises:
        OSError: the name is not found, or no address can be connected to.

    """
    found = _numeric_address(host) or await look_up(host)
    if len(found) == 1:
        return await _attempt(found[0], port)
    first: socket.socket | None
    first, _, errors = await staggered_race([partial(_attempt, each, port) for each in found], HAPPY_EYEBALLS_DELAY_S)
    if first is None:
        raise next((error for error in errors if error), OSError(errno.EADDRNOTAVAIL, f"{host} has no address"))
    return first


def not_in_time(host: str, limit_s: float) -> Problem:
    """Return why there was no connection to a host within `limit_s` seconds."""
    return name_server_timeout(limit_s) if is_looking_up(host) else connection_timeout(limit_s)


def is_looking_up(host: str) -> bool:
    """Return whether no name server has responded yet with the addresses of a host."""
    begun = _look_ups_of(asyncio.get_running_loop()).by_host.get(host)
    return begun is not None and not begun.done()


async def _attempt(found: Address, port: int) -> socket.socket:
    family, kind, protocol, _, (address, _, *rest) = found
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (address, port, *rest))
    except BaseException:
        sock.close()
        raise
    return sock


def _numeric_address(host: str) -> list[Address]:
    """Return the address of a host that is given as one, which takes no thread; empty for a name."""
    for family, rest in ((socket.AF_INET, ()), (socket.AF_INET6, (0, 0))):
        with suppress(OSError):
            socket.inet_pton(family, host)
            # With the protocol, asyncio switches Nagle's algorithm off, which can delay a message by 40 ms.
            return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, 0, *rest))]
    return []


async def look_up(host: str) -> list[Address]:
    """Return the addresses of a name; a look-up that has begun is shared, and is not ended with those that wait.

    Raises:
        OSError: the name is not found.

    """
    loop = asyncio.get_running_loop()
    look_ups = _look_ups_of(loop)
    begun = look_ups.by_host.get(host)
    if begun is None or _is_old(begun):
        begun = look_ups.by_host[host] = loop.create_task(_addresses(look_ups, host), name=f"look up {host}")
        begun.add_done_callback(partial(_forget_error, look_ups, host))
    try:
        return (await asyncio.shield(begun)).addresses
    finally:
        if begun.done():
            _forget(look_ups, host, begun)


def _look_ups_of(loop: asyncio.AbstractEventLoop) -> _LookUps:
    if loop not in _look_ups:
        _look_ups[loop] = _LookUps()
    return _look_ups[loop]


def _is_old(begun: _LookUp) -> bool:
    return begun.done() and now() - begun.result().moment > KEPT_S


async def _addresses(look_ups: _LookUps, host: str) -> _Found:
    async with look_ups.turns_of_failing if host in look_ups.failing else look_ups.turns:
        look_ups.failing.add(host)
        found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    look_ups.failing.discard(host)
    return _Found([*found], now())


def _forget_error(look_ups: _LookUps, host: str, done: _LookUp) -> None:
    if done.cancelled() or done.exception():
        _forget(look_ups, host, done)


def _forget(look_ups: _LookUps, host: str, done: _LookUp) -> None:
    if look_ups.by_host.get(host) is done:
        del look_ups.by_host[host]
