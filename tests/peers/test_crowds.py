"""Crowds of clients at a running gateway: a healthy one among them misses nothing, and nothing is used up."""

from __future__ import annotations

import re
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.certificates import client_context, make_certificates
from tests.conftest import program
from tests.nodes.transports import mbap
from tests.peers.harness import Gateway, ModbusClient, read_request, running, wait_until

DEMO = {"simulate": True}
DEAR = "127.0.0.2"
MAX_CLIENTS = 32
READ_125 = mbap(1, 1, read_request(1000, 125))
MAX_BUSY_S = 0.2
"""Longest time that the gateway may work for others before it responds to the healthy client."""
MAX_LOG_LINES_PER_CAUSE = 9
FULL = "max_clients (32) is reached: the longest inactive client is closed"
MAX_GROWTH_KIB = 8 * 1024


class Healthy:
    """A client that sends request after request, in a thread of its own, and remembers what went wrong."""

    def __init__(self, gateway: Gateway, source: str) -> None:
        self.answers = 0
        self.longest_busy_s = 0.0
        self._gateway = gateway
        self.error: BaseException | None = None
        self._client = ModbusClient(gateway.port, source)
        self._stop = Event()
        self._thread = Thread(target=self._work, name="healthy")
        self._thread.start()

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                before = self._gateway.busy_s
                assert self._client.registers(0, 1) == (1,)
                self.longest_busy_s = max(self.longest_busy_s, self._gateway.busy_s - before)
                self.answers += 1
                self._stop.wait(0.002)
        except (OSError, EOFError, AssertionError) as error:
            self.error = error

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        self._client.socket.close()


@contextmanager
def healthy(gateway: Gateway, source: str = "127.0.0.1") -> Iterator[Healthy]:
    """A healthy client while the block runs, which must have got all its responses, each before much other work."""
    client = Healthy(gateway, source)
    try:
        wait_until(lambda: client.answers or client.error, "the healthy client's first answer")
        yield client
        before = client.answers
        wait_until(lambda: client.answers > before + 1 or client.error, "one more answer")
    finally:
        client.end()
    assert client.error is None, f"after {client.answers} answers"
    assert client.longest_busy_s < MAX_BUSY_S


