"""Telegrams that are posted, as dsmr-reader's remote datalogger posts them: who may, and which are new."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest

from gateway.config import check_config, load_config, load_maps
from gateway.files.document import FileError
from gateway.nodes import push_listener
from gateway.nodes.push_listener import MAX_BODY_BYTES, MAX_DROPPED_BYTES, PATH, PushListener
from gateway.runtime.clock import now, unix_now
from gateway.service.file_look import look_at_files
from gateway.service.secret_files import SecretFiles
from gateway.service.wiring import Wiring
from gateway.tools.checking import check_files
from gateway.transport.secret_file import read_token
from gateway.transport.shares import TurnedAway
from gateway.transport.tls import ServerTls
from tests.certificates import add_certificate, make_certificates
from tests.config.faults import load
from tests.conftest import own_telegram
from tests.protocol.p1.stream import stamped
from tests.waiting import until

TELEGRAM = own_telegram("v50_sagemcom-t210d")
LIMIT_S = 60.0
FARM, BARN = "0123456789ABCDEF-farm", "0123456789ABCDEF-barn"
CONFIGURATION = """\
meters:
  farm: {{source: push, token_file: farm.token, dsmr_version: "5", stale_after: 3s}}
  barn: {{source: push, token_file: barn.token, dsmr_version: "5"}}
