"""WebSockets as devices serve them: frames of any kind and size, and hosts that are something else or are gone."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from gateway.lines import websocket
from gateway.lines.websocket import MAX_MESSAGE_BYTES, WebSocketLine
from gateway.problems.problem import ProblemError
from gateway.runtime.clock import unix_now
from tests.certificates import HOST_CERTIFICATES, host_tls
from tests.conftest import own_telegram
from tests.nodes.p1_bench import Bench, running
from tests.protocol.p1.stream import stamped
from tests.waiting import until

TELEGRAM = own_telegram("v50_sagemcom-t210d")
LIMIT_S = 60.0


@pytest.fixture(autouse=True)
def _has_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give connections time on a busy machine."""
    monkeypatch.setattr(websocket, "CONNECT_TIMEOUT_S", LIMIT_S)


Serve = Callable[[web.WebSocketResponse], Awaitable[None]]


class Dongle:
    """A device that serves a WebSocket at /ws."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.connected = 0
        self.port = 0

    async def respond(self, request: web.Request) -> web.WebSocketResponse:
        self.connected += 1
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        await self._serve(websocket)
        return websocket


@asynccontextmanager
async def serving(*routes: web.RouteDef, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def dongle(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[Dongle]:
    device = Dongle(serve)
    async with serving(web.get("/ws", device.respond), tls=tls) as device.port:
        yield device


async def stay(websocket: web.WebSocketResponse) -> None:
    """Take what the reader sends, until it leaves."""
    async for _ in websocket:
        pass


async def problem_at(url: str, ca: Path | None = None) -> str:
    with pytest.raises(ProblemError) as caught:
        await WebSocketLine(url, ca).open(lambda _data: None)
    return caught.value.problem.code


async def ending_of(serve: Serve) -> Exception | None:
    """Return the error that ends a line which is served like this."""
    async with dongle(serve) as device:
        line = WebSocketLine(f"ws://127.0.0.1:{device.port}/ws")
        closed = await line.open(lambda _data: None)
        try:
            return await asyncio.wait_for(closed, LIMIT_S)
        finally:
            line.close()


async def test_text_and_binary_frames_are_one_stream_of_bytes() -> None:
    data = TELEGRAM + b"\xe9\x00 not UTF-8\r\n"

    async def serve(websocket: web.WebSocketResponse) -> None:
        for at in range(0, len(TELEGRAM), 100):
            await websocket.send_str(TELEGRAM[at : at + 100].decode("ascii"))
            await websocket.send_str("")
        await websocket.send_bytes(data[len(TELEGRAM) :])
        await websocket.send_frame(b"\xe9\xff", WSMsgType.TEXT)
        await stay(websocket)

    received = bytearray()
    async with dongle(serve) as device:
        line = WebSocketLine(f"ws://127.0.0.1:{device.port}/ws")
        closed = await line.open(received.extend)
        await until(lambda: len(received) == len(data) + 2)
        assert received == data + b"\xe9\xff"
        assert line.write(b"x") is False
        line.close()
        assert await asyncio.wait_for(closed, LIMIT_S) is None


async def test_a_dongle_is_read_and_read_again_after_it_has_restarted() -> None:
    async def serve(websocket: web.WebSocketResponse) -> None:
        for _ in range(3):
            await websocket.send_bytes(stamped(TELEGRAM, unix_now()))
            await asyncio.sleep(0.2)

    async with dongle(serve) as device:
        bench = Bench([("dongle", WebSocketLine(f"ws://127.0.0.1:{device.port}/ws"))])
        async with running(bench):
            await until(lambda: bench.meter.accepted >= 1 and device.connected >= 2)
    assert not bench.meter.refused


async def test_a_line_that_was_never_opened_can_be_closed() -> None:
    WebSocketLine("ws://127.0.0.1:1/ws").close()


@pytest.mark.parametrize(
    ("status", "headers", "code"),
    [
        (200, {}, "http-status"),
        (401, {"WWW-Authenticate": "Basic"}, "http-status"),
        (403, {}, "http-status"),
        (404, {}, "http-status"),
        (429, {}, "http-status"),
        (503, {}, "http-status"),
        (302, {"Location": "http://127.0.0.1:1/elsewhere"}, "http-redirect"),
        (307, {"Location": "ws://127.0.0.1:1/elsewhere"}, "http-redirect"),
        (304, {}, "http-redirect"),
    ],
)
async def test_a_response_that_is_no_websocket_is_reported(status: int, headers: dict[str, str], code: str) -> None:
    async def respond(_request: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers, text="<html>")

    async with serving(web.get("/ws", respond)) as port:
        assert await problem_at(f"ws://127.0.0.1:{port}/ws") == code


@pytest.mark.parametrize(
    "sent",
    [b"/KFM5 a telegram, not HTTP\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b""],
    ids=["telegrams", "not upgraded", "nothing"],
)
async def test_a_host_that_does_not_speak_http_is_reported(sent: bytes) -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await problem_at(f"ws://127.0.0.1:{port}/ws") in ("not-the-protocol", "connection-failed")


async def test_headers_that_drip_in_and_never_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "CONNECT_TIMEOUT_S", 0.5)

    async def respond(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
        while not writer.is_closing():
            writer.write(b"a: b\r\n")
            await asyncio.sleep(0.1)

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await problem_at(f"ws://127.0.0.1:{port}/ws") in ("connection-timeout", "not-the-protocol")


async def test_a_host_that_is_not_there_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert await problem_at(f"ws://127.0.0.1:{port}/ws") == "connection-refused"
    assert await problem_at("ws://no-such-host.invalid:1/ws") == "name-not-found"


async def test_a_message_without_end_is_not_kept() -> None:
    async def serve(websocket: web.WebSocketResponse) -> None:
        await websocket.send_bytes(b"x" * (MAX_MESSAGE_BYTES + 1))
        await stay(websocket)

    error = await ending_of(serve)
    assert isinstance(error, ProblemError)
    assert error.problem.code == "message-too-large"


async def test_a_peer_that_does_not_respond_to_a_ping_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PING_EVERY_S", 0.4)

    async def serve(_websocket: web.WebSocketResponse) -> None:
        await asyncio.sleep(LIMIT_S)  # it reads nothing, and so sees no ping

    error = await ending_of(serve)
    assert isinstance(error, ProblemError)
    assert error.problem.code == "no-pong"


async def test_a_quiet_peer_that_responds_to_pings_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PING_EVERY_S", 0.2)
    pings = 0

    async def serve(served: web.WebSocketResponse) -> None:
        nonlocal pings
        while (await served.receive()).type is WSMsgType.PING:
            pings += 1
            await served.pong()

    device = Dongle(serve)

    async def respond(request: web.Request) -> web.WebSocketResponse:
        served = web.WebSocketResponse(autoping=False)
        await served.prepare(request)
        await serve(served)
        return served

    async with serving(web.get("/ws", respond)) as device.port:
        line = WebSocketLine(f"ws://127.0.0.1:{device.port}/ws")
        closed = await line.open(lambda _data: None)
        await until(lambda: pings >= 3)
        assert not closed.done()
        line.close()
        await asyncio.wait_for(closed, LIMIT_S)


@pytest.mark.parametrize(
    "frame", [b"\x82\x00", b"\x82\x01x", b"\x89\x00", b"\x8a\x00"], ids=["empty", "tiny", "ping", "pong"]
)
async def test_a_source_that_floods_frames_is_disconnected_and_the_port_says_so(frame: bytes) -> None:
    async def flood(served: web.WebSocketResponse) -> None:
        with suppress(ConnectionError):
            while True:
                await raw_frames(served, frame, 5000)

    async with dongle(flood) as device:
        bench = Bench([("dongle", WebSocketLine(f"ws://127.0.0.1:{device.port}/ws"))])
        async with running(bench):
            await until(lambda: bench.port.status.label.code == "retrying" and device.connected >= 2)
            assert "more than 500 WebSocket frames a second" in str(bench.port.details()["last_trouble"])


async def raw_frames(served: web.WebSocketResponse, frame: bytes, count: int) -> None:
    transport = served._req.transport  # type: ignore[union-attr]
    if transport is None or transport.is_closing():
        raise ConnectionError
    transport.write(frame * count)
    await asyncio.sleep(0.01)


async def test_a_telegram_in_the_smallest_pieces_of_a_serial_line_is_no_flood() -> None:
    received = bytearray()

    async def serve(served: web.WebSocketResponse) -> None:
        for at in range(0, len(TELEGRAM), 4):
            await served.send_bytes(TELEGRAM[at : at + 4])
        await stay(served)

    async with dongle(serve) as device:
        line = WebSocketLine(f"ws://127.0.0.1:{device.port}/ws")
        await line.open(received.extend)
        await until(lambda: received == TELEGRAM)
        assert line.silence() is None
        line.close()


@pytest.mark.parametrize(("content", "code"), [(b"", "empty-messages"), (None, "no-message")])
async def test_a_websocket_without_content_is_not_reported_as_a_serial_port(content: bytes | None, code: str) -> None:
    async def serve(served: web.WebSocketResponse) -> None:
        if content is not None:
            await served.send_bytes(content)
        await stay(served)

    async with dongle(serve) as device:
        line = WebSocketLine(f"ws://127.0.0.1:{device.port}/ws")
        assert line.silence() is None
        bench = Bench([("dongle", line)], watchdog_s=0.3)
        async with running(bench):
            await until(lambda: "Is the cable of the source" in str(bench.port.details()["last_trouble"]))
            await until(lambda: (silence := line.silence()) and silence.code == code)


@pytest.mark.parametrize(("name", "ca", "code"), HOST_CERTIFICATES)
async def test_only_the_certificate_of_this_host_by_a_trusted_authority_is_accepted(
    tmp_path: Path, name: str, ca: str | None, code: str
) -> None:
    tls = host_tls(tmp_path, name)

    async def serve(websocket: web.WebSocketResponse) -> None:
        await websocket.send_bytes(TELEGRAM)
        await stay(websocket)

    async with dongle(serve, tls) as device:
        url = f"wss://localhost:{device.port}/ws"
        if code:
            assert await problem_at(url, ca and tmp_path / ca) == code
            return
        received = bytearray()
        line = WebSocketLine(url, tmp_path / (ca or ""))
        closed = await line.open(received.extend)
        await until(lambda: received == TELEGRAM)
        line.close()
        await asyncio.wait_for(closed, LIMIT_S)


async def test_a_host_without_tls_is_reported_as_such() -> None:
    async with dongle(stay) as device:
        assert await problem_at(f"wss://localhost:{device.port}/ws") == "tls-failed"


async def test_a_line_that_is_closed_at_once_ends() -> None:
    async with dongle(stay) as device:
        line = WebSocketLine(f"ws://127.0.0.1:{device.port}/ws")
        closed = await line.open(lambda _data: None)
        line.close()
        assert await asyncio.wait_for(closed, LIMIT_S) is None
