"""Finding 5: the page and other clients cannot make Modbus clients wait, or lose a telegram."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from gateway.nodes import dsmr_parser
from gateway.nodes.dsmr_parser import DsmrParser
from gateway.nodes.status_page import app
from gateway.nodes.status_page import shared as shared_responses
from gateway.nodes.status_page.shared import MAX_SHARED, SHARED_S, Shared
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.variants import VARIANTS
from gateway.runtime import ticking
from gateway.transport import http_gate as gate
from gateway.transport.addresses import Address
from gateway.transport.http_gate import Gate
from gateway.transport.listening import ACCEPTED_PER_TURN
from gateway.transport.shares import TurnedAway
from gateway.transport.turns import Turns
from tests.nodes.passthrough_bench import numbered
from tests.nodes.status_page.bench import LIMIT_S, PAGE, Bench, serving
from tests.waiting import running, until

# Turns.


async def test_sources_have_their_turns_in_rotation_whoever_asks_most() -> None:
    turns, done = Turns(0), list[str]()

    def work(name: str) -> bool:
        done.append(name)
        return True

    for number in range(4):
        turns.ask("greedy", lambda number=number: work(f"greedy {number}"))  # type: ignore[misc]
    turns.ask("other", lambda: work("other"))
    await until(lambda: not len(turns))
    assert done == ["greedy 0", "other", "greedy 1", "greedy 2", "greedy 3"]


async def test_there_is_a_pause_after_each_turn_and_none_for_clients_that_are_gone() -> None:
    turns, done = Turns(LIMIT_S * 10), list[str]()
    turns.ask("a", lambda: bool(done.append("gone")))
    turns.ask("b", lambda: not done.append("first"))
    turns.ask("c", lambda: not done.append("second"))
    await until(lambda: "first" in done)
    await asyncio.sleep(0)
    assert done == ["gone", "first"]
    assert len(turns) == 1
    turns.close()


async def test_after_all_turns_the_next_one_comes_at_once() -> None:
    turns = Turns(0)
    for _ in range(3):
        async with asyncio.timeout(LIMIT_S):
            await turns.wait("a", lambda: True)
            await turns.wait("a", lambda: False)
    await until(lambda: not len(turns))


# Shared responses.


async def test_a_response_is_made_once_for_all_who_ask_until_there_is_something_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    telegrams, made, moments = [0], list[int](), [100.0]
    monkeypatch.setattr(shared_responses, "now", lambda: moments[0])
    shared = Shared(lambda: telegrams[0])

    async def make() -> bytes:
        made.append(telegrams[0])
        await asyncio.sleep(0)
        return b"%d" % telegrams[0]

    assert set(await asyncio.gather(*(shared.get("key", make) for _ in range(250)))) == {b"0"}
    assert made == [0]
    telegrams[0] = 1
    assert await shared.get("key", make) == b"1"
    moments[0] += SHARED_S
    await shared.get("key", make)
    assert made == [0, 1]
    moments[0] += 0.01
    await shared.get("key", make)
    assert made == [0, 1, 1]
    for number in range(2 * MAX_SHARED):
        await shared.get(number, make)
    assert len(shared._made) == MAX_SHARED


# Connections to the page.


class Connection:
    """A connection to the page."""

    def __init__(self, moment: float = 0.0, *, is_responding: bool = False) -> None:
        self.last_active, self.is_responding, self.is_closed = moment, is_responding, False

    def abort(self) -> None:
        self.is_closed = True


def address(text: str) -> Address:
    return ip_address(text)


def test_strangers_have_little_room_and_take_none_from_those_with_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "MAX_CONNECTIONS", 4)
    monkeypatch.setattr(gate, "MAX_STRANGERS", 2)
    away = list[TurnedAway]()
    door = Gate(lambda each: each == address("192.0.2.1"), away.append)
    known = [Connection() for _ in range(4)]
    assert all(door.admit(each, address("127.0.0.1")) for each in known)
    strangers = [Connection(number) for number in range(3)]
    assert all(door.admit(each, address("192.0.2.1")) for each in strangers)
    assert [each.is_closed for each in strangers] == [True, False, False]
    assert not any(each.is_closed for each in known)
    assert away == [TurnedAway.EVICTED]
    # One that shows the password gets its share of the room of the others.
    door.recognise(strangers[1])
    assert not door.is_stranger(strangers[1])
    assert [each.is_closed for each in known] == [True, False, False, False]
    assert away[-1] is TurnedAway.UNFAIR


def test_connections_that_are_responding_go_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MAX_CONNECTIONS", 3)
    away = list[TurnedAway]()
    door = Gate(lambda _each: False, away.append)
    viewer, idle, newer = Connection(1.0, is_responding=True), Connection(2.0), Connection(3.0)
    assert all(door.admit(each, address("127.0.0.1")) for each in (viewer, idle, newer))
    for _ in range(2):
        assert door.admit(Connection(9.0, is_responding=True), address("127.0.0.1"))
    assert (viewer.is_closed, idle.is_closed, newer.is_closed) == (False, True, True)
    assert not door.admit(Connection(), address("127.0.0.1"))
    assert away[-1] is TurnedAway.FULL
    assert door.admit(Connection(), address("2001:db8::1"))
    assert viewer.is_closed


# The page.

SECRET_PAGE = PAGE.replace("}", ", password_file: password}")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    (tmp_path / "password").write_text("correct horse")
    text = 'meter: {simulate: true}\nmodbus: [{listen: "127.0.0.1:0"}]\n' + SECRET_PAGE
    async with serving(tmp_path, text) as bench:
        yield bench


def _ask(port: int, *pieces: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as sock:
        answer = b""
        try:
            for piece in pieces:
                sock.sendall(piece)
            while piece := sock.recv(65536):
                answer += piece
        except (ConnectionResetError, BrokenPipeError):
            pass
        return answer


GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"


async def test_what_is_refused_is_closed(bench: Bench) -> None:
    for request in (GET % (b"", b""), b"POST /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        answer = await asyncio.to_thread(_ask, bench.page.port, request)
        assert answer.startswith((b"HTTP/1.1 401", b"HTTP/1.1 405"))
        assert b"connection: close" in answer.lower()


async def test_a_small_body_is_dropped_and_the_connection_closed_after_the_response(bench: Bench) -> None:
    answer = await asyncio.to_thread(_ask, bench.page.port, GET % (b"healthz", b"Content-Length: 4\r\n"), b"body")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("header", "piece"),
    [(b"Content-Length: 99999999\r\n", bytes(65536)), (b"Transfer-Encoding: chunked\r\n", b"1000\r\n" + bytes(4098))],
)
async def test_a_body_without_end_is_refused(
    bench: Bench, header: bytes, piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "BODY_TIMEOUT_S", LIMIT_S)
    asked = asyncio.to_thread(_ask, bench.page.port, GET % (b"healthz", header), *[piece] * 200)
    assert b"200 OK" not in await asyncio.wait_for(asked, LIMIT_S)
    assert (await bench.get("/healthz")).status == 200


async def send_chunks(writer: asyncio.StreamWriter) -> None:
    """Send a body without end."""
    while True:
        writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)


async def test_a_body_without_end_of_a_known_client_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_TIMEOUT_S", 10 * LIMIT_S)
    async with serving(tmp_path) as bench:
        _, writer = await asyncio.open_connection("127.0.0.1", bench.page.port)
        writer.write(GET % (b"healthz", b"Transfer-Encoding: chunked\r\n"))
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(send_chunks(writer), LIMIT_S)


async def test_a_stranger_may_send_little(bench: Bench) -> None:
    answer = await asyncio.to_thread(_ask, bench.page.port, *[GET % (b"healthz", b"X: %s\r\n" % (b"y" * 1000))] * 20)
    assert answer.count(b"HTTP/1.1 200") < 20
    assert (await bench.get("/healthz")).status == 200


async def test_the_page_gets_its_requests_one_by_one_and_all_of_them(bench: Bench) -> None:
    async with asyncio.timeout(LIMIT_S):
        found = await asyncio.gather(*(bench.get("/healthz") for _ in range(20)))
    assert {each.status for each in found} == {200}


async def test_a_request_waits_until_the_pause_after_another_one_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "PAUSE_S", 10 * LIMIT_S)
    async with serving(tmp_path) as bench:
        clients = [await asyncio.open_connection("127.0.0.1", bench.page.port) for _ in range(2)]
        for _, writer in clients:
            writer.write(GET % (b"healthz", b""))
        await until(lambda: bench.page.gate and len(bench.page.gate.turns) == 1)
        responses = [asyncio.create_task(reader.read(12)) for reader, _ in clients]
        done, waiting = await asyncio.wait(responses, timeout=LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        assert [each.result() for each in done] == [b"HTTP/1.1 200"]
        assert len(waiting) == 1
        for each in waiting:
            each.cancel()
        for _, writer in clients:
            writer.transport.abort()


# The meter.


async def test_silence_is_judged_after_waiting_bytes_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A late event loop runs a timer before it reads the line."""
    moment = [100.0]
    for module in (dsmr_parser, ticking):
        monkeypatch.setattr(module, "now", lambda: moment[0])
    monkeypatch.setattr(dsmr_parser, "TICK_S", 0.0)
    meter = MeterState("meter", VARIANTS["5"], None)
    parser = DsmrParser("parser", meter, gap_s=0.1)
    telegram, loop = numbered(1), asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        loop.add_reader(ours, lambda: parser.receive(ours.recv(65536), 100.0))
        async with running(parser):
            theirs.sendall(telegram[:300])
            await until(lambda: parser._reader.pending)
            # Less than what counts as a late look, and more than the gap.
            moment[0] += 0.2
            theirs.sendall(telegram[300:])
            await until(lambda: meter.accepted or meter.refused.total())
        loop.remove_reader(ours)
    assert (meter.accepted, meter.refused.total()) == (1, 0)


# Listeners.


async def test_few_connections_are_accepted_in_a_turn_and_many_wait(bench: Bench) -> None:
    # Nothing is accepted meanwhile, as this does not return to the event loop.
    socks = [socket.create_connection(("127.0.0.1", bench.page.port), timeout=LIMIT_S) for _ in range(30)]

    def crowd() -> list[bytes]:
        answers = []
        for sock in socks:
            sock.sendall(GET % (b"healthz", b""))
            answers.append(sock.recv(12))
            sock.close()
        return answers

    assert ACCEPTED_PER_TURN < 10
    assert set(await asyncio.to_thread(crowd)) == {b"HTTP/1.1 200"}
