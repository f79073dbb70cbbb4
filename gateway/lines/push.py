"""A line without a connection: another program posts telegrams to the gateway, which passes each one in here."""

from __future__ import annotations

import asyncio

from gateway.lines.line import Line, Receive


class PushLine(Line):
    """The telegrams of one meter that are posted. The line is open from the first post until it is closed."""

    def __init__(self) -> None:
        self._receive: Receive | None = None
        self._begun: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[Exception | None] | None = None

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Wait for the first post, however long that takes; its bytes come before this returns."""
        loop = asyncio.get_running_loop()
        self._receive, self._begun, self._closed = receive, loop.create_future(), loop.create_future()
        try:
            await self._begun
        except asyncio.CancelledError:
            self._receive = None
            raise
        return self._closed

    def post(self, data: bytes) -> bool:
        """Take a posted telegram at the moment of its arrival; return False if the line takes none now."""
        if self._receive is None or self._begun is None:
            return False
        if not self._begun.done():
            self._begun.set_result(None)
        self._receive(data)
        return True

    def close(self) -> None:
        """Take no more posts until the line is opened again."""
        self._receive = None
        if self._closed and not self._closed.done():
            self._closed.set_result(None)
