"""The two kinds of line that a P1 port can be read from: a serial device, and TCP as a ser2net serves it."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import grp
import os
import socket
import stat
import termios
from asyncio.staggered import staggered_race
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from gateway.protocol.variants import SerialSettings

CONNECT_TIMEOUT_S = 10.0
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 10, 5, 3
TCP_USER_TIMEOUT_MS = 20_000
"""Together with the keepalive: a peer that lost its power is noticed within 20 s."""
HAPPY_EYEBALLS_DELAY_S = 0.25

SLOW_BELOW_BAUD = 57_600
_NO_LINE = "no serial device. Look in /dev/serial/by-id"
_NOT_ALLOWED = (
    "kept from this service, whatever its user may do; allow it with DeviceAllow= in systemd's unit, or under"
    " devices: of the container"
)
"""Not the rights of its file, which are EACCES, but a list of devices."""
_GROUP_MAY = stat.S_IRGRP | stat.S_IWGRP
_LOCKS = "/run/lock"
READ_BYTES = 2048
"""Of a TCP peer at once: most telegrams in one piece. What else comes must not keep the gateway from its clients:
asyncio's own 256 KiB can hold a hundred thousand telegrams that are none. A serial line's kernel holds 4096."""
MAX_UNSENT_BYTES = 1024
"""To a serial line; a meter is told a few bytes at the most."""

Receive = Callable[[bytes], None]


class Line(Protocol):
    """Something that P1 bytes come from."""

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Open the line and hand what it brings to `receive`; the future ends when the line does.

        Raises:
            OSError: when it cannot be opened.

        """

    def write(self, data: bytes) -> bool:
        """Send to the meter; False when the line takes no more now, or is one that is never written to."""

    def close(self) -> None:
        """Close at once, dropping what is unsent."""


class _Receiver(asyncio.BaseProtocol):
    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(exc)


