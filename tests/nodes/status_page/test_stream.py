"""Server-sent events: every viewer gets the newest event, and none waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.nodes.status_page import stream as module
from gateway.nodes.status_page.stream import MAX_VIEWERS, Stream
from tests.waiting import until

Message = dict[str, Any]


class Browser:
    """A viewer that takes what it is sent, unless it is stuck."""

    def __init__(self, method: str = "GET") -> None:
        self.scope: Any = {"type": "http", "method": method}
        self.sent: list[Message] = []
        self.takes = asyncio.Event()
        self.takes.set()
        self._leaves = asyncio.Event()

    async def receive(self) -> Message:
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.takes.wait()
        self.sent.append(message)

    def leave(self) -> None:
        self._leaves.set()

    @property
    def events(self) -> list[bytes]:
        return [message["body"] for message in self.sent if message.get("body")]


class Source:
    """The status that is sent to viewers."""

    every_s = 0.0

    def __init__(self) -> None:
        self.number = 0
        self.described = 0

    async def whole(self) -> bytes:
        self.described += 1
        return b"%d" % self.number

    change = whole

    def signature(self) -> object:
        return self.number


class Changes(Source):
    """A status of which only the changes are sent."""

    async def change(self) -> bytes:
        return b"change to %d" % self.number


def stream_of(source: Source) -> Stream:
    return Stream(lambda parameters: None if "view" in parameters else ("", lambda: source))


@asynccontextmanager
async def streaming(source: Source) -> AsyncIterator[Stream]:
    stream = stream_of(source)
    task = asyncio.create_task(stream.run())
    try:
        yield stream
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@asynccontextmanager
async def watching(stream: Stream, *browsers: Browser) -> AsyncIterator[None]:
    before = len(stream)
    tasks = [asyncio.create_task(stream(each.scope, each.receive, each.send)) for each in browsers]
    await until(lambda: len(stream) == before + len(browsers))
    try:
        yield
    finally:
        for each in browsers:
            each.leave()
            each.takes.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 5)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.005)


async def test_a_viewer_gets_the_status_at_once_and_then_every_change() -> None:
    source, browser = Source(), Browser()
    async with streaming(source) as stream, watching(stream, browser):
        await until(lambda: browser.events)
        assert browser.sent[0]["status"] == 200
        assert dict(browser.sent[0]["headers"])[b"content-type"] == b"text/event-stream; charset=utf-8"
        for number in (1, 2, 3):
            source.number = number
            await until(lambda n=number: browser.events[-1] == b"data: %d\n\n" % n)  # type: ignore[misc]
    assert browser.sent[-1] == {"type": "http.response.body", "body": b""}


async def test_a_change_is_described_once_for_all_viewers() -> None:
    source, browsers = Source(), [Browser() for _ in range(10)]
    async with streaming(source) as stream, watching(stream, *browsers):
        await until(lambda: all(each.events for each in browsers))
        before = source.described
        source.number = 1
        await until(lambda: all(each.events[-1] == b"data: 1\n\n" for each in browsers))
        assert source.described == before + 1


async def test_changes_are_sent_alone_and_everything_after_a_skipped_one() -> None:
    source, slow, quick = Changes(), Browser(), Browser()
    async with streaming(source) as stream, watching(stream, slow, quick):
        await until(lambda: slow.events and quick.events)
        assert slow.events == quick.events == [b"data: 0\n\n"]
        slow.takes.clear()
        for number in range(1, 5):
            source.number = number
            await until(lambda n=number: quick.events[-1] == b"data: change to %d\n\n" % n)  # type: ignore[misc]
        slow.takes.set()
        await until(lambda: slow.events[-1] == b"data: 4\n\n")


async def test_a_view_that_does_not_exist_has_no_events() -> None:
    browser = Browser()
    browser.scope["query_string"] = b"view=nothing"
    await stream_of(Source())(browser.scope, browser.receive, browser.send)
    assert browser.sent[0]["status"] == 404


async def test_a_slow_viewer_gets_the_newest_and_holds_up_nobody() -> None:
    source, slow, quick = Source(), Browser(), Browser()
    async with streaming(source) as stream, watching(stream, slow, quick):
        await until(lambda: slow.events and quick.events)
        slow.takes.clear()
        for number in range(1, 20):
            source.number = number
            await until(lambda n=number: quick.events[-1] == b"data: %d\n\n" % n)  # type: ignore[misc]
        slow.takes.set()
        await until(lambda: slow.events[-1] == b"data: 19\n\n")
        assert len(slow.events) <= 4


async def test_a_viewer_that_takes_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALL_TIMEOUT_S", 0.05)
    source, stuck, other = Source(), Browser(), Browser()
    async with streaming(source) as stream, watching(stream, stuck, other):
        await until(lambda: stuck.events and other.events)
        stuck.takes.clear()
        source.number = 1
        await until(lambda: len(stream) == 1)
        # Its response is not ended, so that the server closes the connection.
        assert stuck.sent[-1].get("more_body")
        source.number = 2
        await until(lambda: other.events[-1] == b"data: 2\n\n")


async def test_an_unchanged_status_is_sent_again_as_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIGN_OF_LIFE_EVERY_S", 0.01)
    source, browser = Source(), Browser()
    async with streaming(source) as stream, watching(stream, browser):
        await until(lambda: len(browser.events) > 3)
    assert set(browser.events) == {b"data: 0\n\n"}


async def test_nothing_is_checked_without_viewers() -> None:
    looked = 0

    class Watched(Source):
        def signature(self) -> object:
            nonlocal looked
            looked += 1
            return looked

    stream = stream_of(Watched())
    task = asyncio.create_task(stream.run())
    browser = Browser()
    async with watching(stream, browser):
        await until(lambda: looked > 2)
    await until(lambda: not stream._arrivals.is_set())
    before = looked
    for _ in range(5):
        await asyncio.sleep(0)
    assert looked <= before + 1
    task.cancel()


async def test_one_viewer_too_many_is_refused_for_now() -> None:
    source, browsers, late = Source(), [Browser() for _ in range(MAX_VIEWERS)], Browser()
    async with streaming(source) as stream, watching(stream, *browsers):
        await stream(late.scope, late.receive, late.send)
        assert late.sent[0]["status"] == 503
        assert len(stream) == MAX_VIEWERS
        browsers[0].leave()
        await until(lambda: len(stream) == MAX_VIEWERS - 1)


async def test_all_viewers_end_when_the_page_does() -> None:
    source, browsers = Source(), [Browser() for _ in range(3)]
    async with streaming(source) as stream, watching(stream, *browsers):
        stream.close()
        await until(lambda: not len(stream))
    assert all(each.sent[-1] == {"type": "http.response.body", "body": b""} for each in browsers)


async def test_a_request_for_the_head_alone_does_not_add_a_viewer() -> None:
    browser = Browser("HEAD")
    stream = stream_of(Source())
    await stream(browser.scope, browser.receive, browser.send)
    assert [message["type"] for message in browser.sent] == ["http.response.start", "http.response.body"]
    assert not len(stream)
