"""Ports over telnet: those that work, as pyserial serves them, and those that refuse, flood or stay silent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from random import Random
from threading import Event, Thread

import pytest
import serial
from serial.rfc2217 import PortManager

from gateway.lines import rfc2217, tcp
from gateway.lines.rfc2217 import MAX_EARLY_BYTES, Rfc2217Line
from gateway.problems.problem import ProblemError
from gateway.protocol.com_port import COM_PORT, STOPSIZE, ComPortServer
from gateway.protocol.p1.variants import FAST_LINE, SLOW_LINE, SerialSettings
from gateway.protocol.telnet import DO, IAC, SB, SE, WILL, Subnegotiation, TelnetStream, escape
from gateway.runtime.clock import unix_now
from tests.conftest import own_telegram
from tests.nodes.p1_bench import Bench, running
from tests.protocol.p1.stream import stamped
from tests.waiting import until

TELEGRAM = own_telegram("v50_sagemcom-t210d")
ANY_BYTE = bytes(range(256)) * 3
LIMIT_S = 60.0
AGREED = bytes([IAC, DO, COM_PORT])


@pytest.fixture(autouse=True)
def _has_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give connections time on a busy machine."""
    monkeypatch.setattr(tcp, "CONNECT_TIMEOUT_S", LIMIT_S)
    monkeypatch.setattr(rfc2217, "NEGOTIATION_TIMEOUT_S", LIMIT_S)
    monkeypatch.setattr("gateway.runtime.flow.FIRST_PAUSE_S", 0.02)


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def port_server(serve: Serve, receive_buffer: int = 65536) -> AsyncIterator[int]:
    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await serve(reader, writer)
        writer.close()

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    server = await asyncio.start_server(run, sock=listener)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def negotiate(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    settings: SerialSettings = FAST_LINE,
    is_set: asyncio.Event | None = None,
) -> None:
    """Serve a port until the reader leaves; `is_set` is set when all settings are confirmed."""
    server, stream = ComPortServer(lambda: settings, "test"), TelnetStream()
    writer.write(server.begin())
    while received := await reader.read(4096):
        for item in stream.feed(received):
            assert not isinstance(item, bytes), "data for the meter"
            writer.write(server.take(item))
            if is_set and isinstance(item, Subnegotiation) and item.content[0] == STOPSIZE:
                is_set.set()


def sending(*pieces: bytes) -> Serve:
    """Return a server that negotiates, and sends pieces of data once it has confirmed the settings."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_set = asyncio.Event()
        negotiating = asyncio.create_task(negotiate(reader, writer, is_set=is_set))
        await is_set.wait()
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        await negotiating

    return serve


def saying(*pieces: bytes, closes: bool = False) -> Serve:
    """Return a server that sends these bytes, whatever comes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
        while not closes and await reader.read(4096):
            pass

    return serve


async def problem_of_opening(serve: Serve, settings: SerialSettings = FAST_LINE) -> tuple[str, str]:
    """Return the code and the text of the problem of opening a port."""
    async with port_server(serve) as port:
        with pytest.raises(ProblemError) as caught:
            await Rfc2217Line("127.0.0.1", port, settings).open(lambda _data: None)
    return caught.value.problem.code, str(caught.value)


async def received_from(serve: Serve, count: int) -> bytes:
    received = bytearray()
    async with port_server(serve) as port:
        line = Rfc2217Line("127.0.0.1", port, FAST_LINE)
        closed = await line.open(received.extend)
        await until(lambda: len(received) >= count)
        assert line.write(b"x") is False
        line.close()
        assert await asyncio.wait_for(closed, LIMIT_S) is None
    return bytes(received)


@pytest.mark.parametrize("piece_bytes", [1, 3, 100_000])
async def test_data_comes_through_whole_with_commands_in_between(piece_bytes: int) -> None:
    notify = bytes(Subnegotiation(COM_PORT, b"\x6b\xff"))
    stream = escape(ANY_BYTE) + notify + bytes([IAC, 241]) + escape(TELEGRAM)
    pieces = [stream[at : at + piece_bytes] for at in range(0, len(stream), piece_bytes)]
    expected = ANY_BYTE + TELEGRAM
    assert await received_from(sending(*pieces), len(expected)) == expected