modbus: [{{listen: "127.0.0.1:0", units: {{1: {{meter: farm}}, 2: {{meter: barn}}}}}}]
push: {{listen: "127.0.0.1:0"{more}}}
"""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def form(telegram: str | bytes) -> bytes:
    text = telegram.decode("latin-1") if isinstance(telegram, bytes) else telegram
    return urlencode({"telegram": text}).encode()


def new() -> bytes:
    """A telegram of this moment, as the datalogger cuts it: without the line end after its checksum."""
    return stamped(TELEGRAM, unix_now()).rstrip()


class Bench:
    """A gateway with a push listener, and who posts to it."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self.listener = next(node for node in wiring.flow.nodes if isinstance(node, PushListener))
        self.farm, self.barn = wiring.meters["farm"], wiring.meters["barn"]

    async def post(self, body: bytes, token: str | None = FARM, path: str = PATH, **options: object) -> int:
        return (await self.ask("POST", body, token, path, **options))[0]

    async def ask(
        self, method: str, body: bytes, token: str | None, path: str = PATH, headers: Mapping[str, str] = FORM
    ) -> tuple[int, Mapping[str, str], bytes]:
        given = {**headers, "Authorization": f"Token {token}"} if token else headers

        def work() -> tuple[int, Mapping[str, str], bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", self.listener.port, timeout=LIMIT_S)
            try:
                connection.request(method, path, body, given)
                response = connection.getresponse()
                return response.status, dict(response.getheaders()), response.read()
            finally:
                connection.close()

        return await asyncio.to_thread(work)

    async def post_over_tls(self, body: bytes, context: ssl.SSLContext) -> int:
        def work() -> int:
            connection = http.client.HTTPSConnection("localhost", self.listener.port, timeout=LIMIT_S, context=context)
            try:
                connection.request("POST", PATH, body, {**FORM, "Authorization": f"Token {FARM}"})
                return connection.getresponse().status
            finally:
                connection.close()

        return await asyncio.to_thread(work)


@asynccontextmanager
async def serving(folder: Path, more: str = "", barn: str = BARN) -> AsyncIterator[Bench]:
    for name, token in (("farm", FARM), ("barn", barn)):
        (folder / f"{name}.token").write_text(f"{token}\n")
    path = folder / "gateway.yaml"
    path.write_text(CONFIGURATION.format(more=more))
    config = load_config(path, {})
    wiring = Wiring(config, load_maps(config, folder), folder)
    stop = asyncio.Event()
    running = asyncio.create_task(wiring.flow.run(stop))
    bench = Bench(wiring)
    try:
        await until(bench.listener.ready.is_set)
        yield bench
    finally:
        stop.set()
        await asyncio.wait_for(running, LIMIT_S)


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    async with serving(tmp_path) as bench:
        yield bench


async def test_a_posted_telegram_is_read_like_any_other(bench: Bench) -> None:
    assert await bench.post(form(new())) == 201
    assert bench.farm.accepted == 1
    await until(lambda: bench.farm.is_fresh(now()))
    assert bench.barn.accepted == 0
    assert bench.listener.details()["posts_accepted"] == 1


async def test_the_token_says_whose_telegram_it_is(bench: Bench) -> None:
    assert await bench.post(form(new()), BARN) == 201
    assert (bench.farm.accepted, bench.barn.accepted) == (0, 1)


async def test_bytes_that_are_not_ascii_come_back_as_the_meter_sent_them(bench: Bench) -> None:
    assert await bench.post(form(b"/KFM5K\xe9\r\n\r\n1-0:1.7.0(00.100*kW)\r\n!0000")) == 400
    assert await bench.post("telegram=/K€\r\n!0000".encode()) == 400
    assert sum(bench.farm.refused.values()) == 1, "only Latin-1 can come from a meter"


async def test_a_telegram_that_is_posted_again_is_not_new(bench: Bench) -> None:
    body = form(new())
    assert await bench.post(body) == 201
    await until(lambda: bench.farm.is_fresh(now()))
    await until(lambda: not bench.farm.is_fresh(now()))
    for _ in range(3):
        assert await bench.post(body) == 201
        await never_fresh(bench)


async def test_a_telegram_that_was_kept_for_a_while_is_not_new(bench: Bench) -> None:
    begun = unix_now()
    assert await bench.post(form(stamped(TELEGRAM, begun))) == 201
    await until(lambda: bench.farm.is_fresh(now()))
    await until(lambda: unix_now() > begun + 6)
    assert await bench.post(form(stamped(TELEGRAM, begun + 1))) == 201
    await never_fresh(bench)


async def never_fresh(bench: Bench) -> None:
    """Look for a while: a telegram may be served only a moment after its arrival."""
    until_s = now() + 0.6
    while now() < until_s:
        assert not bench.farm.is_fresh(now())
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("token", [None, "wrong", FARM + "x", FARM[:-1], ""])
async def test_a_post_without_the_token_is_refused(bench: Bench, token: str | None) -> None:
    status, headers, _ = await bench.ask("POST", form(new()), token)
    assert status == 401
    assert headers["www-authenticate"] == "Token"
    assert bench.farm.accepted == 0


async def test_the_right_token_is_accepted_however_many_wrong_ones_come(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.transport.guessing.DELAY_S", 0.01)
    statuses = [await bench.post(form(new()), f"wrong token {number}") for number in range(12)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert await bench.post(form(new())) == 201
    assert bench.listener.details()["wrong_tokens"] == 12


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", PATH, 405), ("PUT", PATH, 405), ("POST", "/", 404), ("POST", "/api/v2/x", 404), ("POST", PATH + "/", 400)],
)
async def test_other_requests_are_refused(bench: Bench, method: str, path: str, status: int) -> None:
    assert (await bench.ask(method, b"", FARM, path))[0] == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"telegram=",
        b"reading=1",
        form("no telegram"),
        form("/KFM5 without an end"),
        form(new()) + b"&" + form(new()),
        b"&".join([b"a=1"] * 50),
        b"telegram=%ff%ff",
        b"\xff\xfe",
        form(b"/" + b"x" * 9000 + b"\r\n!0000"),
        form(new()[:-4] + b"0000"),
    ],
)
async def test_a_body_without_one_whole_telegram_is_refused(bench: Bench, body: bytes) -> None:
    assert await bench.post(body) == 400
    assert bench.farm.accepted == 0


async def test_a_body_of_another_type_is_refused(bench: Bench) -> None:
    assert await bench.post(form(new()), headers={"Content-Type": "application/json"}) == 400
    assert await bench.post(form(new()), headers={}) == 400


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, MAX_DROPPED_BYTES])
async def test_a_body_that_is_too_large_is_refused(bench: Bench, size: int) -> None:
    assert await bench.post(b"telegram=" + b"x" * (size - 9)) == 413


async def test_a_body_that_does_not_end_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_listener, "BODY_TIMEOUT_S", 0.2)

    def work() -> bytes:
        with socket.create_connection(("127.0.0.1", bench.listener.port), timeout=LIMIT_S) as sock:
            head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: Token {FARM}\r\nContent-Length: 100\r\n\r\n"
            sock.sendall(head.encode() + b"telegram=")
            return sock.recv(100)

    assert (await asyncio.to_thread(work)).startswith(b"HTTP/1.1 413 ")


