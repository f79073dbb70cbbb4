"""Finding 6: one address with many connections locks nobody else out, wherever it connects."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from contextlib import AsyncExitStack, ExitStack
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from gateway.nodes import control
from gateway.nodes.control import Control
from gateway.nodes.status_page import stream
from gateway.nodes.status_page.stream import Stream
from gateway.runtime.health import Health
from gateway.transport import http_gate as gate
from gateway.transport.addresses import name_peer, source_of
from gateway.transport.clients import Admission, Eviction
from gateway.transport.control_socket import HEALTH, ask
from gateway.transport.peer import Peer
from gateway.transport.shares import TurnedAway, room_for
from tests.nodes.passthrough_bench import Bench
from tests.nodes.status_page.bench import LIMIT_S, serving
from tests.nodes.status_page.test_stream import Source
from tests.nodes.test_connections import ask_all, client_of, is_closed
from tests.nodes.transports import make_unit, serve
from tests.waiting import running, until

GREEDY, OTHER, THIRD = "127.0.0.2", "127.0.0.3", "127.0.0.4"


async def is_ended(reader: asyncio.StreamReader) -> bool:
    """Whether the gateway has closed the connection, in order or not."""
    try:
        return await asyncio.wait_for(reader.read(1), LIMIT_S) == b""
    except ConnectionResetError:
        return True


# The rule.


class Listener:
    """A listener with a limit, which refuses only when it must; connections are numbers."""

    def __init__(self, limit: int, priority: set[int]) -> None:
        self.limit, self.priority = limit, priority
        self.connected: dict[int, int] = {}

    def connect(self, number: int, source: int, *, refuses: bool) -> bool:
        if len(self.connected) >= self.limit:
            may_go = {each: its for each, its in self.connected.items() if its not in self.priority}
            room = room_for(source, may_go)
            if not room.candidates or (refuses and not room.is_owed):
                return False
            del self.connected[room.candidates[0]]
        self.connected[number] = source
        return True

    def count(self, source: int) -> int:
        return list(self.connected.values()).count(source)


@given(
    st.integers(1, 8),
    st.sets(st.integers(0, 6), max_size=2),
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=60),
    st.booleans(),
)
def test_whoever_connects_each_source_gets_its_share(
    limit: int, priority: set[int], arrivals: list[tuple[int, bool]], refuses: bool
) -> None:
    listener = Listener(limit, priority)
    for number, (source, leaves_again) in enumerate(arrivals):
        before = dict(listener.connected)
        ordinary = [its for its in before.values() if its not in priority]
        sources = {*ordinary, source}
        # Room that priority takes is not shared.
        share = max(1, (limit - len(before) + len(ordinary)) // len(sources))
        is_above = any(ordinary.count(each) > share for each in sources - {source})
        has_less = ordinary.count(source) < share
        is_in = listener.connect(number, source, refuses=refuses)
        assert len(listener.connected) <= limit
        assert is_in or not (has_less and is_above)
        gone = [its for each, its in before.items() if each not in listener.connected]
        assert len(gone) <= 1
        assert not set(gone) & priority
        # Nobody loses a connection to a source that has as many.
        for each in gone:
            assert each == source or ordinary.count(each) >= max(ordinary.count(its) for its in sources)
            assert each == source or ordinary.count(each) > ordinary.count(source)
        if leaves_again:
            listener.connected.pop(number, None)


@given(st.integers(1, 40), st.integers(0, 80))
def test_a_single_source_uses_all_the_room(limit: int, count: int) -> None:
    listener = Listener(limit, set())
    for number in range(count):
        listener.connect(number, 0, refuses=False)
    assert listener.count(0) == min(limit, count)


def test_a_source_is_an_ipv4_address_or_a_network_of_ipv6() -> None:
    assert source_of(ip_address("192.0.2.7")) == "192.0.2.7"
    assert source_of(name_peer("::ffff:192.0.2.7", 1)[0]) == "192.0.2.7"
    inside = {source_of(ip_address(each)) for each in ("2001:db8::1", "2001:db8::ffff:0:0:1")}
    assert inside == {"2001:db8::/64"}
    assert source_of(ip_address("2001:db8:0:1::1")) not in inside


# Modbus clients.


async def test_forty_quick_clients_do_not_push_out_a_slow_one_of_another_address(tmp_path: Path) -> None:
    async with serve("tcp", tmp_path, make_unit(tmp_path), max_clients=8) as server, AsyncExitStack() as stack:
        slow = await stack.enter_async_context(client_of(server, tmp_path, OTHER))
        await ask_all(slow)
        for _ in range(40):
            quick = await stack.enter_async_context(client_of(server, tmp_path, GREEDY))
            await ask_all(quick)
        await ask_all(slow)
        assert len(server.clients) == 8
        assert server.clients.turned_away[TurnedAway.EVICTED] == 33


async def test_each_address_gets_its_share_of_a_full_server(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serve("tcp", tmp_path, make_unit(tmp_path), max_clients=4) as server, AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(client_of(server, tmp_path, GREEDY)) for _ in range(4)]
        await ask_all(*crowd)
        others = []
        for source in (OTHER, THIRD):
            others.append(await stack.enter_async_context(client_of(server, tmp_path, source)))
            await ask_all(*others)
        assert await is_closed(crowd[0])
        assert await is_closed(crowd[1])
        await ask_all(*crowd[2:], *others)
        assert server.clients.turned_away[TurnedAway.UNFAIR] == 2
        assert server.details()["clients_turned_away (closed for another address)"] == 2
    assert caplog.text.count("127.0.0.2 has the most clients") == 1


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_crowd_that_connects_at_once_keeps_no_other_address_out(tmp_path: Path, transport: str) -> None:
    async with serve(transport, tmp_path, make_unit(tmp_path), max_clients=32) as server:
        with ExitStack() as stack:
            for _ in range(258):  # more than a listener accepts at once, and than it has room for
                place = ("127.0.0.1", server.port)
                stack.enter_context(socket.create_connection(place, LIMIT_S, (GREEDY, 0)))
            async with client_of(server, tmp_path, OTHER) as other:
                await ask_all(other)
            assert server.clients.turned_away.total() >= 258 - 32


async def test_clients_with_priority_are_no_part_of_the_shares(tmp_path: Path) -> None:
    rules = {"max_clients": 4, "priority": (ip_network(f"{GREEDY}/32"),)}
    async with serve("tcp", tmp_path, make_unit(tmp_path), **rules) as server, AsyncExitStack() as stack:
        dear = [await stack.enter_async_context(client_of(server, tmp_path, GREEDY)) for _ in range(4)]
        await ask_all(*dear)
        assert await is_closed(await stack.enter_async_context(client_of(server, tmp_path, OTHER)))
        await ask_all(*dear)


# The page.


async def test_idle_connections_to_the_page_lock_no_other_address_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(gate, "MAX_CONNECTIONS", 6)
    async with serving(tmp_path) as page:
        port = page.page.port
        idle = [await asyncio.open_connection("127.0.0.1", port, local_addr=(GREEDY, 0)) for _ in range(6)]
        await until(lambda: page.page.gate and len(page.page.gate) == 6)
        found = await asyncio.gather(*(page.get("/healthz") for _ in range(2)))
        assert {each.status for each in found} == {200}
        assert await is_ended(idle[0][0])
        text = (await page.get("/metrics")).body.decode()
        for _, writer in idle:
            writer.transport.abort()
    closed = (
        r'dsmr_gateway_clients_turned_away_total\{kind="status page",[^}]*reason="closed for another address"\} (\d+)'
    )
    assert int(re.findall(closed, text)[0]) >= 1
    assert caplog.text.count("one address has most of the connections to the page") == 1


async def test_viewers_of_one_address_make_room_for_a_viewer_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_VIEWERS", 2)
    events = Stream(lambda _parameters: ("", Source))
    statuses: dict[str, int] = {}

    async def view(name: str, source: str) -> None:
        async def send(message: Message) -> None:
            statuses.setdefault(name, message.get("status", 0))

        async def receive() -> Message:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        await events({"type": "http", "method": "GET", "client": (source, 1)}, receive, send)

    async with asyncio.TaskGroup() as group:
        viewers = []
        for name, source in (("a", GREEDY), ("b", GREEDY), ("c", GREEDY), ("d", OTHER)):
            viewers.append(group.create_task(view(name, source)))
            await until(lambda name=name: name in statuses)  # type: ignore[misc]
        assert statuses == {"a": 200, "b": 200, "c": 503, "d": 200}
        await until(viewers[0].done)
        assert not viewers[1].done()
        for viewer in viewers:
            viewer.cancel()


# The control socket.


async def test_idle_programs_at_the_control_socket_lock_no_other_program_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "MAX_CONNECTIONS", 3)
    processes = iter([1, 1, 1, 1, 2])
    monkeypatch.setattr(control, "peer_of", lambda _socket: Peer(next(processes), os.geteuid()))
    path = tmp_path / "socket"
    node = Control(path, {}, lambda *, counts_meters: Health("", 0.0))
    async with running(node):
        idle = [await asyncio.open_unix_connection(path) for _ in range(4)]
        assert await idle[3][0].read() == b""
        lines = list[bytes]()
        await asyncio.wait_for(ask(path, HEALTH, lines.append), LIMIT_S)
        assert len(lines) == 1
        assert await is_ended(idle[0][0])
        assert node.turned_away == {TurnedAway.FULL: 1, TurnedAway.UNFAIR: 1}
        for _, writer in idle:
            writer.transport.abort()


# Readers of a passthrough.


async def test_idle_readers_of_one_address_lock_no_other_reader_out() -> None:
    bench = Bench()
    passthrough = bench.offer(admission=Admission(max_clients=4, eviction=Eviction.NOBODY))
    async with running(passthrough):
        idle = [await asyncio.open_connection("127.0.0.1", passthrough.port, local_addr=(GREEDY, 0)) for _ in range(6)]
        await until(lambda: passthrough.clients.turned_away[TurnedAway.FULL] == 2)
        other = await asyncio.open_connection("127.0.0.1", passthrough.port, local_addr=(OTHER, 0))
        await until(lambda: any(str(client.address) == OTHER for client in passthrough.clients))
        assert len(passthrough.clients) == 4
        assert await is_ended(idle[0][0])
        for _, writer in (*idle, other):
            writer.transport.abort()
