"""Lines over real sockets and ptys: opened in time, watched, closed at once, and said what is wrong with them."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import pty
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.lines import tcp
from gateway.lines.serial import SerialLine
from gateway.lines.tcp import TcpLine
from gateway.problems.problem import ProblemError
from gateway.protocol.p1.variants import FAST_LINE, SLOW_LINE, SerialSettings
from gateway.transport.serial_device import holder_of, why_not_opened
from gateway.transport.socket_options import watch_peer
from tests.conftest import ROOT
from tests.peers.harness import as_nobody, open_folder
from tests.waiting import until

LIMIT_S = 60.0
TIOCGEXCL = 0x80045440
"""Linux's question whether a terminal is exclusive, which Python has no name for."""
RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT_S)
        yield server


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


async def test_what_a_tcp_peer_sends_comes_through_whole(listener: socket.socket) -> None:
    received = bytearray()
    line = TcpLine("127.0.0.1", port_of(listener))
    closed = await line.open(received.extend)
    peer, _ = listener.accept()
    data = bytes(range(256)) * 400
    with peer:
        await asyncio.to_thread(peer.sendall, data)
        await until(lambda: len(received) == len(data))
    assert received == data
    assert await asyncio.wait_for(closed, LIMIT_S) is None


async def test_a_tcp_line_never_sends_a_byte(listener: socket.socket) -> None:
    line = TcpLine("127.0.0.1", port_of(listener))
    assert line.write(b"x") is False
    await line.open(lambda _data: None)
    peer, _ = listener.accept()
    assert line.write(b"x") is False
    line.close()
    peer.settimeout(LIMIT_S)
    with peer, suppress(ConnectionResetError):
        assert await asyncio.to_thread(peer.recv, 100) == b""


async def test_a_peer_that_vanishes_ends_the_line_with_the_reason(listener: socket.socket) -> None:
    line = TcpLine("127.0.0.1", port_of(listener))
    closed = await line.open(lambda _data: None)
    peer, _ = listener.accept()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    peer.close()
    assert isinstance(await asyncio.wait_for(closed, LIMIT_S), ConnectionResetError)
    line.close()


async def test_a_line_closed_from_here_ends_too_and_can_be_opened_again(listener: socket.socket) -> None:
    line = TcpLine("127.0.0.1", port_of(listener))
    line.close()
    for _ in range(2):
        closed = await line.open(lambda _data: None)
        line.close()
        await asyncio.wait_for(closed, LIMIT_S)
        line.close()


async def test_the_kernel_watches_a_peer_for_us(listener: socket.socket) -> None:
    line = TcpLine("127.0.0.1", port_of(listener))
    await line.open(lambda _data: None)
    assert line._transport is not None
    sock = line._transport.get_extra_info("socket")
    options = [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    ]
    assert [sock.getsockopt(*option) for option in options] == [1, 10, 5, 3, 20_000]
    line.close()


