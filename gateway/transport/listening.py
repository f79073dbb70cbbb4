"""Listening sockets whose clients are accepted a few at a time, so that a crowd that connects makes nobody wait.

asyncio accepts up to `backlog` connections in one turn of the event loop, and sets the queue of the kernel to the same
number. Here the two differ: few are accepted in a turn, and the others wait in a long queue of the kernel. uvloop
accepts all that wait.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import Protocol

ACCEPTED_PER_TURN = 2
"""Largest number of connections that one listener accepts in a turn of the event loop: its `backlog` for asyncio."""
QUEUE = 512
"""Number of connections that wait in the kernel. When a gateway restarts, all of its clients connect at once."""


class HasDescriptor(Protocol):
    """A socket, or what an event loop shows of it."""

    def fileno(self) -> int:
        """Return its file descriptor."""


def lengthen_queue(sockets: Iterable[HasDescriptor]) -> None:
    """Let `QUEUE` connections wait in the kernel for sockets that listen already."""
    for each in sockets:
        with socket.socket(fileno=os.dup(each.fileno())) as same:
            same.listen(QUEUE)
