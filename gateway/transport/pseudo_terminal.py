"""A pseudo terminal as a serial line, between a simulated meter and any program that opens the device."""

from __future__ import annotations

import asyncio
import os
import select
import tty
from collections.abc import Callable


class PseudoTerminal:
    """A line that makes its own device; `device` is its path once it is open."""

    def __init__(self) -> None:
        self.device = ""
        self._master = -1
        self._poll = select.poll()

    async def open(
        self,
        receive: Callable[[bytes], None],  # noqa: ARG002 - a simulated meter takes nothing
    ) -> asyncio.Future[Exception | None]:
        """Make the device. The future never ends: such a line is never lost."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.device = os.ttyname(slave)
        # If it stayed open, the device would appear to be in use by this process.
        os.close(slave)
        os.set_blocking(self._master, False)
        self._poll.register(self._master, 0)
        return asyncio.get_running_loop().create_future()

    def write(self, data: bytes) -> bool:
        """Write, unless no program has the device open: one that opens it later gets no old data."""
        is_hung_up = any(event & select.POLLHUP for _, event in self._poll.poll(0))
        if self._master < 0 or is_hung_up:
            return False
        try:
            return os.write(self._master, data) == len(data)
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Remove the device."""
        if self._master >= 0:
            self._poll.unregister(self._master)
            os.close(self._master)
            self._master = -1
