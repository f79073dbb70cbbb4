"""Shared by the tests with real programs: a serial port, programs run as processes, Modbus clients.

Nothing here waits for a fixed time: `wait_until` tests its condition again and again, and fails after its limit.
"""

from __future__ import annotations

import atexit
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from random import sample
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, NamedTuple, Self, TypeVar

import pytest
import yaml

from tests.conftest import program
from tests.protocol.p1.stream import stamped

LIMIT_S = 60.0
"""Longest time to wait for something. A gateway needs a fraction of it, even on a busy machine."""
LOOK_EVERY_S = 0.01
CHARACTERS_PER_PIECE = 12
"""About the number of bytes that a USB adapter hands over at a time."""

READ_HOLDING, READ_INPUT = 3, 4
TARGET_FAILED = 0x0B
"""Exception code of a unit whose meter is offline."""

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, TCP_LISTEN = 4, 20, 10
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
"""Of linux/netlink.h, linux/sock_diag.h and net/tcp_states.h."""

SIMULATED = {"simulate": True}
"""The `meter:` of a configuration that needs no meter."""

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str | Callable[[], str], limit_s: float = LIMIT_S) -> T:
    """Return the first true value of `condition`; fail the test when there is none in time.

    A `what` that shows more than was waited for, such as a log, is a function, so that it shows the newest state.
    """
    deadline = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"waited {limit_s:g} s in vain for: {what if isinstance(what, str) else what()}")
        time.sleep(LOOK_EVERY_S)


def _ports() -> Iterator[int]:
    """Generate ports below those that the system gives to connections and to listeners without a port of their own.

    So no other test gets a port between its choice and its use, or while a gateway restarts. Each process begins
    elsewhere.
    """
    given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    first, end = (20_000, given) if given > 21_000 else (20_000, 30_000)
    yield from cycle(sample(range(first, end), end - first))


_candidates = _ports()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that no program listens on."""
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", port := next(_candidates))):
            return port


def is_listened_on(port: int) -> bool:
    """Return whether any process listens on TCP `port`, without connecting to it."""
    return any(port in _listening(family) for family in (socket.AF_INET, socket.AF_INET6))


def _listening(family: socket.AddressFamily) -> Iterator[int]:
    """Generate the TCP ports that are listened on, as the kernel lists them over netlink (sock_diag(7)).

    It takes some microseconds. To read `/proc/net/tcp` takes milliseconds of processor time, which add up to minutes
    where hundreds of tests look every few milliseconds.
    """
    request = struct.pack("=BBBxI48x", family, socket.IPPROTO_TCP, 0, 1 << TCP_LISTEN)
    header = struct.pack("=IHHII", 16 + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.send(header + request)
        while True:
            data = kernel.recv(1 << 16)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind != SOCK_DIAG_BY_FAMILY:
                    return
                yield int.from_bytes(data[20:22])
                data = data[length:]


def reserved_port() -> int:
    """Return a port that only a privileged process may listen on; skip the test where the system reserves none."""
    try:
        first_free = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except OSError:
        first_free = 1024
    for port in (502, 802, 1023):
        if port < first_free and not is_listened_on(port):
            return port
    pytest.skip("this system lets everyone listen on the ports of Modbus")


class SerialPort:
    """A serial device on a pseudo terminal; the test is the device at the other end."""

    def __init__(self, link: Path) -> None:
        self.link = link
        """Stable name of the device, as in /dev/serial/by-id: it stays when the device returns under another number."""
        self.plug_in()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def plug_in(self) -> None:
        """Make the device."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        device = os.ttyname(slave)
        # Left open, the slave would show up as ours when somebody asks who holds the device.
        os.close(slave)
        os.set_blocking(self._master, False)
        self.link.symlink_to(device)

    def unplug(self) -> None:
        """Remove the device; a program that has it open gets a hang-up."""
        self.link.unlink(missing_ok=True)
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def send(self, data: bytes) -> float:
        """Send `data`; return the time of its last byte (`time.monotonic`)."""
        rest = memoryview(data)
        while rest:
            if not select.select([], [self._master], [], LIMIT_S)[1]:
                raise TimeoutError("nobody takes what the meter sends")
            rest = rest[os.write(self._master, rest) :]
        return time.monotonic()

    def offer(self, data: bytes) -> None:
        """Send as a meter does, without waiting for a reader: bytes that nobody accepts are lost."""
        with suppress(BlockingIOError):
            os.write(self._master, data)

    def send_paced(self, data: bytes, baudrate: int) -> float:
        """Send as `send` does, in small pieces at the speed of a serial line with ten bits per character."""
        begun = time.monotonic()
        for at in range(0, len(data), CHARACTERS_PER_PIECE):
            due = begun + 10 * at / baudrate
            while time.monotonic() < due:
                time.sleep(due - time.monotonic() if due > time.monotonic() else 0)
            self.send(data[at : at + CHARACTERS_PER_PIECE])
        return time.monotonic()

    def speed(self) -> int:
        """Return the speed that the program at the other end has set, as the constant of `termios`."""
        return int(termios.tcgetattr(self._master)[4])

    def input_flags(self) -> int:
        """Return the input flags of `termios` that the program at the other end has set."""
        return int(termios.tcgetattr(self._master)[0])

    @contextmanager
    def sending(self, *telegrams: bytes, every_s: float = 0.3, as_they_are: bool = False) -> Iterator[None]:
        """Send the telegrams in turn, again and again, while the block runs.

        They get the present time and a valid checksum, unless they are sent `as_they_are`.
        """
        stop = Event()
        errors: list[BaseException] = []

        def work() -> None:
            try:
                while True:
                    for telegram in telegrams:
                        self.send(telegram if as_they_are else stamped(telegram, time.time()))
                        if stop.wait(every_s):
                            return
            except (OSError, ValueError) as error:
                errors.append(error)

        thread = Thread(target=work, name="meter")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        if errors:
            raise errors[0]


