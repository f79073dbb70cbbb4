"""Devices that serve their newest telegram over HTTP, and hosts that serve something else."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
from aiohttp import web

from gateway.lines import http, websocket
from gateway.lines.http import MAX_BODY_BYTES, HttpLine, retry_after
from gateway.lines.websocket import WebSocketLine
from gateway.problems.problem import ProblemError
from gateway.runtime.clock import unix_now
from gateway.transport.connecting import LOOK_UPS
from tests.certificates import HOST_CERTIFICATES, host_tls
from tests.lines.http_device import TELEGRAM, Device, device, serving
from tests.nodes.p1_bench import Bench, running
from tests.protocol.p1.stream import later, stamped, unchecked
from tests.waiting import until

LIMIT_S = 60.0
POLL_S = 0.05


async def problem_at(url: str, ca: Path | None = None, token_file: Path | None = None) -> str:
    with pytest.raises(ProblemError) as caught:
        await HttpLine(url, POLL_S, ca, token_file).open(lambda _data: None)
    return caught.value.problem.code


async def test_the_first_response_is_not_passed_on_and_each_change_is_once() -> None:
    received: list[bytes] = []
    async with device() as served:
        line = HttpLine(served.url, POLL_S)
        closed = await line.open(received.append)
        await until(lambda: len(served.requests) >= 4)
        assert received == []
        silence = line.silence()
        assert silence
        assert silence.what == "the source repeats its last telegram"
        for number in (1, 2):
            served.body = later(TELEGRAM, number)
            await until(lambda n=number: len(received) == n)
            seen = len(served.requests)
            await until(lambda s=seen: len(served.requests) >= s + 3)
        assert received == [later(TELEGRAM, 1), later(TELEGRAM, 2)]
        assert line.write(b"x") is False
        line.close()
        assert await asyncio.wait_for(closed, LIMIT_S) is None
        assert served.most_at_once == 1
        assert len(served.connections) == 1
        assert "Authorization" not in served.requests[0].headers


async def test_a_telegram_without_checksum_or_last_line_end_is_passed_on() -> None:
    received: list[bytes] = []
    async with device() as served:
        line = HttpLine(served.url, POLL_S)
        await line.open(received.append)
        body = unchecked("1-0:1.8.1(1)")
        served.body = body.strip()
        await until(lambda: received)
        assert received == [body]
        line.close()


async def test_only_the_last_of_several_telegrams_is_passed_on() -> None:
    received: list[bytes] = []
    async with device() as served:
        line = HttpLine(served.url, POLL_S)
        await line.open(received.append)
        served.body = TELEGRAM + later(TELEGRAM, 1)
        await until(lambda: received)
        assert received == [later(TELEGRAM, 1)]
        line.close()


async def test_a_device_is_read_and_goes_stale_once_its_cable_is_out() -> None:
    async with device() as served:
        bench = Bench([("dongle", HttpLine(served.url, POLL_S))], watchdog_s=3)
        async with running(bench):
            meter = asyncio.create_task(served.follow_a_meter())
            await until(lambda: bench.meter.accepted >= 2)
            meter.cancel()
            await asyncio.gather(meter, return_exceptions=True)
            await until(lambda: bench.port.status.label.code == "retrying")
            assert "repeats its last telegram" in str(bench.port.details()["last_trouble"])
            accepted = bench.meter.accepted
            seen = len(served.requests)
            await until(lambda: len(served.requests) >= seen + 20)  # over new connections, too
            assert bench.meter.accepted == accepted
        assert not bench.meter.refused


async def test_a_device_whose_cable_was_never_in_gives_no_reading() -> None:
    async with device() as served:
        served.body = stamped(TELEGRAM, unix_now())
        bench = Bench([("dongle", HttpLine(served.url, POLL_S))], watchdog_s=1)
        async with running(bench):
            await until(lambda: bench.port.status.label.code == "retrying")
            await until(lambda: len(served.requests) >= 40)
            assert bench.port.bytes_received == 0


@pytest.mark.parametrize(
    ("status", "headers", "body", "code"),
    [
        (401, {"WWW-Authenticate": "Basic"}, b"", "http-status"),
        (403, {}, b"", "http-status"),
        (404, {}, b"<html>", "http-status"),
        (429, {}, b"", "http-status"),
        (500, {}, TELEGRAM, "http-status"),
        (503, {}, b"", "http-status"),
        (503, {}, b'{"error":{"code":"telegram:no-telegram-received"}}', "source-without-telegram"),
        (302, {"Location": "http://127.0.0.1:1/"}, b"", "http-redirect"),
        (308, {"Location": "/telegram"}, b"", "http-redirect"),
        (200, {"Content-Encoding": "gzip"}, gzip.compress(TELEGRAM), "compressed-response"),
        (200, {"Content-Encoding": "deflate"}, b"x", "compressed-response"),
        (200, {}, b"<!DOCTYPE html><title>Log in</title>", "web-page"),
        (200, {}, b'{"power": 1}', "json-response"),
        (200, {}, b"", "response-not-a-telegram"),
        (200, {}, TELEGRAM[:300], "response-not-a-telegram"),
        (200, {}, b"/A\r\n" + b"x" * MAX_BODY_BYTES, "response-too-large"),
    ],
)
async def test_a_response_that_is_no_telegram_is_reported(
    status: int, headers: dict[str, str], body: bytes, code: str
) -> None:
    async with device() as served:
        served.status, served.headers, served.body = status, headers, body
        assert await problem_at(served.url) == code
        assert len(served.requests) == 1


async def test_a_status_that_comes_later_ends_the_line() -> None:
    async with device() as served:
        line = HttpLine(served.url, POLL_S)
        closed = await line.open(lambda _data: None)
        served.status = 403
        error = await asyncio.wait_for(closed, LIMIT_S)
        assert isinstance(error, ProblemError)
        assert error.problem.short == "HTTP status 403"


async def test_a_telegram_that_is_cut_once_does_not_end_the_line() -> None:
    received: list[bytes] = []
    async with device() as served:
        line = HttpLine(served.url, POLL_S)
        await line.open(received.append)
        served.body = later(TELEGRAM, 1)[:200]
        await until(lambda: (problem := line.silence()) and problem.code == "response-not-a-telegram")
        served.body = later(TELEGRAM, 1)
        await until(lambda: received)
        assert received == [later(TELEGRAM, 1)]
        line.close()


async def test_a_device_that_wants_to_be_left_alone_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_RETRY_AFTER_S", 0.5)
    async with device() as served:
        served.status, served.headers = 429, {"Retry-After": "3600"}
        line = HttpLine(served.url, POLL_S)
        with pytest.raises(ProblemError):
            await line.open(lambda _data: None)
        served.status = 200
        again = asyncio.create_task(line.open(lambda _data: None))
        await asyncio.sleep(0)
        assert len(served.requests) == 1
        await asyncio.wait_for(again, LIMIT_S)
        line.close()


@pytest.mark.parametrize(
    ("text", "seconds"), [("", 0), ("7", 7), ("99999999999", 60), ("-1", 0), ("Mon, 30 Nov 2026 06:00:00 GMT", 0)]
)
def test_only_a_number_of_seconds_within_limits_is_waited(text: str, seconds: float) -> None:
    class Response:
        headers = {"Retry-After": text}  # noqa: RUF012 - only read

    assert retry_after(Response()) == seconds  # type: ignore[arg-type]


async def test_a_body_without_end_or_that_drips_in_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"/" * 1000)

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"/")
            await asyncio.sleep(0.05)

    async with serving(web.get("/endless", endless), web.get("/drip", drip)) as port:
        assert await problem_at(f"http://127.0.0.1:{port}/endless") == "response-too-large"
        monkeypatch.setattr(http, "FIRST_RESPONSE_S", 1.0)
        assert await problem_at(f"http://127.0.0.1:{port}/drip") == "no-response"


async def test_a_host_that_is_not_there_or_does_not_speak_http_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert await problem_at(f"http://127.0.0.1:{port}/") == "connection-refused"
    assert await problem_at("http://no-such-host.invalid/") == "name-not-found"

    async def respond(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(TELEGRAM)
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await problem_at(f"http://127.0.0.1:{port}/") in ("not-the-protocol", "connection-failed")


async def test_the_token_is_sent_and_never_shown(tmp_path: Path) -> None:
    token = "s3cret-Token"
    (tmp_path / "token").write_text(f"{token}\n")
    async with device() as served:
        line = HttpLine(served.url, POLL_S, None, tmp_path / "token")
        await line.open(lambda _data: None)
        assert served.requests[0].headers["Authorization"] == f"Bearer {token}"
        line.close()
        served.status = 401
        with pytest.raises(ProblemError) as caught:
            await line.open(lambda _data: None)
        assert token not in f"{caught.value!r} {caught.value.problem!r} {line!r}"


@pytest.mark.parametrize("content", ["", "two words\n", "x" * 501, "naïve"])
async def test_a_file_without_a_token_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    assert await problem_at("http://127.0.0.1:1/", None, tmp_path / "token") == "token-unusable"
    assert await problem_at("http://127.0.0.1:1/", None, tmp_path / "missing") == "no-such-file"


@pytest.mark.parametrize(("name", "ca", "code"), HOST_CERTIFICATES)
async def test_only_the_certificate_of_this_host_by_a_trusted_authority_is_accepted(
    tmp_path: Path, name: str, ca: str | None, code: str
) -> None:
    tls = host_tls(tmp_path, name)
    async with device(tls) as served:
        url = f"https://localhost:{served.port}/telegram"
        if code:
            assert await problem_at(url, ca and tmp_path / ca) == code
            assert served.requests == []
            return
        line = HttpLine(url, POLL_S, tmp_path / (ca or ""))
        closed = await line.open(lambda _data: None)
        line.close()
        assert await asyncio.wait_for(closed, LIMIT_S) is None


async def test_an_attempt_that_is_cancelled_leaves_no_connection() -> None:
    async with device() as served:
        served.slow_s = LIMIT_S
        attempt = asyncio.create_task(HttpLine(served.url).open(lambda _data: None))
        await until(lambda: served.requests)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await until(lambda: served.requests[0].transport is None or served.requests[0].transport.is_closing())


def test_a_line_that_was_never_opened_can_be_closed() -> None:
    HttpLine(Device().url).close()


@pytest.mark.parametrize("line", [HttpLine, WebSocketLine])
async def test_forty_names_without_response_leave_threads_for_other_work(
    line: Callable[[str], HttpLine | WebSocketLine],
) -> None:
    scheme = "http" if line is HttpLine else "ws"
    asked: list[str] = []

    async def look_up(host: str, _port: int, **_options: Any) -> None:
        asked.append(host)
        await asyncio.get_running_loop().create_future()

    with patch.object(asyncio.get_running_loop(), "getaddrinfo", look_up):
        lines = [line(f"{scheme}://p1-{number}.example.org/") for number in range(40)]
        attempts = [asyncio.create_task(each.open(lambda _data: None)) for each in lines]
        await until(lambda: asked)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(asked) == LOOK_UPS
        for each in attempts:
            each.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)


@pytest.mark.parametrize(("module", "line"), [(http, HttpLine), (websocket, WebSocketLine)])
async def test_a_name_server_that_does_not_respond_is_named_as_the_reason(
    module: ModuleType, line: Callable[[str], HttpLine | WebSocketLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_RESPONSE_S" if line is HttpLine else "CONNECT_TIMEOUT_S", 0.01)
    scheme = "http" if line is HttpLine else "ws"
    asked: list[str] = []

    async def look_up(host: str, _port: int, **_options: Any) -> None:
        asked.append(host)
        await asyncio.get_running_loop().create_future()

    with patch.object(asyncio.get_running_loop(), "getaddrinfo", look_up), pytest.raises(ProblemError) as caught:
        await line(f"{scheme}://P1-Mühle.example.org/").open(lambda _data: None)
    assert caught.value.problem.code == "name-server-timeout"
    assert asked == ["xn--p1-mhle-q2a.example.org"]