async def test_what_comes_before_the_settings_are_confirmed_is_dropped() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"old" * 5000)
        await sending(TELEGRAM)(reader, writer)

    assert await received_from(serve, len(TELEGRAM)) == TELEGRAM


async def test_settings_that_the_port_refuses_are_named_with_those_it_has() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await negotiate(reader, writer, SLOW_LINE)

    code, text = await problem_of_opening(serve)
    assert code == "settings-refused"
    assert "refuses 115200 8N1: it has baudrate 9600, bytesize 7, parity E. Change it there" in text


async def test_a_telnet_server_without_such_a_port_is_named() -> None:
    code, text = await problem_of_opening(saying(bytes([IAC, 254, COM_PORT])))
    assert code == "rfc2217-refused"
    assert "telnet(rfc2217)" in text


async def test_a_plain_tcp_port_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rfc2217, "NEGOTIATION_TIMEOUT_S", 0.2)
    code, text = await problem_of_opening(saying(TELEGRAM))
    assert code == "no-negotiation"
    assert "read it with host and port" in text


async def test_a_port_that_confirms_nothing_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rfc2217, "NEGOTIATION_TIMEOUT_S", 0.2)
    async with port_server(saying(AGREED)) as port:
        line = Rfc2217Line("127.0.0.1", port, FAST_LINE)
        await line.open(lambda _data: None)
        problem = line.silence()
        line.close()
    assert problem is not None
    assert "has not confirmed baudrate, bytesize, parity, stopbits (115200 8N1)" in str(problem)


async def test_a_text_of_ser2net_before_it_closes_is_reported() -> None:
    async with port_server(saying(b"Port already in use\r\n", closes=True)) as port:
        bench = Bench([("port", Rfc2217Line("127.0.0.1", port, FAST_LINE))])
        async with running(bench):
            await until(lambda: "Port already in use" in str(bench.port.details()["last_trouble"]))


@pytest.mark.parametrize(
    "command",
    [
        bytes([IAC, DO, 99]),
        bytes([IAC, WILL, 1]),
        bytes([IAC, DO, 0, IAC, 254, 0]),
        bytes(Subnegotiation(COM_PORT, b"\x6b\1")),
        bytes([IAC, SB, 24, 1, IAC, SE]),
    ],
)
@pytest.mark.parametrize("begin", [b"", AGREED])
async def test_a_flood_of_commands_ends_the_connection_with_its_reason(command: bytes, begin: bytes) -> None:
    code, _ = await problem_of_opening(saying(begin + command * 50_000))
    assert code == "telnet-flood"


async def test_a_flood_on_an_open_line_ends_it_with_its_reason() -> None:
    is_open = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        negotiating = asyncio.create_task(negotiate(reader, writer))
        await is_open.wait()
        writer.write(bytes([IAC, DO, 99]) * 100_000)
        await negotiating

    async with port_server(serve) as port:
        line = Rfc2217Line("127.0.0.1", port, FAST_LINE)
        closed = await line.open(lambda _data: None)
        is_open.set()
        error = await asyncio.wait_for(closed, LIMIT_S)
    assert isinstance(error, ProblemError)
    assert error.problem.code == "telnet-flood"


