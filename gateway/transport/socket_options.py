"""Options of TCP sockets, and fair turns between connections that send much data."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 10, 5, 3
TCP_USER_TIMEOUT_MS = 20_000
"""Timeout that, with the keepalive, detects a peer without power within 20 s."""


def watch_peer(sock: socket.socket) -> None:
    """Make the kernel detect a peer that is gone without closing the connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": KEEPALIVE_IDLE_S,
        "TCP_KEEPINTVL": KEEPALIVE_INTERVAL_S,
        "TCP_KEEPCNT": KEEPALIVE_COUNT,
        "TCP_USER_TIMEOUT": TCP_USER_TIMEOUT_MS,
    }
    for name, value in options.items():
        option = getattr(socket, name, None)  # not every platform has all of them
        if option is not None:
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, option, value)


def wait_a_turn(transport: asyncio.Transport, go_on: Callable[[], None]) -> None:
    """Pause reading until the event loop's next turn; uvloop would read up to 31 more buffers first."""
    transport.pause_reading()
    asyncio.get_running_loop().call_soon(go_on)
