"""A pseudo terminal as a serial line, between a simulated meter and any program that opens the device."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import select
import termios
import tty
from collections.abc import Callable


class PseudoTerminal:
    """A line that makes its own device; `device` is its path once it is open."""

    def __init__(self, moved: Callable[[str], None] = lambda _device: None) -> None:
        """Make no device yet; call `moved` with the path of the device when that has changed."""
        self.device = ""
        self._moved = moved
        self._master = -1
        self._poll = select.poll()

    async def open(
        self,
        receive: Callable[[bytes], None],  # noqa: ARG002 - a simulated meter takes nothing
    ) -> asyncio.Future[Exception | None]:
        """Make the device. The future never ends: such a line is never lost."""
        self._make()
        return asyncio.get_running_loop().create_future()

    def _make(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.device = os.ttyname(slave)
        # If it stayed open, the device would appear to be in use by this process.
        os.close(slave)
        os.set_blocking(self._master, False)
        self._poll.register(self._master, 0)

    def write(self, data: bytes) -> bool:
        """Write, unless no program has the device open: one that opens it later gets no old data."""
        is_hung_up = any(event & select.POLLHUP for _, event in self._poll.poll(0))
        if self._master < 0:
            return False
        if is_hung_up:
            self._unlock()
            return False
        try:
            return os.write(self._master, data) == len(data)
        except BlockingIOError:
            return False

    def _unlock(self) -> None:
        """Let everybody open the device: a reader that has ended may have left it locked (TIOCEXCL)."""
        try:
            slave = os.open(self.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.EBUSY:  # only root could open and unlock it
                self._replace()
            return
        fcntl.ioctl(slave, termios.TIOCNXCL)
        os.close(slave)

    def _replace(self) -> None:
        """Make the device again. It gets the same number, unless a lower one has become free."""
        former = self.device
        self.close()
        self._make()
        if self.device != former:
            self._moved(self.device)

    def close(self) -> None:
        """Remove the device."""
        if self._master >= 0:
            self._poll.unregister(self._master)
            os.close(self._master)
            self._master = -1