class Program:
    """A program that a test starts, and ends by its process id."""

    def __init__(
        self, command: Sequence[str | Path], folder: Path, name: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / f"{name}.log"
        variables = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "PYTHONUNBUFFERED": "1", **(environment or {})}
        with self._log.open("ab") as stream:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        atexit.register(self.kill)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Return whether the program has not ended."""
        return self._process.poll() is None

    @property
    def busy_s(self) -> float:
        """Return the seconds of processor time of the main thread, whatever else the machine does."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9

    @property
    def log(self) -> str:
        """Return all output so far."""
        return self._log.read_text(errors="replace")

    def open_files(self) -> int:
        """Return the number of open file descriptors."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def wait_for_log(self, pattern: str, times: int = 1, limit_s: float = LIMIT_S) -> list[Any]:
        """Wait until `pattern` was printed `times` times; return the matches."""

        def found() -> list[Any]:
            matches = re.findall(pattern, self.log)
            if len(matches) < times and self._process.poll() is not None:
                pytest.fail(f"{self.name} ended with {self._process.returncode}:\n{self.log}")
            return matches if len(matches) >= times else []

        try:
            return wait_until(found, f"{pattern!r} in the log of {self.name}", limit_s)
        except pytest.fail.Exception as failure:
            pytest.fail(f"{failure.msg}\n{self.log}")

    def wait_for_port(self, port: int, limit_s: float = LIMIT_S) -> None:
        """Wait until the program listens on `port`."""

        def listens() -> bool:
            if self._process.poll() is not None:
                pytest.fail(f"{self.name} ended with {self._process.returncode}:\n{self.log}")
            return is_listened_on(port)

        try:
            wait_until(listens, f"{self.name} to listen on port {port}", limit_s)
        except pytest.fail.Exception as failure:
            pytest.fail(f"{failure.msg}\n{self.log}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        self._process.send_signal(number)

    def pause(self) -> None:
        """Stop the program as a suspended machine does, and wait until it is stopped."""
        self.signal(signal.SIGSTOP)
        # The state follows the name, which may hold anything, and its closing parenthesis.
        state = Path(f"/proc/{self.pid}/stat")
        wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", f"{self.name} to be stopped")

    def resume(self) -> None:
        """Continue after `pause`."""
        self.signal(signal.SIGCONT)

    def wait(self, limit_s: float = LIMIT_S) -> int:
        """Wait for the end of the program; return its exit code."""
        try:
            return self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.name} still runs after {limit_s:g} s:\n{self.log}")

    def kill(self) -> None:
        """Kill the program."""
        atexit.unregister(self.kill)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def end(self) -> None:
        """Terminate the program; kill it if that has no effect in time."""
        if self._process.poll() is None:
            self.resume()
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LIMIT_S)
        self.kill()


def gateway_command() -> Path:
    """Return the path of the installed `dsmr-gateway`."""
    return Path(sys.executable).with_name("dsmr-gateway")


def with_listen(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration entry; add `listen` with a free port where there is none."""
    return {**({} if "listen" in entry else {"listen": f"127.0.0.1:{free_port()}"}), **entry}


