"""Connections of a server: who makes room for whom, and what becomes of clients that do not behave."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.nodes.modbus_server import ModbusServer, connections, node
from gateway.nodes.modbus_server.connections import RECEIVE_BUFFER_BYTES, WRITE_BUFFER_BYTES, SerialClient, StreamClient
from gateway.protocol.modbus.rtu import append_crc
from gateway.transport.clients import Eviction
from tests.certificates import client_context
from tests.nodes import transports
from tests.nodes.transports import connect, make_unit, mbap, serve
from tests.waiting import until

READ = bytes.fromhex("0300050001")
ANSWER = bytes.fromhex("03020005")
READ_125 = bytes.fromhex("030000007d")
LONGEST_ANSWER_BYTES = 9 + 250
LIMIT_S = 60.0
STREAMS = ("tcp", "tls", "rtu_over_tcp")
MOST_UNSENT_BYTES = WRITE_BUFFER_BYTES + RECEIVE_BUFFER_BYTES // 12 * LONGEST_ANSWER_BYTES
"""What may wait for a client that takes nothing: the answers to one more buffer full of requests."""


@asynccontextmanager
async def client_of(
    server: ModbusServer, folder: Path, source: str = "127.0.0.1"
) -> AsyncIterator[transports.StreamClient]:
    """A client that connects from `source`."""
    context = client_context(folder) if server.settings.admission.tls else None
    streams = await asyncio.open_connection("127.0.0.1", server.port, ssl=context, local_addr=(source, 0))
    try:
        yield transports.StreamClient(*streams, is_rtu=server.settings.transport == "rtu_over_tcp")
    finally:
        streams[1].transport.abort()


async def is_closed(client: transports.StreamClient) -> bool:
    """Whether the server has closed the connection, which is waited for."""
    with suppress(ConnectionResetError):
        async with asyncio.timeout(LIMIT_S):
            return await client.reader.read(1) == b""
    return True


async def ask_all(*clients: transports.StreamClient) -> None:
    for client in clients:
        assert await client.ask(READ) == ANSWER


def connected(server: ModbusServer) -> Sequence[StreamClient]:
    return list(server.clients)


# Who makes room (implementation guide, 4.2.1).


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_past_max_clients_the_least_recently_active_goes(
    tmp_path: Path, name: str, order: tuple[int, ...]
) -> None:
    async with serve(name, tmp_path, make_unit(tmp_path), max_clients=3) as server, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_of(server, tmp_path)) for _ in range(3)]
        await ask_all(*clients)
        await ask_all(*(clients[index] for index in order))
        newcomer = await stack.enter_async_context(client_of(server, tmp_path))
        await ask_all(newcomer)
        assert await is_closed(clients[order[0]])
        await ask_all(clients[order[1]], clients[order[2]], newcomer)
        assert len(server.clients) == 3


async def test_past_max_clients_one_that_never_asked_goes_before_one_that_did(tmp_path: Path) -> None:
    async with serve("tcp", tmp_path, make_unit(tmp_path), max_clients=3) as server, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_of(server, tmp_path)) for _ in range(2)]
        await ask_all(*clients)
        silent = await stack.enter_async_context(client_of(server, tmp_path))
        await until(lambda: len(server.clients) == 3)
        # Bytes that are no request yet are nothing asked for.
        silent.writer.write(mbap(1, 1, READ)[:11])
        newcomer = await stack.enter_async_context(client_of(server, tmp_path))
        assert await is_closed(silent)
        await ask_all(*clients, newcomer)


async def test_clients_with_priority_never_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = "127.0.0.2", "127.0.0.3"
    rules = {"max_clients": 3, "priority": (ip_network(f"{first}/32"), ip_network(f"{second}/32"))}
    async with serve("tcp", tmp_path, make_unit(tmp_path), **rules) as server, AsyncExitStack() as stack:
        dear = [await stack.enter_async_context(client_of(server, tmp_path, source)) for source in (first, second)]
        await ask_all(*dear)
        previous: transports.StreamClient | None = None
        for _ in range(5):
            other = await stack.enter_async_context(client_of(server, tmp_path))
            await ask_all(other)
            assert previous is None or await is_closed(previous)
            previous = other
        assert previous is not None
        third = await stack.enter_async_context(client_of(server, tmp_path, first))
        await ask_all(*dear, third)
        assert await is_closed(previous)
        # Nobody is left who may go: then a new one has no place, with priority or without.
        for source in (first, "127.0.0.1"):
            assert await is_closed(await stack.enter_async_context(client_of(server, tmp_path, source)))
        await ask_all(*dear, third)
        assert server.clients.refused == 2
    assert caplog.text.count("max_clients (3) is reached: the longest inactive client is closed") == 1
    assert caplog.text.count("max_clients (3) is reached: new clients are refused") == 1


@pytest.mark.parametrize(("eviction", "leaving"), [(Eviction.OLDEST, 0), (Eviction.NOBODY, 2)])
async def test_another_rule_for_who_goes(tmp_path: Path, eviction: Eviction, leaving: int) -> None:
    rules = {"max_clients": 2, "eviction": eviction}
    async with serve("tcp", tmp_path, make_unit(tmp_path), **rules) as server, AsyncExitStack() as stack:
        clients = []
        for _ in range(2):
            clients.append(await stack.enter_async_context(client_of(server, tmp_path)))
            await ask_all(*reversed(clients))
        clients.append(await stack.enter_async_context(client_of(server, tmp_path)))
        assert await is_closed(clients.pop(leaving))
        await ask_all(*clients)


# Clients that say nothing, or little.


@pytest.mark.parametrize("name", STREAMS)
async def test_an_idle_client_is_closed_and_one_that_asks_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(node, "TICK_S", 0.02)
    async with (
        serve(name, tmp_path, make_unit(tmp_path), idle_timeout_s=0.3) as server,
        client_of(server, tmp_path) as idle,
        client_of(server, tmp_path) as busy,
    ):
        begun = asyncio.get_running_loop().time()
        await ask_all(idle)
        closing = asyncio.create_task(is_closed(idle))
        while not closing.done():
            await ask_all(busy)
            await asyncio.wait([closing], timeout=0.02)
        assert closing.result()
        assert asyncio.get_running_loop().time() - begun > 0.3
        await ask_all(busy)
        assert len(server.clients) == 1


async def test_without_an_idle_timeout_a_client_may_be_silent_for_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve("tcp", tmp_path, make_unit(tmp_path)) as server, client_of(server, tmp_path) as client:
        await ask_all(client)
        server.clients.close_idle(connections.now() + 1e6)
        await ask_all(client)


async def test_a_request_in_bytes_a_second_apart_is_answered_and_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = connections.now()
    monkeypatch.setattr(connections, "now", lambda: moment)
    async with (
        serve("tcp", tmp_path, make_unit(tmp_path)) as server,
        client_of(server, tmp_path) as slow,
        client_of(server, tmp_path) as other,
    ):
        await until(lambda: len(server.clients) == 2)
        (connection, _) = connected(server)
        for count, byte in enumerate(mbap(7, 1, READ), 1):
            moment += 1
            slow.writer.write(bytes((byte,)))
            await until(lambda count=count: len(connection._rest) == count % 12)  # type: ignore[misc]
            await ask_all(other)
        assert await slow.reader.readexactly(11) == mbap(7, 1, ANSWER)


async def test_bytes_of_one_client_never_become_anothers(tmp_path: Path) -> None:
    """They are read into the same buffer, in turn."""
    async with serve("tcp", tmp_path, make_unit(tmp_path)) as server, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_of(server, tmp_path)) for _ in range(4)]
        requests = [mbap(index + 1, 1, bytes((3, 0, index, 0, 1))) for index in range(4)]
        for end in range(1, 13):
            for client, request in zip(clients, requests, strict=True):
                client.writer.write(request[end - 1 : end])
                await until(lambda count=end: any(len(each._rest) == count % 12 for each in connected(server)))  # type: ignore[misc]
        for index, client in enumerate(clients):
            assert await client.reader.readexactly(11) == mbap(index + 1, 1, bytes((3, 2, 0, index)))


async def test_over_rtu_the_rest_of_a_request_that_comes_too_late_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = connections.now()
    monkeypatch.setattr(connections, "now", lambda: moment)
    async with serve("rtu_over_tcp", tmp_path, make_unit(tmp_path)) as server, client_of(server, tmp_path) as client:
        await until(lambda: len(server.clients) == 1)
        (connection,) = connected(server)
        client.writer.write(b"\x01" + READ[:3])
        await until(lambda: len(connection._rest) == 4)
        moment += connections.RTU_PATIENCE_S + 0.01
        # With what came before, this would be another request's beginning.
        await ask_all(client)
        assert connection._rest == b""


async def test_the_responses_of_a_serial_line_are_counted_on_when_it_is_reopened(tmp_path: Path) -> None:
    async with serve("tcp", tmp_path, make_unit(tmp_path)) as server:
        for _ in range(2):
            line = SerialClient(server, "/dev/ttyP1")
            line.data_received(append_crc(b"\x01" + READ))
            line.connection_lost(None)
        assert server.responder.monitor.responses == {"/dev/ttyP1": 2}


# Clients that do not take their answers.


async def send_until_stuck(writer: asyncio.StreamWriter, connection: StreamClient) -> None:
    """Send reads of 125 registers until the server reads no more of them."""
    requests = mbap(1, 1, READ_125) * 500
    while connection._stall is None:
        writer.write(requests)
        await asyncio.sleep(0)  # else the kernel takes megabytes of them before the server gets its turn
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await writer.drain()


@asynccontextmanager
async def greedy_client(server: ModbusServer, folder: Path) -> AsyncIterator[asyncio.StreamWriter]:
    """A client that has room for few answers and takes none."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", server.port))
    context = client_context(folder) if server.settings.admission.tls else None
    _, writer = await asyncio.open_connection(
        sock=sock, ssl=context, server_hostname="127.0.0.1" if context else None, limit=1024
    )
    writer.transport.pause_reading()
    try:
        yield writer
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("name", ["tcp", "tls"])
async def test_a_client_that_never_reads_is_paused_then_cut_and_little_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(connections, "STALL_TIMEOUT_S", 0.5)
    async with (
        serve(name, tmp_path, make_unit(tmp_path)) as server,
        client_of(server, tmp_path) as other,
        greedy_client(server, tmp_path) as greedy,
    ):
        await ask_all(other)
        await until(lambda: len(server.clients) == 2)
        connection = connected(server)[1]
        await send_until_stuck(greedy, connection)
        transport = connection._transport
        assert transport is not None
        most = 0
        while len(server.clients) == 2:
            assert not transport.is_reading()
            most = max(most, transport.get_write_buffer_size())
            await ask_all(other)
        assert WRITE_BUFFER_BYTES < most <= MOST_UNSENT_BYTES
        assert transport.is_closing()
        await ask_all(other)