async def test_the_responses_for_a_port_that_reads_nothing_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rfc2217, "BURST_COMMANDS", 10**9)

    def take_little(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    monkeypatch.setattr(tcp, "watch_peer", take_little)

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(writer.transport, asyncio.Transport)
        writer.transport.pause_reading()
        while not writer.transport.is_closing():
            writer.write(bytes([IAC, DO, 99]) * 10_000)
            await writer.drain()

    async with port_server(serve, receive_buffer=4096) as port:
        with pytest.raises(ProblemError) as caught:
            await Rfc2217Line("127.0.0.1", port, FAST_LINE).open(lambda _data: None)
    assert caught.value.problem.code == "telnet-flood"


async def test_an_early_flood_of_data_is_cut() -> None:
    async with port_server(saying(b"x" * 1_000_000, closes=True)) as port:
        received = bytearray()
        line = Rfc2217Line("127.0.0.1", port, FAST_LINE)
        with suppress(ProblemError):
            await line.open(received.extend)
        line.close()
    assert received == b"x" * MAX_EARLY_BYTES


async def test_garbage_never_ends_in_an_error_and_telegrams_are_read_after_it() -> None:
    random = Random(7)
    garbage = [bytes(random.choices((IAC, SB, 44, 0, 13, 47), k=200)) for _ in range(4)]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_set = asyncio.Event()
        negotiating = asyncio.create_task(negotiate(reader, writer, is_set=is_set))
        await is_set.wait()
        start = unix_now()
        for number in range(100):
            writer.write(
                (garbage[number] if number < len(garbage) else b"") + escape(stamped(TELEGRAM, start + number))
            )
            await asyncio.sleep(0.1)
        await negotiating

    async with port_server(serve) as port:
        bench = Bench([("port", Rfc2217Line("127.0.0.1", port, FAST_LINE))])
        async with running(bench):
            await until(lambda: bench.meter.accepted >= 3)


async def test_a_peer_that_is_gone_is_noticed_by_the_kernel() -> None:
    async with port_server(sending()) as port:
        line = Rfc2217Line("127.0.0.1", port, FAST_LINE)
        await line.open(lambda _data: None)
        assert line._connection is not None
        sock = line._connection._transport.get_extra_info("socket")  # type: ignore[union-attr]
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        line.close()


async def test_a_connection_that_is_given_up_while_it_opens_is_closed() -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while await reader.read(100):
                begun.set()
        left.set()

    async with port_server(serve) as port:
        opening = asyncio.create_task(Rfc2217Line("127.0.0.1", port, FAST_LINE).open(lambda _data: None))
        await asyncio.wait_for(begun.wait(), LIMIT_S)
        opening.cancel()
        await asyncio.wait([opening])
        await asyncio.wait_for(left.wait(), LIMIT_S)
    Rfc2217Line("127.0.0.1", 1, FAST_LINE).close()
    assert Rfc2217Line("127.0.0.1", 1, FAST_LINE).silence() is None


class PySerialServer(Thread):
    """A port behind pyserial's server, as its example `rfc2217_server.py` makes one. What is written to it is read."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.port = serial.serial_for_url("loop://", timeout=0.05)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.tcp_port = int(self._listener.getsockname()[1])
        self._ended = Event()

    def run(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        class Connection:
            @staticmethod
            def write(data: bytes) -> None:
                connection.sendall(data)

        manager = PortManager(self.port, Connection)
        connection.settimeout(0.02)
        while not self._ended.is_set():
            with suppress(TimeoutError):
                received = connection.recv(1024)
                if not received:
                    return
                assert b"".join(manager.filter(received)) == b"", "data for the meter"
            if data := self.port.read(self.port.in_waiting or 1):
                connection.sendall(b"".join(manager.escape(data)))
            manager.check_modem_lines()

    def close(self) -> None:
        self._ended.set()
        self.join()
        self._listener.close()
        self.port.close()


@contextmanager
def pyserial_server() -> Iterator[PySerialServer]:
    server = PySerialServer()
    server.start()
    try:
        yield server
    finally:
        server.close()


@pytest.mark.parametrize("settings", [FAST_LINE, SLOW_LINE])
async def test_a_port_that_pyserial_serves_is_set_and_read(settings: SerialSettings) -> None:
    with pyserial_server() as server:
        bench = Bench([("port", Rfc2217Line("127.0.0.1", server.tcp_port, settings))])
        async with running(bench):
            await until(lambda: bench.meter.is_connected)
            port = server.port
            assert (port.baudrate, port.bytesize, port.parity) == (
                settings.baudrate,
                settings.bytesize,
                settings.parity,
            )
            start = unix_now()
            for number in range(3):
                await asyncio.to_thread(server.port.write, stamped(TELEGRAM, start + number))
                await until(lambda count=number: bench.meter.accepted > count)
