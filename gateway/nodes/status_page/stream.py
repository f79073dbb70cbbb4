"""Server-sent events: each viewer is told how the gateway is, once per telegram or change.

A viewer that is slow misses what was in between and gets the newest; one that takes nothing is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.types import Receive, Scope, Send

MAX_VIEWERS = 200
LOOK_EVERY_S = 0.2
"""How often the marks under the nodes are looked at, while there are viewers."""
STALL_TIMEOUT_S = 10.0
"""A viewer that takes nothing for this long is dropped."""
SIGN_OF_LIFE_EVERY_S = 15.0
"""What has not changed is told again: less than proxies and the page itself wait."""
BETWEEN_VIEWERS_S = 0.002
"""Modbus clients are answered between two viewers."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # asks a proxy not to hold events back
]


class Viewer:
    """One browser that looks on."""

    def __init__(self) -> None:
        self._newest: bytes | None = None
        self._has_news = asyncio.Event()
        self.is_gone = False

    def show(self, event: bytes) -> None:
        """Send `event` as soon as the ones before it are taken, and nothing of what was not begun by then."""
        self._newest = event
        self._has_news.set()

    def end(self) -> None:
        """Send no more."""
        self.is_gone = True
        self._has_news.set()

    async def next(self) -> bytes | None:
        """The newest event; None when there is none for a while."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._has_news.wait(), SIGN_OF_LIFE_EVERY_S)
        self._has_news.clear()
        event, self._newest = self._newest, None
        return event


class Stream:
    """All viewers, and what they are shown."""

    def __init__(self, describe: Callable[[], bytes], signature: Callable[[], object]) -> None:
        """Show viewers what `describe` says, whenever `signature` changes."""
        self._describe = describe
        self._signature = signature
        self._viewers: dict[Viewer, None] = {}
        self._arrivals = asyncio.Event()

    def __len__(self) -> int:
        return len(self._viewers)

    async def run(self) -> None:
        """Look for changes and show them, until cancelled."""
        before: object = None
        while True:
            if not self._viewers:
                self._arrivals.clear()
                await self._arrivals.wait()
            signature = self._signature()
            if signature != before:
                before = signature
                event = self._event()
                for viewer in list(self._viewers):
                    viewer.show(event)
                    await asyncio.sleep(BETWEEN_VIEWERS_S)
            await asyncio.sleep(LOOK_EVERY_S)

    def close(self) -> None:
        """End all."""
        for viewer in self._viewers:
            viewer.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one viewer, as an ASGI application."""
        if len(self._viewers) >= MAX_VIEWERS:
            headers = [(b"content-type", b"text/plain"), (b"retry-after", b"60")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": b"too many viewers"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        viewer = Viewer()
        self._viewers[viewer] = None
        self._arrivals.set()
        leaving = asyncio.create_task(_await_end(receive, viewer))
        try:
            viewer.show(self._event())
            while True:
                event = await viewer.next() or self._event()
                if viewer.is_gone:
                    break
                async with asyncio.timeout(STALL_TIMEOUT_S):
                    await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            pass  # without an end of the answer the server closes the connection
        finally:
            leaving.cancel()
            del self._viewers[viewer]

    def _event(self) -> bytes:
        return b"data: " + self._describe() + b"\n\n"


async def _await_end(receive: Receive, viewer: Viewer) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.end()
