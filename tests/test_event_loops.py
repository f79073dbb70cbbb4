"""Both event loops: asyncio's own, and uvloop's where it is installed, which does not know all that asyncio does."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.lines.tcp import READ_BYTES, TcpLine
from gateway.nodes import p1_port
from gateway.nodes.modbus_server.connections import RECEIVE_BUFFER_BYTES, StreamClient
from gateway.nodes.p1_port import P1Port
from gateway.problems.problem import ProblemError
from gateway.protocol.modbus.tcp import Responses
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.threads import ready_executor
from gateway.service.run import FileLimitLog, new_uvloop
from gateway.transport import tls
from gateway.transport.connecting import look_up
from tests.nodes.transports import connect, make_unit, serve
from tests.waiting import until

LIMIT_S = 60.0
READ, ANSWER = bytes.fromhex("0300050001"), bytes.fromhex("03020005")


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    loop = new_uvloop() if request.param == "uvloop" else asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_meter_over_tcp_is_read_on_either_event_loop(loop: asyncio.AbstractEventLoop, host: str) -> None:
    async def read(port: int) -> bytes:
        received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        line = TcpLine(host, port)
        closed = await line.open(lambda data: received.done() or received.set_result(data))
        meter, _ = listener.accept()
        with meter:
            meter.sendall(b"/")
            data = await asyncio.wait_for(received, LIMIT_S)
        await asyncio.wait_for(closed, LIMIT_S)
        line.close()
        return data

    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert loop.run_until_complete(read(listener.getsockname()[1])) == b"/"


def test_a_meter_that_sends_without_end_leaves_the_event_loop_to_others(loop: asyncio.AbstractEventLoop) -> None:
    """A gateway that took in all there is would not answer its clients for seconds."""
    size, turn = 200 * READ_BYTES, 0
    received: list[tuple[int, int]] = []

    def count_turns() -> None:
        nonlocal turn
        turn += 1
        loop.call_soon(count_turns)

    async def read(listener: socket.socket) -> None:
        line = TcpLine("127.0.0.1", listener.getsockname()[1])
        await line.open(lambda data: received.append((turn, len(data))))
        meter, _ = listener.accept()
        count_turns()
        with meter:
            await asyncio.gather(
                asyncio.to_thread(meter.sendall, bytes(size)),
                until(lambda: sum(length for _, length in received) == size),
            )
        line.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop.run_until_complete(read(listener))
    assert max(length for _, length in received) <= READ_BYTES
    most = max(Counter(turn for turn, _ in received).values())
    assert most <= 2, "one turn of the loop for one piece"


def test_a_client_that_sends_without_end_leaves_the_event_loop_to_others(
    loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    size, turn, taken = 100 * RECEIVE_BUFFER_BYTES, 0, 0
    pieces: Counter[int] = Counter()

    def count_turns() -> None:
        nonlocal turn
        turn += 1
        loop.call_soon(count_turns)

    def count_pieces(buffer: bytes, *_: object) -> Responses:
        nonlocal taken
        taken += len(buffer)
        pieces[turn] += 1
        return b"", len(buffer), True

    async def send() -> None:
        async with serve("rtu_over_tcp", tmp_path, make_unit(tmp_path)) as server:
            server.framing = count_pieces
            count_turns()
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                await asyncio.gather(asyncio.to_thread(client.sendall, bytes(size)), until(lambda: taken == size))

    loop.run_until_complete(send())
    assert max(pieces.values()) <= 2, "one turn of the loop for one piece"


def test_a_lack_of_file_descriptors_is_reported_once_on_either_event_loop(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.set_exception_handler(FileLimitLog())
    for _ in range(100):
        error = OSError(errno.EMFILE, "Too many open files")
        loop.call_exception_handler({"message": "socket.accept() out of system resource", "exception": error})
    loop.call_exception_handler({"message": "anything else"})
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert told[0].startswith("Too many open files: new clients have to wait")
    assert told[1] == "anything else"


def test_a_meter_that_nobody_serves_is_refused_on_either_event_loop(loop: asyncio.AbstractEventLoop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ProblemError, match="the connection is refused"):
        loop.run_until_complete(TcpLine("127.0.0.1", port).open(lambda _data: None))


def test_a_name_is_looked_up_in_a_thread_that_runs_already_on_either_event_loop(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop.set_default_executor(ready_executor(1))
    ready = {thread.ident for thread in threading.enumerate()}
    asked_by: list[int] = []

    def respond(host: str, port: int, *_options: int) -> list[object]:
        asked_by.append(threading.get_ident())
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]

    monkeypatch.setattr(socket, "getaddrinfo", respond)
    assert [address[0] for *_, address in loop.run_until_complete(look_up("p1.example.org"))] == ["p1.example.org"]
    assert asked_by[0] != threading.get_ident()
    assert asked_by[0] in ready, "a thread that starts later may end the process, or wait for ever"
    loop.run_until_complete(loop.shutdown_default_executor())


class Laborious:
    """Takes longer over each piece than a meter pauses, while the next one comes in."""

    def __init__(self) -> None:
        self.meter: socket.socket | None = None
        self.arrived: list[float] = []

    def receive(self, _data: bytes, arrived: float) -> None:
        self.arrived.append(arrived)
        time.sleep(2 * p1_port.PAUSE_S)  # stands for work, which the event loop waits for
        if self.meter and len(self.arrived) < 10:
            self.meter.sendall(b"/")

    def line_lost(self) -> None:
        """Nothing is kept."""


def test_what_waited_during_a_standstill_is_old_however_long_it_takes_to_read(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = 0.0
    monkeypatch.setattr(p1_port, "now", lambda: time.monotonic() + slept)
    monkeypatch.setattr(p1_port, "PAUSE_S", 0.01)

    async def read(listener: socket.socket) -> list[float]:
        nonlocal slept
        out, meter = Laborious(), MeterState("m", None)
        line = TcpLine("127.0.0.1", listener.getsockname()[1])
        node = P1Port("m/port", meter, [("line", line)], 30.0)
        node.line_bytes.connect(node, out)
        port = asyncio.create_task(node.run())
        await until(lambda: meter.is_connected)
        out.meter, _ = listener.accept()
        with out.meter:
            slept = 60.0
            out.meter.sendall(b"/")
            await until(lambda: len(out.arrived) == 10)
        port.cancel()
        await asyncio.wait([port])
        return out.arrived

    with socket.create_server(("127.0.0.1", 0)) as listener:
        arrived = loop.run_until_complete(read(listener))
    assert max(arrived) < time.monotonic() + 1


def test_clients_are_served_over_tls_on_either_event_loop(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    async def ask() -> None:
        async with serve("tls", tmp_path, make_unit(tmp_path)) as server, asyncio.timeout(LIMIT_S):
            for _ in range(5):
                async with connect(server, tmp_path) as client:
                    assert await client.ask(READ) == ANSWER

    loop.run_until_complete(ask())


def test_a_client_without_certificate_gets_an_alert_on_either_event_loop(
    loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    async def ask() -> None:
        async with serve("tls", tmp_path, make_unit(tmp_path)) as server, asyncio.timeout(LIMIT_S):
            context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
            context.check_hostname = False
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
            try:
                with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
                    await reader.read(1)
            finally:
                writer.transport.abort()

    loop.run_until_complete(ask())


def test_a_crowd_that_never_shakes_hands_leaves_no_trace_but_a_line_of_log_on_either_event_loop(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def ask() -> None:
        async with serve("tls", tmp_path, make_unit(tmp_path), max_clients=2) as server, asyncio.timeout(LIMIT_S):
            async with connect(server, tmp_path) as healthy:
                assert await healthy.ask(READ) == ANSWER
                with ExitStack() as stack:
                    for number in range(20):
                        stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                        # The first ten come one after the other, the rest all at once.
                        await until(lambda n=number: server.clients.refused >= min(n, 10))  # type: ignore[misc]
                    await until(lambda: server.clients.refused >= 19)
                    assert await healthy.ask(READ) == ANSWER
                await until(lambda: len(server.clients) == 1 and not server.clients._handshakes)
                assert await healthy.ask(READ) == ANSWER
                gc.collect()
                left = [each for each in gc.get_objects() if isinstance(each, (StreamClient, tls._OneHandshake))]
                assert len(left) == 2, "what each of many leaves behind makes the memory grow without a bound"
            await until(lambda: not server.clients._handshakes)

    loop.run_until_complete(ask())
    loop.run_until_complete(asyncio.sleep(0))
    assert len(caplog.records) < 10, caplog.text
    assert {record.name for record in caplog.records} == {"gateway"}