def port_of(entry: Mapping[str, Any]) -> int:
    """Return the port of `listen`."""
    return int(str(entry["listen"]).rpartition(":")[2])


class Gateway(Program):
    """A running `dsmr-gateway run CONFIG`; its servers listen on `ports` of 127.0.0.1."""

    def __init__(
        self,
        folder: Path,
        meter: Mapping[str, Any],
        *servers: Mapping[str, Any],
        passthrough: Sequence[Mapping[str, Any]] = (),
        settings: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        waits: bool = True,
    ) -> None:
        """Start the gateway.

        Args:
            folder: where it runs and its configuration lies.
            meter: the configuration's `meter:`.
            servers: the entries of `modbus:`; without `listen`, each gets a free port. By default one with unit 1,
                which shows identifiers.
            passthrough: the entries of `passthrough:`; without `listen`, each gets a free port of
                `passthrough_ports`.
            settings: whatever else stands in the configuration.
            environment: variables beside the test's own.
            prefix: a command that runs it.
            waits: whether to wait until it listens.

        """
        entries = [with_listen(server) for server in servers or ({"units": {1: {"identifiers": True}}},)]
        offers = [with_listen(entry) for entry in passthrough]
        self.ports = [port_of(entry) for entry in entries]
        self.passthrough_ports = [port_of(entry) for entry in offers]
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "gateway.yaml"
        where = {"meter": dict(meter)} if meter else {}
        config.write_text(
            yaml.safe_dump({**where, "modbus": entries, "passthrough": offers, **(settings or {})}, sort_keys=False)
        )
        super().__init__([*prefix, gateway_command(), "run", config], folder, "gateway", environment)
        if waits:
            try:
                for port in (*self.ports, *self.passthrough_ports):
                    self.wait_for_port(port)
            except BaseException:
                # Nobody has the program yet who could end it.
                self.kill()
                raise

    @property
    def port(self) -> int:
        """Return the port of the first server."""
        return self.ports[0]

    def client(self, **options: Any) -> ModbusClient:
        """Connect a client to the first server."""
        return ModbusClient(self.port, **options)

    def wait_until_connected(self) -> None:
        """Wait until the P1 port is open: bytes sent before that are lost, as on a real line."""
        with self.client() as client:
            wait_until(lambda: client.registers(1, 1)[0] & 2, lambda: f"the P1 port to be open; so far:\n{self.log}")

    def wait_for_telegrams(self, count: int) -> None:
        """Wait until `count` telegrams are accepted."""
        with self.client() as client:
            wait_until(lambda: client.uint32(4) >= count, lambda: f"{count} telegrams; so far:\n{self.log}")


