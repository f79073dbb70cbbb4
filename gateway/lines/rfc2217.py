"""A serial port of another machine, whose speed and form of a byte are set over the network (RFC 2217)."""

from __future__ import annotations

import asyncio
import errno

from gateway.lines.line import Line, Receive, StreamReceiver
from gateway.problems.problem import ProblemError, problem_of
from gateway.problems.system import connection_problem, connection_timeout
from gateway.protocol.p1.variants import SerialSettings

CONNECT_TIMEOUT_S = 10.0


class Rfc2217Line(Line):
    """A port of a ser2net in telnet mode, or of a device that works like it."""

    def __init__(self, host: str, port: int, settings: SerialSettings) -> None:
        self._url = f"rfc2217://{f'[{host}]' if ':' in host else host}:{port}"
        self._settings = settings
        self._transport: asyncio.Transport | None = None

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Connect, and set the speed and the form of a byte."""
        import serialx  # noqa: PLC0415 - only where such a port is configured

        receiver, settings = StreamReceiver(receive), self._settings
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                transport, _ = await serialx.create_serial_connection(
                    asyncio.get_running_loop(),
                    lambda: receiver,
                    self._url,
                    baudrate=settings.baudrate,
                    byte_size=settings.bytesize,
                    parity=serialx.Parity(settings.parity),
                    stopbits=serialx.StopBits(settings.stopbits),
                )
        except TimeoutError:
            raise ProblemError(connection_timeout(CONNECT_TIMEOUT_S), errno.ETIMEDOUT) from None
        except serialx.SerialException as error:
            raise ProblemError(problem_of("device-failed", str(error), reason=str(error))) from error
        except OSError as error:
            raise ProblemError(connection_problem(error), error.errno) from error
        self._transport = transport
        return receiver.closed

    def close(self) -> None:
        """Close the connection."""
        if self._transport:
            self._transport.abort()
