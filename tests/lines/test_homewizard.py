"""A HomeWizard P1 Meter over both of its APIs, and all that it or another device at its address may do."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

import pytest
from aiohttp import web

from gateway.lines import homewizard as lines
from gateway.lines import homewizard_bell
from gateway.lines.homewizard import HomeWizardV1Line, HomeWizardV2Line
from gateway.lines.homewizard_bell import MAX_MESSAGE_BYTES
from gateway.lines.homewizard_identity import MAKERS_AUTHORITY, Pairing, read_pairing, serial_in, trust_maker
from gateway.lines.line import Line
from gateway.problems.problem import ProblemError
from gateway.runtime.clock import now
from tests.lines.homewizard_device import SERIAL, TELEGRAM, TOKEN, HomeWizard, Maker, homewizard
from tests.nodes.p1_bench import Bench, running
from tests.protocol.p1.stream import later
from tests.waiting import until

LIMIT_S = 60.0


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("maker"))


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.runtime.flow.FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr("gateway.runtime.flow.LONGEST_PAUSE_S", 0.05)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "homewizard.token"
    path.write_bytes(Pairing(SERIAL, TOKEN).content)
    return path


def v2_line(device: HomeWizard, maker: Maker, token_file: Path, poll_s: float | None = None) -> HomeWizardV2Line:
    return HomeWizardV2Line(device.place, poll_s, maker.ca, token_file)


def both(device: HomeWizard, maker: Maker, token_file: Path) -> list[tuple[str, Line]]:
    v2 = v2_line(device, maker, token_file)
    return [("v2", v2), ("v1", HomeWizardV1Line(f"localhost:{device.v1_port}", None, v2))]


async def problem_of(line: Line) -> str:
    with pytest.raises(ProblemError) as caught:
        await line.open(lambda _data: None)
    assert TOKEN not in f"{caught.value!r} {caught.value.problem!r} {line!r}"
    return caught.value.problem.code


async def test_a_telegram_is_requested_when_the_websocket_rings(
    maker: Maker, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST_WITH_BELL_S", LIMIT_S)
    monkeypatch.setattr(lines, "ADVISED_POLL_S", LIMIT_S)
    received: list[bytes] = []
    async with homewizard(maker) as device:
        line = v2_line(device, maker, token_file)
        closed = await line.open(received.append)
        await until(lambda: line.details()["websocket"] == "connected")
        for number in (1, 2, 3):
            await device.set_telegram(later(TELEGRAM, number))
            await until(lambda n=number: len(received) == n)
        assert received == [later(TELEGRAM, number) for number in (1, 2, 3)]
        assert {each.headers["X-Api-Version"] for each in device.requests} == {"2"}
        assert line.details()["requests_sent"] == len(device.requests)
        line.close()
        assert await asyncio.wait_for(closed, LIMIT_S) is None
        await until(lambda: not device.sockets)


async def test_a_telegram_that_comes_a_moment_after_the_ring_is_requested_again(
    maker: Maker, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST_WITH_BELL_S", LIMIT_S)
    monkeypatch.setattr(lines, "ADVISED_POLL_S", LIMIT_S)
    received: list[bytes] = []
    async with homewizard(maker) as device:
        line = v2_line(device, maker, token_file)
        await line.open(received.append)
        await until(lambda: device.sockets)
        await until(lambda: len(device.requests) >= 3)  # the first one, that of the first ring, and once more
        await device.ring()
        await until(lambda: len(device.requests) >= 4)
        device.body = later(TELEGRAM, 1)
        await until(lambda: received)
        line.close()


async def test_a_flood_of_rings_makes_no_flood_of_requests(maker: Maker, token_file: Path) -> None:
    async def flood(socket: web.WebSocketResponse) -> None:
        while not socket.closed:
            for _ in range(100):
                await socket.send_str('{"type": "measurement"}')
            await asyncio.sleep(0)  # the buffers take megabytes: without this, the line has no turn until they are full

    async with homewizard(maker) as device:
        device.serve_socket = flood
        line = v2_line(device, maker, token_file)
        await line.open(lambda _data: None)
        await until(lambda: line.details()["websocket"] == "connected")
        before, begun = len(device.requests), now()
        await until(lambda: len(device.requests) >= before + 6)
        assert now() - begun >= 5 * lines.LEAST_BETWEEN_S - 0.1
        line.close()


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("x" * (MAX_MESSAGE_BYTES + 1), "does not speak this protocol"),
        ('{"type": "error", "data": {"message": "user:unauthorized"}}', "'user:unauthorized'"),
        ('{"type": "error", "data": ' + "[" * 5000 + "]" * 5000 + "}", ""),
        ('{"type": "error"}', "None"),
        ("[1]", ""),
        ("not JSON", ""),
        ('{"type": ["measurement"]}', ""),
    ],
)
async def test_whatever_the_websocket_sends_telegrams_come(
    maker: Maker, token_file: Path, text: str, state: str
) -> None:
    async def serve(socket: web.WebSocketResponse) -> None:
        await socket.send_str(text)
        await socket.receive()

    received: list[bytes] = []
    async with homewizard(maker) as device:
        device.serve_socket = serve
        line = v2_line(device, maker, token_file)
        await line.open(received.append)
        await until(lambda: device.sockets_opened)
        await until(lambda: state in str(line.details()["websocket"]))
        device.body = later(TELEGRAM, 1)
        await until(lambda: received)
        line.close()


async def test_a_websocket_that_redirects_is_not_followed_and_costs_only_time(maker: Maker, token_file: Path) -> None:
    async def redirect(_request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "/api/telegram?elsewhere"})

    received: list[bytes] = []
    async with homewizard(maker) as device:
        device.respond_to_socket = redirect
        line = v2_line(device, maker, token_file)
        await line.open(received.append)
        await until(lambda: "redirects" in str(line.details()["websocket"]))
        device.body = later(TELEGRAM, 1)
        await until(lambda: received)
        assert not any(request.query_string for request in device.requests)
        line.close()


async def test_a_websocket_whose_messages_stop_is_opened_again(
    maker: Maker, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homewizard_bell, "SILENT_S", 0.3)
    received: list[bytes] = []
    async with homewizard(maker) as device:
        line = v2_line(device, maker, token_file)
        closed = await line.open(received.append)
        device.rings = False
        await until(lambda: device.sockets_opened >= 3)
        await device.set_telegram(later(TELEGRAM, 1))
        await until(lambda: received)
        assert not closed.done()
        line.close()


async def test_a_ping_is_responded_to_and_a_websocket_that_ends_is_opened_again(maker: Maker, token_file: Path) -> None:
    pongs: list[bytes] = []

    async def ping(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await socket.ping(b"p1")
        pongs.append(bytes((await socket.receive()).data))
        return socket

    async with homewizard(maker) as device:
        device.respond_to_socket = ping
        line = v2_line(device, maker, token_file)
        await line.open(lambda _data: None)
        await until(lambda: len(pongs) >= 2)
        assert set(pongs) == {b"p1"}
        await until(lambda: "closed the WebSocket" in str(line.details()["websocket"]))
        line.close()


async def test_requests_that_fail_while_the_websocket_works_end_the_line(maker: Maker, token_file: Path) -> None:
    async with homewizard(maker) as device:
        line = v2_line(device, maker, token_file)
        closed = await line.open(lambda _data: None)
        await until(lambda: device.sockets)
        device.status = 500
        error = await asyncio.wait_for(closed, LIMIT_S)
        assert isinstance(error, ProblemError)
        assert error.problem.short == "HTTP status 500"
        await until(lambda: not device.sockets)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (401, "user:unauthorized", "token-refused"),
        (404, "", "no-api-v2"),
        (400, "request:api-version-not-supported", "http-status"),
        (500, "request:internal-server-error", "http-status"),
        (503, "telegram:no-telegram-received", "source-without-telegram"),
        (302, "", "http-redirect"),
    ],
)
async def test_a_status_is_reported_in_terms_of_this_device(
    maker: Maker, token_file: Path, status: int, error: str, code: str
) -> None:
    async with homewizard(maker) as device:
        device.status, device.error = status, error
        assert await problem_of(v2_line(device, maker, token_file)) == code


async def test_a_token_that_the_device_does_not_know_is_reported(maker: Maker, token_file: Path) -> None:
    async with homewizard(maker) as device:
        device.tokens.clear()
        assert await problem_of(v2_line(device, maker, token_file)) == "token-refused"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "token-unusable"),
        (TOKEN.encode(), "serial-missing"),
        (f"{TOKEN}\n{SERIAL[1:]}\n".encode(), "serial-missing"),
        (f"{TOKEN}\r\n{SERIAL.upper()}\r\nmore".encode(), ""),
        (None, "no-such-file"),
    ],
)
def test_a_token_file_has_the_token_and_the_serial_number(tmp_path: Path, content: bytes | None, code: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    if not code:
        assert read_pairing(path) == Pairing(SERIAL, TOKEN)
        assert TOKEN not in repr(read_pairing(path))
        return
    with pytest.raises(ProblemError) as caught:
        read_pairing(path)
    assert caught.value.problem.code == code


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("appliance/p1dongle/5c2fafaabbcd", True),
        (f"appliance/energymeter/{SERIAL}", True),
        ("localhost", True),
        (f"appliance/p1dongle/{SERIAL}", False),
    ],
    ids=["another device", "another type", "a host name", "another authority"],
)
async def test_only_the_device_of_the_token_file_gets_the_token_and_api_v1_is_no_way_around(
    maker: Maker, token_file: Path, tmp_path: Path, name: str, *, own: bool
) -> None:
    other = maker if own else Maker(tmp_path, "other")
    async with homewizard(other, name) as device:
        device.api_v1_is_on = True
        v2 = v2_line(device, maker, token_file)
        v1 = HomeWizardV1Line(f"localhost:{device.v1_port}", None, v2)
        assert await problem_of(v2) == "certificate-refused"
        assert await problem_of(v1) == "certificate-refused"
        assert device.requests == []


async def test_an_authority_without_extensions_is_accepted_by_a_python_that_is_strict(
    maker: Maker, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.13 and newer make contexts with these flags."""
    create = ssl.create_default_context

    def strict(*arguments: object, **options: object) -> ssl.SSLContext:
        context = create(*arguments, **options)  # type: ignore[arg-type]
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    assert not trust_maker(None).verify_flags & ssl.VERIFY_X509_STRICT
    async with homewizard(maker) as device:
        await v2_line(device, maker, token_file).check()
        monkeypatch.setattr("gateway.lines.homewizard.trust_maker", lambda ca: strict(cafile=ca))
        assert await problem_of(v2_line(device, maker, token_file)) == "certificate-refused"