async def test_a_stranger_cannot_send_more_than_a_telegram(bench: Bench) -> None:
    def work() -> int:
        sent = 0
        with socket.create_connection(("127.0.0.1", bench.listener.port), timeout=LIMIT_S) as sock:
            head = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n"
            sock.sendall(head.encode())
            try:
                while sent < 10_000_000:
                    sent += sock.send(b"x" * 4096)
            except OSError:
                return sent
        return sent

    assert await asyncio.to_thread(work) < 10_000_000


async def test_whoever_posts_too_often_is_told_to_wait_and_others_at_the_same_address_are_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_listener, "BURST_POSTS", 3)
    monkeypatch.setattr(push_listener, "SECONDS_PER_POST", 3600.0)
    body = form(new())
    assert [await bench.post(body) for _ in range(3)] == [201] * 3
    status, headers, _ = await bench.ask("POST", body, FARM)
    assert (status, headers["retry-after"]) == (429, "1")
    assert await bench.post(body, BARN) == 201


async def test_a_new_token_replaces_the_old_one(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "farm.token"
    path.write_text("another token of the farm")
    bench.listener.renew_tokens({path: read_token(path)})
    assert await bench.post(form(new())) == 401
    assert await bench.post(form(new()), "another token of the farm") == 201


async def test_an_address_that_is_not_allowed_is_disconnected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    async with serving(tmp_path, ", allow: [192.0.2.0/24]") as bench:
        with pytest.raises(ConnectionError):
            await bench.post(form(new()))


async def test_a_connection_is_used_again(bench: Bench) -> None:
    def work() -> list[int]:
        connection = http.client.HTTPConnection("127.0.0.1", bench.listener.port, timeout=LIMIT_S)
        statuses = []
        for _ in range(3):
            connection.request("POST", PATH, form(new()), {**FORM, "Authorization": f"Token {FARM}"})
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()
        return statuses

    assert await asyncio.to_thread(work) == [201] * 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("meter: {source: push}\npush: {}", "token-missing"),
        ("meter: {source: push, token_file: farm.token}", "push-missing"),
        ("meter: {simulate: true}\npush: {}", "push-without-meter"),
        ("meter: {source: push, token_file: farm.token}\npush: {listen: ':502'}", "address-twice"),
    ],
)
def test_a_configuration_that_lacks_a_part_is_refused(tmp_path: Path, text: str, code: str) -> None:
    with pytest.raises(FileError) as caught:
        load(tmp_path, text)
    assert [problem.code for problem in caught.value.problems] == [code]


def test_two_meters_with_one_token_and_a_short_token_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIGURATION.format(more=""))
    for name in ("farm", "barn"):
        (tmp_path / f"{name}.token").write_text(FARM)
    checked = check_config(path, {})
    assert [each.code for each in check_files(checked.document, checked.config, tmp_path)] == ["token-twice"]
    (tmp_path / "barn.token").write_text("short")
    assert [each.code for each in check_files(checked.document, checked.config, tmp_path)] == ["token-too-short"]


def test_a_reload_reads_the_tokens_again_and_refuses_one_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIGURATION.format(more=""))
    for name, token in (("farm", FARM), ("barn", BARN)):
        (tmp_path / f"{name}.token").write_text(token)
    config = load_config(path, {})
    secrets = SecretFiles(path)
    secrets.take(look_at_files(config, path))
    assert not secrets.read(config).tokens
    (tmp_path / "farm.token").write_text("another token of the farm")
    renewal = secrets.read(config)
    assert list(renewal.tokens) == [tmp_path / "farm.token"]
    assert list(renewal.changes) == ["meters.farm.token_file: new token"]
    (tmp_path / "farm.token").write_text("short")
    with pytest.raises(FileError, match="too short"):
        secrets.read(config)
    (tmp_path / "farm.token").write_text(BARN)
    with pytest.raises(FileError, match=r"meters\.barn\.token_file: .* is the token of meter farm too"):
        secrets.read(config)


async def test_a_listener_whose_meters_share_a_token_takes_no_posts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    async with serving(tmp_path, barn=FARM) as bench:
        assert bench.listener.port == 0, "it does not listen"
        assert "this is the token of another meter too" in caplog.text
        (tmp_path / "barn.token").write_text(BARN)
        await until(lambda: bench.listener.port)
        assert await bench.post(form(new()), BARN) == 201


