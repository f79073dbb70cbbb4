"""TCP connections to hosts: the first of the host's addresses that responds ("happy eyeballs").

All that look up the same name at the same time share one look-up. One that takes longer than an attempt to connect goes
on, and the next attempt waits for the same one. So a name server that responds after five seconds is slow, but enough,
and each name keeps at most one of the few threads for look-ups.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from asyncio.staggered import staggered_race
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from gateway.problems.problem import Problem
from gateway.problems.system import connection_timeout, name_server_timeout

HAPPY_EYEBALLS_DELAY_S = 0.25
"""Time after which the next address of a host is tried as well."""

_Address = tuple[int, int, int, str, tuple[Any, ...]]
"""Family, type and protocol of a socket, a name, and the address, as `getaddrinfo` returns them."""
_LookUps = dict[str, asyncio.Task[list[_Address]]]

_look_ups: WeakKeyDictionary[asyncio.AbstractEventLoop, _LookUps] = WeakKeyDictionary()
"""The look-ups that go on, by event loop and host."""


async def connect_socket(host: str, port: int) -> socket.socket:
    """Connect to the first of the host's addresses that responds, and return the socket, which does not block.

    Raises:
        OSError: the name is not found, or no address can be connected to.

    """
    found = _numeric_address(host) or await _look_up(host)
    if len(found) == 1:
        return await _attempt(found[0], port)
    first: socket.socket | None
    first, _, errors = await staggered_race([partial(_attempt, each, port) for each in found], HAPPY_EYEBALLS_DELAY_S)
    if first is None:
        raise next((error for error in errors if error), OSError(errno.EADDRNOTAVAIL, f"{host} has no address"))
    return first


def not_in_time(host: str, limit_s: float) -> Problem:
    """Return why there was no connection to a host within `limit_s` seconds."""
    if host in _look_ups.get(asyncio.get_running_loop(), {}):
        return name_server_timeout(limit_s)
    return connection_timeout(limit_s)


async def _attempt(found: _Address, port: int) -> socket.socket:
    family, kind, protocol, _, (address, _, *rest) = found
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (address, port, *rest))
    except BaseException:
        sock.close()
        raise
    return sock


def _numeric_address(host: str) -> list[_Address]:
    """Return the address of a host that is given as one, which takes no thread; empty for a name."""
    for family, rest in ((socket.AF_INET, ()), (socket.AF_INET6, (0, 0))):
        with suppress(OSError):
            socket.inet_pton(family, host)
            return [(family, socket.SOCK_STREAM, 0, "", (host, 0, *rest))]
    return []


async def _look_up(host: str) -> list[_Address]:
    """Return the addresses of a name; a look-up that has begun is shared, and is not ended with those that wait."""
    loop = asyncio.get_running_loop()
    look_ups = _look_ups.setdefault(loop, {})
    if host not in look_ups:
        look_ups[host] = loop.create_task(_addresses(loop, host), name=f"look up {host}")
        look_ups[host].add_done_callback(partial(_end, look_ups, host))
    return await asyncio.shield(look_ups[host])


async def _addresses(loop: asyncio.AbstractEventLoop, host: str) -> list[_Address]:
    return [*await loop.getaddrinfo(host, 0, type=socket.SOCK_STREAM)]


def _end(look_ups: _LookUps, host: str, look_up: asyncio.Task[list[_Address]]) -> None:
    del look_ups[host]
    if not look_up.cancelled():
        look_up.exception()  # maybe nobody waits for it any more
