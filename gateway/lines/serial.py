"""A serial device that P1 bytes come from."""

from __future__ import annotations

import asyncio
import fcntl
import termios
from contextlib import suppress
from pathlib import Path

from gateway.lines.line import Line, Receive, StreamReceiver
from gateway.problems.problem import ProblemError, problem_of
from gateway.protocol.p1.variants import SerialSettings
from gateway.transport.serial_device import why_not_opened

SLOW_BELOW_BAUD = 57_600
LOOK_FOR_DEVICE_S = 1.0
"""Time between two looks whether a device that is missing is there again."""

MAX_UNSENT_BYTES = 1024
"""Largest number of bytes that wait for a serial line; a meter gets a few bytes at most."""


class SerialLine(Line):
    """A serial device that only this process may open."""

    def __init__(self, device: str, settings: SerialSettings) -> None:
        self.device = device
        self.settings: SerialSettings = settings
        self._transport: asyncio.Transport | None = None

    @property
    def is_slow(self) -> bool:
        """Return whether a telegram takes a large part of a second to arrive."""
        return self.settings.baudrate < SLOW_BELOW_BAUD

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Open the device, in a thread of serialx."""
        import serialx  # noqa: PLC0415 - only where a serial port is configured

        loop = asyncio.get_running_loop()
        settings, receiver = self.settings, StreamReceiver(receive)
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
                # With its default of True, the kernel delivers ten bytes at a time, which costs many times the CPU.
                low_latency=False,
            )
        except serialx.SerialException as error:
            raise ProblemError(problem_of("device-failed", str(error), reason=str(error))) from error
        except OSError as error:
            problem = await asyncio.to_thread(why_not_opened, error, self.device)
            raise ProblemError(problem, error.errno) from error
        self._transport = transport
        self._descriptor = transport.serial.fileno()
        self._guard(self._descriptor)
        return receiver.closed

    def _guard(self, descriptor: int) -> None:
        with suppress(OSError, termios.error):
            # The lock of serialx is on the device node; a container with its own node of the port does not see it.
            fcntl.ioctl(descriptor, termios.TIOCEXCL)
            if self.settings.parity != "N":
                # A byte with a parity error arrives as NUL, which is not valid in a reading: meters that send
                # with parity send no checksum.
                attributes = termios.tcgetattr(descriptor)
                attributes[0] = attributes[0] | termios.INPCK & ~termios.IGNPAR
                termios.tcsetattr(descriptor, termios.TCSANOW, attributes)

    async def pause(self, seconds: float) -> bool:
        """Wait; return True as soon as a device that is missing is there again."""
        if not self._is_missing():
            return await super().pause(seconds)
        while seconds > 0:
            await asyncio.sleep(min(seconds, LOOK_FOR_DEVICE_S))
            seconds -= LOOK_FOR_DEVICE_S
            if not self._is_missing():
                return True
        return False

    def _is_missing(self) -> bool:
        try:
            return not Path(self.device).exists()
        except OSError:
            return False

    def write(self, data: bytes) -> bool:
        """Send; False if too much waits already."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            return False
        transport.write(data)
        return True

    def close(self) -> None:
        """Close the device."""
        if self._transport:
            with suppress(OSError):
                # A pseudo terminal would keep the lock, and nobody but root could open it again.
                fcntl.ioctl(self._descriptor, termios.TIOCNXCL)
            self._transport.abort()
