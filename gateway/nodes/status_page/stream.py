"""Server-sent events: each viewer receives what its view shows, with each telegram and each change.

What a view shows is a channel, and all viewers of a channel share its events, so that each is made once. A slow viewer
skips events and gets the newest one. A viewer that takes no data is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from typing import Protocol
from urllib.parse import parse_qsl

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

MAX_QUERY_FIELDS = 8
"""Largest number of parameters of a request for events."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # tells a proxy not to buffer events
]


class Channel(Protocol):
    """The events of one view."""

    @property
    def every_s(self) -> float:
        """Return the shortest time between two events."""

    def signature(self) -> object:
        """Return a value that changes when there is something to send."""

    async def whole(self) -> bytes:
        """Return everything that the view shows, as JSON: the first event, and the one after a skipped event."""

    async def change(self) -> bytes:
        """Return what has changed since the last call, as JSON; by default everything."""


class Viewer:
    """One browser with an open page."""

    def __init__(self) -> None:
        self._newest: bytes | None = None
        self._has_event = asyncio.Event()
        self.is_gone = False

    @property
    def is_behind(self) -> bool:
        """Return True while an event waits that the viewer has not taken."""
        return self._newest is not None

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


class _Broadcast:
    """A channel with its viewers."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.viewers: list[Viewer] = []
        self._before: object = None
        self._looked = float("-inf")
        self._whole = b""
        self._made_for: object = None
        self._made_at = float("-inf")
        self._making = asyncio.Lock()
        """Keeps a whole event and a change apart: each has all that the one before has."""

    async def look(self) -> None:
        """Send what has changed to the viewers."""
        moment = now()
        if moment - self._looked < self._channel.every_s:
            return
        self._looked = moment
        signature = self._channel.signature()
        if signature == self._before:
            return
        self._before = signature
        async with self._making:
            change = _event(await self._channel.change())
        for viewer in list(self.viewers):
            viewer.show(await self.whole() if viewer.is_behind else change)
            await asyncio.sleep(BETWEEN_VIEWERS_S)

    async def whole(self) -> bytes:
        """Return the event with everything, which is made once for all viewers."""
        async with self._making:
            signature, moment = self._channel.signature(), now()
            if signature != self._made_for or moment - self._made_at > SHARED_S:
                self._whole = _event(await self._channel.whole())
                self._made_for, self._made_at = signature, moment
            return self._whole


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


class Stream:
    """All viewers, and the events for them."""

    def __init__(self, channels: Callable[[Mapping[str, str]], tuple[Hashable, Callable[[], Channel]] | None]) -> None:
        """Begin without viewers.

        Args:
            channels: returns the key of the channel for the parameters of a request, and a function that makes it;
                None if there is no such view.

        """
        self._channels = channels
        self._broadcasts: dict[Hashable, _Broadcast] = {}
        self._viewers: dict[Viewer, str] = {}
        """Each viewer with its source."""
        self._arrivals = asyncio.Event()

    def __len__(self) -> int:
        return len(self._viewers)

    async def run(self) -> None:
        """Check for changes and send them, until cancelled."""
        while True:
            if not self._viewers:
                self._arrivals.clear()
                await self._arrivals.wait()
            for broadcast in list(self._broadcasts.values()):
                await broadcast.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def close(self) -> None:
        """Disconnect all viewers."""
        for viewer in self._viewers:
            viewer.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one viewer, as an ASGI application."""
        client = scope.get("client")
        source = source_of(name_peer(*client)[0]) if client else ""
        chosen = self._channels(_parameters(scope))
        if chosen is None:
            await _refuse(send, 404, b"there is no such view")
        elif not self._has_room(source):
            await _refuse(send, 503, b"too many viewers", (b"retry-after", b"60"))
        elif scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await send({"type": "http.response.body", "body": b""})
        else:
            key, make = chosen
            if key not in self._broadcasts:
                self._broadcasts[key] = _Broadcast(make())
            broadcast = self._broadcasts[key]
            try:
                await self._serve(broadcast, source, receive, send)
            finally:
                if not broadcast.viewers and self._broadcasts.get(key) is broadcast:
                    del self._broadcasts[key]

    async def _serve(self, broadcast: _Broadcast, source: str, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        viewer = Viewer()
        self._viewers[viewer] = source
        broadcast.viewers.append(viewer)
        self._arrivals.set()
        leaving = asyncio.create_task(_await_end(receive, viewer), name="viewer leaves")
        try:
            viewer.show(await broadcast.whole())
            while True:
                event = await viewer.next() or await broadcast.whole()
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
            broadcast.viewers.remove(viewer)

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


def _parameters(scope: Scope) -> Mapping[str, str]:
    query = scope.get("query_string", b"").decode("latin-1")
    try:
        return dict(parse_qsl(query, max_num_fields=MAX_QUERY_FIELDS))
    except ValueError:
        return {"view": ""}


async def _refuse(send: Send, status: int, why: bytes, *headers: tuple[bytes, bytes]) -> None:
    types = [(b"content-type", b"text/plain"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": types})
    await send({"type": "http.response.body", "body": why})


async def _await_end(receive: Receive, viewer: Viewer) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.end()