def memory_kib(gateway: Gateway) -> int:
    (size,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{gateway.pid}/status").read_text())
    return int(size)


def assert_log_is_short(gateway: Gateway) -> None:
    """The log has few lines for each cause, and no traceback."""
    assert "Traceback" not in gateway.log
    causes: dict[str, int] = {}
    for line in gateway.log.splitlines():
        cause = re.sub(r"\d+", "", line)
        causes[cause] = causes.get(cause, 0) + 1
    assert max(causes.values()) <= MAX_LOG_LINES_PER_CAUSE, causes
    assert len(gateway.log.splitlines()) < 30


def dial(port: int, data: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
    """A connection that has sent `data` and waits for nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.bind((source, 0))
    sock.setblocking(False)
    with suppress(BlockingIOError):
        sock.connect(("127.0.0.1", port))
    sock.settimeout(0.05)
    with suppress(OSError):
        if data:
            sock.sendall(data)
    return sock


def test_two_thousand_connections_in_turn_leave_nothing_behind(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, DEMO)
    with running(gateway):
        gateway.wait_for_telegrams(1)
        with healthy(gateway):
            files, memory = 0, 0
            for number in range(2000):
                with ModbusClient(gateway.port) as client:
                    if number % 4 == 0:
                        assert client.registers(0, 1) == (1,)
                    elif number % 4 == 1:
                        client.socket.sendall(READ_125[:7])
                    elif number % 4 == 2:
                        client.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
                if number == 200:
                    wait_until(lambda: gateway.open_files() < 40, "closed connections")
                    files, memory = gateway.open_files(), memory_kib(gateway)
            wait_until(lambda: gateway.open_files() <= files, "closed connections")
        assert memory_kib(gateway) - memory < MAX_GROWTH_KIB
        assert_log_is_short(gateway)


STRANGERS = {
    "silent": b"",
    "half a request": READ_125[:11],
    "no Modbus": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
}
CLIENTS = {"good requests": READ_125 * 3, "more requests than they read": READ_125 * 2000}
CROWDS = {name: (data, "127.0.0.1") for name, data in STRANGERS.items()} | {
    # Those that ask as it does may push it out, unless it has priority.
    name: (data, DEAR)
    for name, data in CLIENTS.items()
}


@pytest.mark.parametrize(("data", "source"), CROWDS.values(), ids=CROWDS.keys())
def test_200_at_once_with_32_allowed_take_nothing_from_a_healthy_client(
    tmp_path: Path, data: bytes, source: str
) -> None:
    gateway = Gateway(tmp_path, DEMO, {"priority": [f"{DEAR}/32"]})
    with running(gateway):
        gateway.wait_for_telegrams(1)
        files, memory = gateway.open_files(), memory_kib(gateway)
        with healthy(gateway, source):
            crowd = [dial(gateway.port, data) for _ in range(200)]
            # Few are accepted at a time, and those that send no Modbus are gone before there are 32 of them.
            wait_until(lambda: data == STRANGERS["no Modbus"] or FULL in gateway.log, "the 33rd client")
            wait_until(lambda: gateway.open_files() <= files + MAX_CLIENTS, "those beyond 32 to go")
            for sock in crowd:
                sock.close()
        wait_until(lambda: gateway.open_files() <= files, "closed connections")
        assert memory_kib(gateway) - memory < MAX_GROWTH_KIB
        assert_log_is_short(gateway)


@pytest.mark.parametrize("limits", ["1024:1024", "128:4096"])
def test_a_crowd_does_not_use_up_the_files_that_the_system_allows(tmp_path: Path, limits: str) -> None:
    """Past that limit, asyncio writes a hundred tracebacks a second."""
    gateway = Gateway(tmp_path, DEMO, prefix=[program("prlimit"), f"--nofile={limits}"])
    with running(gateway):
        gateway.wait_for_telegrams(1)
        files = gateway.open_files()
        with healthy(gateway):
            crowd = [dial(gateway.port, READ_125[:6]) for _ in range(300)]
            wait_until(lambda: gateway.open_files() <= files + MAX_CLIENTS, "those beyond 32 to go")
            # What comes later is let in as well: others make room.
            with gateway.client() as late:
                assert late.registers(0, 1) == (1,)
            for sock in crowd:
                sock.close()
        assert_log_is_short(gateway)


def test_twenty_clients_that_take_nothing_cost_little_memory(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, DEMO)
    with running(gateway):
        gateway.wait_for_telegrams(1)
        with healthy(gateway):
            memory = memory_kib(gateway)
            crowd = [dial(gateway.port) for _ in range(20)]
            for sock in crowd:
                sock.setblocking(False)
            sent = -1
            while sent:
                sent = 0
                for sock in crowd:
                    with suppress(BlockingIOError):
                        sent += sock.send(READ_125 * 1000)
            assert memory_kib(gateway) - memory < MAX_GROWTH_KIB
            for sock in crowd:
                sock.close()
        assert_log_is_short(gateway)


def test_it_ends_in_time_whatever_its_clients_are_doing(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    tls = {"certificate": str(files.certificate), "key": str(files.key), "client_ca": str(files.client_ca)}
    gateway = Gateway(tmp_path, DEMO, {"priority": [f"{DEAR}/32"]}, {"tls": tls}, {"transport": "rtu_over_tcp"})
    with running(gateway):
        gateway.wait_for_telegrams(1)
        plain, secured, rtu = gateway.ports
        good = [gateway.client(source=DEAR) for _ in range(3)]
        for client in good:
            assert client.registers(0, 1) == (1,)
        crowd = [dial(port, data) for port in (plain, rtu) for data in (*STRANGERS.values(), *CLIENTS.values())]
        crowd += [dial(secured), dial(secured, b"\x16\x03\x01\x02")]
        raw = socket.create_connection(("127.0.0.1", secured))
        with client_context(tmp_path).wrap_socket(raw) as client:
            client.sendall(READ_125)
            assert len(client.recv(9)) == 9
            # One that never says goodbye: its socket stays open, and unread.
            gateway.signal(signal.SIGTERM)
            assert gateway.wait() == 0
            with suppress(ssl.SSLError, ConnectionResetError):
                while client.recv(4096):
                    pass
        for each in good:
            assert each.is_closed()
        assert "did not stop in time" not in gateway.log
        assert_log_is_short(gateway)
        for sock in [*crowd, *(each.socket for each in good)]:
            sock.close()
