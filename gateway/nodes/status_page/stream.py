"""Server-sent events: each viewer receives the status with each telegram and each change.

A slow viewer skips events and gets the newest one. A viewer that takes no data is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.types import Receive, Scope, Send

from gateway.nodes.status_page.shared import SHARED_S
from gateway.runtime.clock import now
from gateway.transport.addresses import name_peer, source_of
from gateway.transport.shares import room_for

MAX_VIEWERS = 200
LOOK_EVERY_S = 0.2
"""Interval of the checks for a change, while there are viewers."""
STALL_TIMEOUT_S = 10.0
"""Longest time without data taken, after which a viewer is dropped."""
SIGN_OF_LIFE_EVERY_S = 15.0
"""Longest time between two events. Proxies and the page itself close a connection that is quiet for longer."""
BETWEEN_VIEWERS_S = 0.002
"""Pause between two viewers, in which Modbus clients are served."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # tells a proxy not to buffer events
]


class Viewer:
    """One browser with an open page."""

    def __init__(self) -> None:
        self._newest: bytes | None = None
        self._has_event = asyncio.Event()
        self.is_gone = False

    def show(self, event: bytes) -> None:
        """Send `event` next; it replaces an event that waits."""
        self._newest = event
        self._has_event.set()

    def end(self) -> None:
        """Stop sending."""
        self.is_gone = True
        self._has_event.set()

    async def next(self) -> bytes | None:
        """Wait for the newest event and return it; None after `SIGN_OF_LIFE_EVERY_S` without one."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._has_event.wait(), SIGN_OF_LIFE_EVERY_S)
        self._has_event.clear()
        event, self._newest = self._newest, None
        return event


class Stream:
    """All viewers, and the events for them."""

    def __init__(self, describe: Callable[[], bytes], signature: Callable[[], object]) -> None:
        """Send the result of `describe` to the viewers whenever that of `signature` changes."""
        self._describe = describe
        self._signature = signature
        self._viewers: dict[Viewer, str] = {}
        """Each viewer with its source."""
        self._arrivals = asyncio.Event()
        self._newest = b""
        self._described: object = None
        self._described_at = float("-inf")

    def __len__(self) -> int:
        return len(self._viewers)

    async def run(self) -> None:
        """Check for changes and send them, until cancelled."""
        before: object = None
        while True:
            if not self._viewers:
                self._arrivals.clear()
                await self._arrivals.wait()
            signature = self._signature()
            if signature != before:
                before = signature
                event = self._event(signature)
                for viewer in list(self._viewers):
                    viewer.show(event)
                    await asyncio.sleep(BETWEEN_VIEWERS_S)
            await asyncio.sleep(LOOK_EVERY_S)

    def close(self) -> None:
        """Disconnect all viewers."""
        for viewer in self._viewers:
            viewer.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one viewer, as an ASGI application."""
        client = scope.get("client")
        source = source_of(name_peer(*client)[0]) if client else ""
        if not self._has_room(source):
            headers = [(b"content-type", b"text/plain"), (b"retry-after", b"60")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": b"too many viewers"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        viewer = Viewer()
        self._viewers[viewer] = source
        self._arrivals.set()
        leaving = asyncio.create_task(_await_end(receive, viewer))
        try:
            viewer.show(self._event(self._signature()))
            while True:
                event = await viewer.next() or self._event(self._signature())
                if viewer.is_gone:
                    break
                async with asyncio.timeout(STALL_TIMEOUT_S):
                    await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            pass  # the server closes a connection whose response was not ended
        finally:
            leaving.cancel()
            self._viewers.pop(viewer, None)

    def _event(self, signature: object) -> bytes:
        """Return the newest event, which is made once for all viewers."""
        moment = now()
        if signature != self._described or moment - self._described_at > SHARED_S:
            self._described, self._described_at = signature, moment
            self._newest = b"data: " + self._describe() + b"\n\n"
        return self._newest

    def _has_room(self, source: str) -> bool:
        """Return whether there is room for a viewer, after another one was closed if that is fair."""
        if len(self._viewers) < MAX_VIEWERS:
            return True
        room = room_for(source, self._viewers)
        if not room.is_owed:
            return False
        leaving = room.candidates[0]
        del self._viewers[leaving]
        leaving.end()
        return True


async def _await_end(receive: Receive, viewer: Viewer) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.end()