def test_a_socket_without_these_options_is_watched_as_far_as_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "TCP_USER_TIMEOUT")
    with socket.socket(socket.AF_UNIX) as sock:
        watch_peer(sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


async def test_a_host_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "CONNECT_TIMEOUT_S", 0.3)
    waiting: list[socket.socket] = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        # A queue that is full answers nobody, as a host without power does.
        for _ in range(3):
            waiting.append(client := socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        begun = time.monotonic()
        with pytest.raises(OSError, match="no connection within 0 s") as error:
            await TcpLine("127.0.0.1", port_of(server)).open(lambda _data: None)
        assert 0.3 <= time.monotonic() - begun < 1.5
        assert error.value.errno == errno.ETIMEDOUT
        for client in waiting:
            client.close()


async def test_a_port_that_nobody_listens_on_is_reported_at_once(listener: socket.socket) -> None:
    port = port_of(listener)
    listener.close()
    with pytest.raises(ProblemError) as error:
        await TcpLine("127.0.0.1", port).open(lambda _data: None)
    assert (error.value.problem.code, error.value.errno) == ("connection-refused", errno.ECONNREFUSED)


async def test_opening_does_not_hold_up_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, told = threading.Event(), threading.Event()

    def slow(*_arguments: object, **_options: object) -> list[object]:
        asked.set()
        assert told.wait(LIMIT_S), "the loop goes on while a name is looked up"
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    opening = asyncio.create_task(TcpLine("p1.invalid", 2001).open(lambda _data: None))
    assert await asyncio.to_thread(asked.wait, LIMIT_S)
    told.set()
    with pytest.raises(OSError, match="the name is not found"):
        await opening


class Pty:
    """A pair of ends; `device` is what a serial line opens."""

    def __init__(self) -> None:
        self.meter, self._device = pty.openpty()
        tty.setraw(self.meter)
        tty.setraw(self._device)
        self.device = os.ttyname(self._device)
        self.is_open = True

    def attributes(self) -> list[object]:
        return termios.tcgetattr(self._device)

    def is_exclusive(self) -> bool:
        answer = fcntl.ioctl(self._device, TIOCGEXCL, struct.pack("i", 0))
        return bool(struct.unpack("i", answer)[0])

    def unplug(self) -> None:
        for descriptor in (self._device, self.meter) if self.is_open else ():
            os.close(descriptor)
        self.is_open = False


@pytest.fixture
def port() -> Iterator[Pty]:
    port = Pty()
    yield port
    port.unplug()


@pytest.mark.parametrize(
    ("settings", "speed", "checks_parity"),
    [(FAST_LINE, termios.B115200, False), (SLOW_LINE, termios.B9600, True)],
    ids=str,
)
async def test_a_serial_line_has_its_settings_and_is_read(
    port: Pty, settings: SerialSettings, speed: int, checks_parity: bool
) -> None:
    received = bytearray()
    line = SerialLine(port.device, settings)
    closed = await line.open(received.extend)
    attributes = port.attributes()
    assert attributes[4:6] == [speed, speed]
    assert bool(attributes[0] & termios.INPCK) == checks_parity  # type: ignore[operator]
    os.write(port.meter, b"/telegram\r\n\x00\xff")
    await until(lambda: len(received) == 13)
    assert received == b"/telegram\r\n\x00\xff"
    assert not closed.done()
    line.close()
    await asyncio.wait_for(closed, LIMIT_S)


async def test_a_serial_line_is_this_process_alone(port: Pty) -> None:
    assert not port.is_exclusive()
    line = SerialLine(port.device, FAST_LINE)
    closed = await line.open(lambda _data: None)
    assert port.is_exclusive()
    with pytest.raises(OSError, match="in use by"):
        await SerialLine(port.device, FAST_LINE).open(lambda _data: None)
    line.close()
    await asyncio.wait_for(closed, LIMIT_S)


async def test_what_is_written_reaches_the_meter_until_too_much_waits(port: Pty) -> None:
    line = SerialLine(port.device, FAST_LINE)
    assert line.write(b"x") is False
    closed = await line.open(lambda _data: None)
    assert line.write(b"hello") is True
    os.set_blocking(port.meter, False)
    read = b""

    def has_come() -> bool:
        nonlocal read
        try:
            read += os.read(port.meter, 100)
        except BlockingIOError:
            return False
        return read == b"hello"

    await until(has_come)
    await until(lambda: not line.write(bytes(1024)))
    line.close()
    await asyncio.wait_for(closed, LIMIT_S)
    assert line.write(b"x") is False


async def test_a_cable_that_is_pulled_ends_the_line(port: Pty) -> None:
    line = SerialLine(port.device, FAST_LINE)
    closed = await line.open(lambda _data: None)
    port.unplug()
    assert await asyncio.wait_for(closed, LIMIT_S) is not None
    line.close()


@pytest.mark.parametrize(("settings", "is_slow"), [(FAST_LINE, False), (SLOW_LINE, True)], ids=str)
def test_which_line_is_slow(settings: SerialSettings, is_slow: bool) -> None:
    assert SerialLine("/dev/p1", settings).is_slow is is_slow


async def test_a_missing_device_and_a_file_that_is_no_device_are_reported(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"no such device\. Is the cable plugged in") as error:
        await SerialLine(str(tmp_path / "ttyUSB0"), FAST_LINE).open(lambda _data: None)
    assert error.value.errno == errno.ENOENT
    plain = tmp_path / "plain"
    plain.touch()
    with pytest.raises(OSError, match=r".") as other:
        await SerialLine(str(plain), FAST_LINE).open(lambda _data: None)
    assert "no such device" not in str(other.value)


OPEN = """
import asyncio, sys
from gateway.lines.serial import SerialLine
from gateway.protocol.p1.variants import FAST_LINE
try:
    asyncio.run(SerialLine(sys.argv[1], FAST_LINE).open(print))
except OSError as error:
    print(error.errno, error.strerror)
"""


def test_a_device_without_rights_names_the_group() -> None:
    with open_folder() as folder:
        prefix = as_nobody(folder)
        device = folder / "ttyUSB0"
        device.touch()
        device.chmod(0)
        command = [*prefix, sys.executable, "-c", OPEN, str(device)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.stdout.startswith(f"{errno.EACCES} no permission to open it. Add the user to the group"), result


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOENT, "no such device. Is the cable plugged in? Look in /dev/serial/by-id"),
        (errno.EACCES, "Add the user to the group dialout (usermod -aG dialout USER), then log in again"),
        (errno.EACCES, "For a systemd service, set SupplementaryGroups=dialout"),
        (errno.EPERM, "this service may not use the device, even if its user may. Allow it with DeviceAllow="),
        (errno.EBUSY, "in use by another process"),
        (errno.EAGAIN, "in use by another process"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_an_error_says_what_to_do_about_it(code: int, words: str) -> None:
    assert words in str(why_not_opened(OSError(code, os.strerror(code)), "/dev/there-is-no-such-port"))


def test_who_holds_a_port_is_named_with_its_process(port: Pty, tmp_path: Path) -> None:
    by_id = tmp_path / "usb-P1"
    by_id.symlink_to(port.device)
    assert holder_of(str(by_id)) is None, "what this process has open itself is no holder"
    program = "import sys\nwith open(sys.argv[1], 'rb'): print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, port.device]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        name = Path("/proc", str(holder.pid), "comm").read_text().strip()
        assert holder_of(str(by_id)) == f"{name} (process {holder.pid})"
        problem = why_not_opened(OSError(errno.EBUSY, "busy"), str(by_id))
        assert problem.what == f"in use by {name} (process {holder.pid})"
    assert holder_of(port.device) is None