def test_the_makers_authority_is_trusted_and_no_other() -> None:
    context = trust_maker(None)
    (authority,) = context.get_ca_certs()
    assert authority["serialNumber"] == "39FB73060B8A84CCDD5C5D03280B97F3F1F68BC5"
    assert ssl.PEM_cert_to_DER_cert(MAKERS_AUTHORITY) in context.get_ca_certs(binary_form=True)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_the_serial_number_is_in_the_name_of_the_certificate() -> None:
    assert serial_in(f"appliance/p1dongle/{SERIAL}") == SERIAL
    for name in ("", "localhost", f"appliance/p1dongle/{SERIAL}/x", f"appliance/watermeter/{SERIAL}"):
        with pytest.raises(ProblemError, match="not a"):
            serial_in(name)


async def test_a_device_is_read_goes_stale_once_its_cable_is_out_and_is_read_again(
    maker: Maker, token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway")
    async with homewizard(maker) as device:
        bench = Bench(both(device, maker, token_file), watchdog_s=3)
        async with running(bench):
            meter = asyncio.create_task(device.follow_a_meter(0.3))
            await until(lambda: bench.meter.accepted >= 3)
            assert "telegrams come in over v2" in caplog.text
            assert bench.port.details()["line"] == "v2"
            meter.cancel()
            await asyncio.gather(meter, return_exceptions=True)
            await until(lambda: "repeats its last telegram" in str(bench.port.details()["last_trouble"]))
            await until(lambda: not bench.meter.is_connected)
            accepted, opened = bench.meter.accepted, device.sockets_opened
            await until(lambda: device.sockets_opened >= opened + 2)  # each new connection rings once
            assert bench.meter.accepted == accepted
            meter = asyncio.create_task(device.follow_a_meter(0.3))
            await until(lambda: bench.meter.accepted > accepted)
            meter.cancel()
        assert not bench.meter.refused


async def test_a_device_without_api_v2_is_read_over_api_v1_until_it_has_it(
    maker: Maker, token_file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LOOK_FOR_V2_S", 0.3)
    caplog.set_level(logging.INFO, "gateway")
    async with homewizard(maker) as device:
        device.api_v1_is_on, device.status = True, 404
        bench = Bench(both(device, maker, token_file), watchdog_s=10)
        async with running(bench):
            meter = asyncio.create_task(device.follow_a_meter(0.3))
            await until(lambda: "telegrams come in over v1" in caplog.text)
            assert "v2: the device has no telegram in API v2" in caplog.text
            device.status = 200
            await until(lambda: "telegrams come in over v2" in caplog.text)
            meter.cancel()
        assert caplog.text.count("telegrams come in") == 2


async def test_another_device_that_comes_while_api_v1_is_read_ends_it(
    maker: Maker, token_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LOOK_FOR_V2_S", 0.3)
    async with homewizard(maker, "appliance/p1dongle/0123456789ab") as other:
        other.api_v1_is_on = True
        v2 = v2_line(other, maker, token_file)
        closed = await HomeWizardV1Line(f"localhost:{other.v1_port}", None, v2).open(lambda _data: None)
        error = await asyncio.wait_for(closed, LIMIT_S)
        assert isinstance(error, ProblemError)
        assert error.problem.code == "certificate-refused"


async def test_a_device_with_neither_api_is_reported_once_for_each(
    maker: Maker, token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with homewizard(maker) as device:
        device.tokens.clear()
        bench = Bench(both(device, maker, token_file))
        async with running(bench):
            await until(lambda: len(device.requests) >= 8)
        warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
        assert len(warnings) == 2
        assert "v2: the device refuses the token. Pair with it again" in warnings[0]
        assert "v1: the local API of the device is switched off" in warnings[1]


async def test_a_device_that_restarts_is_read_again(maker: Maker, token_file: Path) -> None:
    async with homewizard(maker) as device:
        v2 = v2_line(device, maker, token_file)
        bench = Bench([("v2", v2)], watchdog_s=10)
        async with running(bench):
            meter = asyncio.create_task(device.follow_a_meter(0.3))
            await until(lambda: bench.meter.accepted >= 2)
            for request in list(device.requests):
                if request.transport:
                    request.transport.abort()
            await device.hang_up()
            accepted, opened = bench.meter.accepted, device.sockets_opened
            await until(lambda: device.sockets_opened > opened and bench.meter.accepted > accepted)
            meter.cancel()


async def test_without_a_token_api_v1_is_polled_no_more_often_than_advised(maker: Maker) -> None:
    received: list[bytes] = []
    async with homewizard(maker) as device:
        device.api_v1_is_on = True
        line = HomeWizardV1Line(f"localhost:{device.v1_port}")
        begun = now()
        await line.open(received.append)
        device.body = later(TELEGRAM, 1)
        await until(lambda: received)
        await until(lambda: len(device.requests) >= 4)
        assert now() - begun >= 3 * lines.ADVISED_POLL_S - 0.1
        assert not line.gives_way
        line.close()
