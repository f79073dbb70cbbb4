"""Listening sockets whose clients are accepted a few at a time, so that a crowd that connects makes nobody wait.

asyncio accepts up to `backlog` connections in one turn of the event loop, and sets the queue of the kernel to the same
number. Here the two differ: few are accepted in a turn, and the others wait in a long queue of the kernel. uvloop
accepts all that wait.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable
from typing import Protocol

ACCEPTED_PER_TURN = 2
"""Largest number of connections that one listener accepts in a turn of the event loop: its `backlog` for asyncio."""
QUEUE = 512
"""Number of connections that wait in the kernel. When a gateway restarts, all of its clients connect at once."""


BACKLOG = 100
"""Number of connections that wait in the kernel until `lengthen_queue` is called."""


class HasDescriptor(Protocol):
    """A socket, or what an event loop shows of it."""

    def fileno(self) -> int:
        """Return its file descriptor."""


def lengthen_queue(sockets: Iterable[HasDescriptor]) -> None:
    """Let `QUEUE` connections wait in the kernel for sockets that listen already."""
    for each in sockets:
        with socket.socket(fileno=os.dup(each.fileno())) as same:
            same.listen(QUEUE)


async def listen_on(host: str, port: int) -> socket.socket:
    """Return a listening socket, for a name with several addresses on the first; an empty host means all addresses.

    Raises:
        OSError: the system does not allow it.

    """
    loop = asyncio.get_running_loop()
    where = host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")  # noqa: S104 - as configured
    family, _, _, _, address = (await loop.getaddrinfo(where, port, type=socket.SOCK_STREAM))[0]
    is_dual = family == socket.AF_INET6 and not host
    return socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=is_dual)