TLS = ", tls: {certificate: server.pem, key: server.key}"


async def test_posts_come_over_tls_where_it_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    make_certificates(tmp_path)
    add_certificate(tmp_path, "server", host="localhost")
    async with serving(tmp_path, TLS) as bench:
        trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        for _ in range(2):
            assert await bench.post_over_tls(form(new()), trusted) == 201
        assert bench.farm.accepted >= 1
        assert bench.listener.details()["certificate_valid_until"]
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            await bench.post(form(new()))
        with pytest.raises(ssl.SSLCertVerificationError):
            await bench.post_over_tls(form(new()), ssl.create_default_context())
        await until(lambda: bench.listener.turned_away[TurnedAway.HANDSHAKE] == 2)
        add_certificate(tmp_path, "server", host="other.example.org")
        bench.listener.renew_tls({files: ServerTls(files) for files in [bench.listener.settings.tls] if files})
        with pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'localhost'"):
            await bench.post_over_tls(form(new()), trusted)


async def test_a_request_that_comes_with_the_end_of_its_handshake_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    make_certificates(tmp_path)
    add_certificate(tmp_path, "server", host="localhost")
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    async with serving(tmp_path, TLS) as bench:
        body = form(new())
        lines = [f"POST {PATH} HTTP/1.1", "Host: localhost", f"Authorization: Token {FARM}"]
        lines += [f"{name}: {value}" for name, value in FORM.items()]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()

        def work() -> bytes:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            secured = trusted.wrap_bio(incoming, outgoing, server_hostname="localhost")
            with socket.create_connection(("127.0.0.1", bench.listener.port), LIMIT_S) as client:
                while True:
                    try:
                        secured.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        client.sendall(outgoing.read())
                        incoming.write(client.recv(65_536))
                secured.write(head)
                client.sendall(outgoing.read())  # with the client's last message of the handshake
                incoming.write(client.recv(65_536))  # session tickets: the server has read that
                secured.write(body)
                client.sendall(outgoing.read())
                while True:
                    try:
                        return secured.read(65_536)
                    except ssl.SSLWantReadError:
                        incoming.write(client.recv(65_536))

        assert (await asyncio.to_thread(work)).startswith(b"HTTP/1.1 201 ")


async def test_handshakes_that_do_not_end_are_given_up_and_hold_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setattr("gateway.transport.tls.HANDSHAKE_TIMEOUT_S", 0.3)
    make_certificates(tmp_path)
    add_certificate(tmp_path, "server", host="localhost")
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    async with serving(tmp_path, TLS) as bench:
        slow = [socket.create_connection(("127.0.0.1", bench.listener.port), LIMIT_S) for _ in range(10)]
        for each in slow[::2]:
            each.sendall(b"\x16\x03\x01\x02\x00\x01")
        await until(lambda: bench.listener.turned_away[TurnedAway.HANDSHAKE] == len(slow))
        assert await bench.post_over_tls(form(new()), trusted) == 201
        for each in slow:
            each.close()
    assert not bench.listener.expiries or bench.listener.expiries[0].key == "certificate"


async def test_a_listener_stops_while_a_handshake_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    make_certificates(tmp_path)
    async with serving(tmp_path, TLS) as bench:
        waiting = socket.create_connection(("127.0.0.1", bench.listener.port), LIMIT_S)
        waiting.sendall(b"\x16")
        await asyncio.sleep(0)
    with suppress(ConnectionResetError):
        assert await asyncio.to_thread(waiting.recv, 10) == b""
    waiting.close()


def test_the_certificate_of_the_listener_is_checked_and_taken_over_by_a_reload(tmp_path: Path) -> None:
    make_certificates(tmp_path)
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIGURATION.format(more=TLS))
    for name, token in (("farm", FARM), ("barn", BARN)):
        (tmp_path / f"{name}.token").write_text(token)
    checked = check_config(path, {})
    assert checked.config
    assert check_files(checked.document, checked.config, tmp_path) == []
    secrets = SecretFiles(path)
    secrets.take(look_at_files(checked.config, path))
    add_certificate(tmp_path, "server")
    assert [change.partition(" (")[0] for change in secrets.read(checked.config).changes] == [
        "push.tls: new certificate"
    ]
    (tmp_path / "server.key").unlink()
    assert check_files(checked.document, checked.config, tmp_path)