async def test_a_client_that_takes_its_answers_late_gets_them_all(tmp_path: Path) -> None:
    async with serve("tcp", tmp_path, make_unit(tmp_path)) as server, greedy_client(server, tmp_path) as greedy:
        await until(lambda: len(server.clients) == 1)
        (connection,) = connected(server)
        await send_until_stuck(greedy, connection)
        greedy.write(mbap(2, 1, READ))
        greedy.transport.resume_reading()  # type: ignore[attr-defined]
        reader = greedy.transport.get_protocol()._stream_reader  # type: ignore[attr-defined]
        async with asyncio.timeout(LIMIT_S):
            while (answer := await reader.readexactly(9))[:2] == b"\0\1":
                assert answer[2:] == bytes.fromhex("000000fd0103fa")
                assert len(await reader.readexactly(250)) == 250
        assert answer + await reader.readexactly(2) == mbap(2, 1, ANSWER)
        assert connection._transport is not None
        assert connection._transport.is_reading()


@pytest.mark.parametrize("name", ["tcp", "rtu_over_tcp"])
async def test_a_half_closed_client_gets_all_its_answers_and_is_forgotten(tmp_path: Path, name: str) -> None:
    async with serve(name, tmp_path, make_unit(tmp_path)) as server, client_of(server, tmp_path) as client:
        is_rtu = name == "rtu_over_tcp"  # where of several requests only the last one gets a response
        count = 1 if is_rtu else 300
        for _ in range(count):
            await client.send(1, READ_125)
        client.writer.write_eof()
        async with asyncio.timeout(LIMIT_S):
            received = await client.reader.read()
        assert len(received) == count * (255 if is_rtu else LONGEST_ANSWER_BYTES)
        await until(lambda: not len(server.clients))


