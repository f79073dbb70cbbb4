"""What every kind of line has in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

Receive = Callable[[bytes], None]


class Line(Protocol):
    """Something that P1 bytes come from."""

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Open the line and hand what it brings to `receive`; the future ends when the line does.

        Raises:
            OSError: when it cannot be opened.

        """

    def write(self, data: bytes) -> bool:
        """Send to the meter; False when the line takes no more now, or is one that is never written to."""

    def close(self) -> None:
        """Close at once, dropping what is unsent."""


class Receiver(asyncio.BaseProtocol):
    """Protocol that hands received bytes on and knows when its connection is closed."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        """End `closed`, with the error if there was one."""
        if not self.closed.done():
            self.closed.set_result(exc)