class _SerialReceiver(_Receiver, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        self._receive(data)


class _TcpReceiver(_Receiver, asyncio.BufferedProtocol):
    def __init__(self, receive: Receive) -> None:
        super().__init__(receive)
        self._received = memoryview(bytearray(READ_BYTES))
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        if nbytes == READ_BYTES and self._transport:
            wait_a_turn(self._transport, self._go_on)
        self._receive(bytes(self._received[:nbytes]))

    def _go_on(self) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.resume_reading()


def wait_a_turn(transport: asyncio.Transport, go_on: Callable[[], None]) -> None:
    """Read no more before the event loop's next turn, for who has filled a buffer: uvloop would fill 31 more first."""
    transport.pause_reading()
    asyncio.get_running_loop().call_soon(go_on)


class TcpLine:
    """A TCP connection to a ser2net or anything like it. Never sends a byte."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._transport: asyncio.Transport | None = None

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Connect, resolving the name anew."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                sock = await _connect(self._host, self._port)
                transport, receiver = await loop.create_connection(lambda: _TcpReceiver(receive), sock=sock)
        except TimeoutError:
            raise OSError(errno.ETIMEDOUT, f"no answer within {CONNECT_TIMEOUT_S:.0f} s") from None
        except OSError as error:
            raise OSError(error.errno, _why_not_connected(error)) from error
        self._transport = transport
        watch_peer(transport.get_extra_info("socket"))
        return receiver.closed

    def write(self, data: bytes) -> bool:  # noqa: ARG002 - it is swallowed
        """Send nothing: what is at the other end may not be a meter's port alone."""
        return False

    def close(self) -> None:
        """Reset the connection: a polite close can hang on a peer that is gone."""
        if self._transport:
            self._transport.abort()


def _why_not_connected(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"the name is not found ({error.strerror}); is it right, and the network up?"
    hints = {
        errno.ECONNREFUSED: "refused, nothing listens there; is the port right, and does the ser2net there run?",
        errno.EHOSTUNREACH: "no way to that host; is the address right, and the host on?",
        errno.ENETUNREACH: "no way to that network; is the address right, and the network up?",
    }
    return hints.get(error.errno or 0, error.strerror or str(error))


async def _connect(host: str, port: int) -> socket.socket:
    """Connect to the first of the host's addresses that answers ("happy eyeballs", which uvloop does not know)."""
    loop = asyncio.get_running_loop()

    async def attempt(family: int, kind: int, protocol: int, _name: str, address: tuple[Any, ...]) -> socket.socket:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
        except BaseException:
            sock.close()
            raise
        return sock

    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    attempts = [partial(attempt, *address) for address in found]
    first: socket.socket | None
    first, _, errors = await staggered_race(attempts, HAPPY_EYEBALLS_DELAY_S)
    if first is None:
        raise next((error for error in errors if error), OSError(errno.EADDRNOTAVAIL, f"{host} has no address"))
    return first


def watch_peer(sock: socket.socket) -> None:
    """Make the kernel notice a peer that is gone without a word."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": KEEPALIVE_IDLE_S,
        "TCP_KEEPINTVL": KEEPALIVE_INTERVAL_S,
        "TCP_KEEPCNT": KEEPALIVE_COUNT,
        "TCP_USER_TIMEOUT": TCP_USER_TIMEOUT_MS,
    }
    for name, value in options.items():
        option = getattr(socket, name, None)  # not every platform has all of them
        if option is not None:
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, option, value)


class SerialLine:
    """A serial device, opened for this process alone."""

    def __init__(self, device: str, settings: SerialSettings) -> None:
        self.device, self._settings = device, settings
        self._transport: asyncio.Transport | None = None

    @property
    def is_slow(self) -> bool:
        """Whether a telegram takes part of a second to arrive."""
        return self._settings.baudrate < SLOW_BELOW_BAUD

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Open the device; serialx does so in a thread."""
        import serialx  # noqa: PLC0415 - only where a serial port is configured

        loop = asyncio.get_running_loop()
        settings, receiver = self._settings, _SerialReceiver(receive)
        try:
            transport, _ = await serialx.create_serial_connection(
                loop,
                lambda: receiver,
                self.device,
                baudrate=settings.baudrate,
                byte_size=settings.bytesize,
                parity=serialx.Parity(settings.parity),
                stopbits=serialx.StopBits(settings.stopbits),
                exclusive=True,
                # Its default of True has the kernel deliver ten bytes at a time, at many times the CPU.
                low_latency=False,
            )
        except serialx.SerialException as error:
            raise OSError(errno.EIO, str(error)) from error
        except OSError as error:
            raise await asyncio.to_thread(explain, error, self.device) from error
        self._transport = transport
        self._guard(transport.serial.fileno())
        return receiver.closed

    def _guard(self, descriptor: int) -> None:
        with suppress(OSError, termios.error):
            # serialx's lock is on the device node; a container's own node of the same port would not see it.
            fcntl.ioctl(descriptor, termios.TIOCEXCL)
            if self._settings.parity != "N":
                # A byte that fails its parity arrives as NUL, which no reading can hold: meters that send
                # with parity send no checksum.
                attributes = termios.tcgetattr(descriptor)
                attributes[0] = attributes[0] | termios.INPCK & ~termios.IGNPAR
                termios.tcsetattr(descriptor, termios.TCSANOW, attributes)

    def write(self, data: bytes) -> bool:
        """Send, unless too much waits already."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            return False
        transport.write(data)
        return True

    def close(self) -> None:
        """Close the device."""
        if self._transport:
            self._transport.abort()


def explain(error: OSError, device: str) -> OSError:
    """The error with what to do about it."""
    group = _group_of(device)
    hints = {
        errno.ENOENT: "no such device; is the cable plugged in? Look in /dev/serial/by-id",
        errno.EACCES: (
            f"no right to open it; add the user to the group {group} (usermod -aG {group} USER), then log in anew."
            f" For a service of systemd it is SupplementaryGroups={group}"
        ),
        errno.EPERM: _NOT_ALLOWED,
        errno.ENOTTY: _NO_LINE,
        errno.EISDIR: _NO_LINE,
    }
    if error.errno in (errno.EBUSY, errno.EAGAIN):
        hint = f"in use by {holder_of(device) or 'another process'}"
    else:
        hint = hints.get(error.errno or 0, error.strerror or str(error))
    return OSError(error.errno, hint)


def holder_of(device: str) -> str | None:
    """`name (process id)` of another process that has `device` open, if that can be seen, or has it locked."""
    target = os.path.realpath(device)
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            pid = link.parts[2]
            if str(link.readlink()) == target and int(pid) != os.getpid():
                return f"{Path('/proc', pid, 'comm').read_text().strip()} (process {pid})"
    return _locker_of(target)


def _locker_of(device: str) -> str | None:
    """The process that has left a lock file, as ser2net and others do (FHS 3.0, 5.9): also one of another user."""
    with suppress(OSError, ValueError):
        pid = int(Path(_LOCKS, f"LCK..{Path(device).name}").read_text("ascii"))
        if pid != os.getpid():
            return f"{Path('/proc', str(pid), 'comm').read_text().strip()} (process {pid})"
    return None


def _group_of(device: str) -> str:
    """The group that may use a device; `dialout` where that is not plain."""
    with suppress(OSError, KeyError):
        found = Path(device).stat()
        if found.st_mode & _GROUP_MAY == _GROUP_MAY:
            return grp.getgrgid(found.st_gid).gr_name
    return "dialout"