async def test_a_client_that_half_closes_and_never_reads_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "STALL_TIMEOUT_S", 0.3)
    async with serve("tcp", tmp_path, make_unit(tmp_path)) as server, greedy_client(server, tmp_path) as greedy:
        await until(lambda: len(server.clients) == 1)
        (connection,) = connected(server)
        await send_until_stuck(greedy, connection)
        greedy.write_eof()
        await until(lambda: not len(server.clients))


async def test_a_stopping_server_closes_its_clients_before_its_port(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with serve("tcp", tmp_path, make_unit(tmp_path)) as server:
            clients = [await stack.enter_async_context(client_of(server, tmp_path)) for _ in range(5)]
            await ask_all(*clients)
            greedy = await stack.enter_async_context(greedy_client(server, tmp_path))
            await until(lambda: len(server.clients) == 6)
            await send_until_stuck(greedy, connected(server)[5])
            begun = asyncio.get_running_loop().time()
        for client in clients:
            assert await is_closed(client)
        await until(lambda: not len(server.clients))
        assert asyncio.get_running_loop().time() - begun < 1
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)


@pytest.mark.parametrize("name", ["tcp", "tls"])
@pytest.mark.parametrize("turns", [0, *range(2, 8)])  # at 1 asyncio itself forgets the client (CPython issue 109564)
async def test_a_client_that_connects_while_the_server_stops_is_not_served(
    tmp_path: Path, name: str, turns: int
) -> None:
    with socket.socket() as late:
        async with serve(name, tmp_path, make_unit(tmp_path)) as server:
            late.connect(("127.0.0.1", server.port))
            for _ in range(turns):
                await asyncio.sleep(0)
        late.setblocking(False)
        received = b""
        with suppress(ConnectionError):
            late.sendall(mbap(1, 1, READ))
            async with asyncio.timeout(LIMIT_S):
                received = await asyncio.get_running_loop().sock_recv(late, 64)
        assert received == b""
        assert not len(server.clients)


async def test_the_kernel_watches_for_peers_that_are_gone(tmp_path: Path) -> None:
    async with serve("tcp", tmp_path, make_unit(tmp_path)) as server, connect(server, tmp_path) as client:
        assert await client.ask(READ) == ANSWER
        (connection,) = connected(server)
        assert connection._transport is not None
        sock = connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