NOBODY = 65534


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a folder that other users can read, unlike those of pytest."""
    with TemporaryDirectory(prefix="dsmr-gateway-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def as_nobody(folder: Path) -> list[str]:
    """Return a prefix that runs a command without the rights of root, as the owner of `folder`, or skip the test."""
    if os.geteuid() != 0:
        return []
    os.chown(folder, NOBODY, NOBODY)
    prefix = [program("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
    if subprocess.run([*prefix, gateway_command(), "--version"], capture_output=True, check=False).returncode:
        pytest.skip("an unprivileged user cannot run the gateway from here")
    return prefix


@contextmanager
def running(*programs: Program) -> Iterator[None]:
    """End the programs after the block, also after an exception."""
    try:
        yield
    finally:
        for each in programs:
            each.end()


class ReadResult(NamedTuple):
    """One Modbus/TCP response."""

    transaction: int
    unit: int
    pdu: bytes

    @property
    def code(self) -> int | None:
        """Return the exception code, None for a normal response."""
        return self.pdu[1] if self.pdu[0] & 0x80 else None


class ModbusClient:
    """A Modbus/TCP client that sends exactly the given requests."""

    def __init__(
        self, port: int, source: str = "127.0.0.1", receive_buffer: int | None = None, limit_s: float = LIMIT_S
    ) -> None:
        is_ipv6 = ":" in source
        self.socket = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(limit_s)
        self.socket.bind((source, 0))
        self.socket.connect(("::1" if is_ipv6 else "127.0.0.1", port))
        self._transaction = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pdus: bytes, unit: int = 1) -> list[int]:
        """Send requests in one segment; return their transaction ids."""
        frames, transactions = [], []
        for pdu in pdus:
            self._transaction = (self._transaction + 1) % 0x10000
            transactions.append(self._transaction)
            frames.append(struct.pack(">HHHB", self._transaction, 0, len(pdu) + 1, unit) + pdu)
        self.socket.sendall(b"".join(frames))
        return transactions

    def receive(self) -> ReadResult:
        """Receive the next response; raise EOFError or ConnectionResetError after the gateway has closed."""
        transaction, protocol, length = struct.unpack(">HHH", self._exactly(6))
        assert protocol == 0
        body = self._exactly(length)
        return ReadResult(transaction, body[0], body[1:])

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError(f"closed after {len(data)} of {count} bytes")
            data += piece
        return data

    def is_closed(self) -> bool:
        """Wait for bytes or for the end of the connection; return whether the gateway has closed it."""
        try:
            return not self.socket.recv(1)
        except ConnectionResetError:
            return True

    def ask(self, pdu: bytes, unit: int = 1) -> ReadResult:
        """Send one request and receive its response."""
        (transaction,) = self.send(pdu, unit=unit)
        answer = self.receive()
        assert (answer.transaction, answer.unit) == (transaction, unit)
        assert answer.pdu[0] & 0x7F == pdu[0]
        return answer

    def read(self, address: int, count: int, unit: int = 1, function: int = READ_HOLDING) -> bytes | int:
        """Read registers; return their bytes, or the exception code."""
        answer = self.ask(read_request(address, count, function), unit)
        if answer.code is not None:
            return answer.code
        assert answer.pdu[1] == 2 * count == len(answer.pdu) - 2
        return answer.pdu[2:]

    def registers(self, address: int, count: int, unit: int = 1, function: int = READ_HOLDING) -> tuple[int, ...]:
        """Read registers and return them; fail the test on an exception."""
        data = self.read(address, count, unit, function)
        assert isinstance(data, bytes), f"exception {data} for {count} registers at {address}"
        return struct.unpack(f">{count}H", data)

    def uint32(self, address: int, unit: int = 1) -> int:
        """Read an unsigned number of two registers."""
        high, low = self.registers(address, 2, unit)
        return high << 16 | low


def read_request(address: int, count: int, function: int = READ_HOLDING) -> bytes:
    """Return the PDU of a request that reads registers."""
    return struct.pack(">BHH", function, address, count)


def mbpoll(port: int, *options: str, values: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run mbpoll once, with addresses from 0; write where there are `values`."""
    command = [program("mbpoll"), "-m", "tcp", "-p", str(port), "-0", "-1", *options, "127.0.0.1", *values]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def mbpoll_registers(
    port: int, address: int, count: int, unit: int = 1, function: int = READ_HOLDING
) -> tuple[int, ...]:
    """Read registers with mbpoll."""
    table = {READ_HOLDING: "4:hex", READ_INPUT: "3:hex"}[function]
    result = mbpoll(port, "-a", str(unit), "-r", str(address), "-c", str(count), "-t", table)
    assert result.returncode == 0, result.stdout + result.stderr
    found = re.findall(r"^\[(\d+)\]:\s+0x([0-9A-F]{4})$", result.stdout, re.MULTILINE)
    assert [int(at) for at, _ in found] == list(range(address, address + count))
    return tuple(int(digits, 16) for _, digits in found)
