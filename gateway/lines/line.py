"""The parts that all kinds of line have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.problems.problem import Problem, ProblemError, problem_of
from gateway.protocol.p1.variants import SerialSettings
from gateway.runtime.ticking import pause

Receive = Callable[[bytes], None]


class Port(Protocol):
    """A connection that bytes go over."""

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Open the line, call `receive` with its bytes, and return a future that ends with the line.

        The result of the future is the error that ended the line, or None if the other end closed it.

        Raises:
            OSError: the line cannot be opened.

        """

    def write(self, data: bytes) -> bool:
        """Send to the meter; False if the line takes no more now, or is never written to."""

    def close(self) -> None:
        """Close at once, and drop what is not sent yet."""


class Line(Port, Protocol):
    """A connection that P1 bytes come from."""

    settings: SerialSettings | None = None
    """Speed and form of a byte of a serial port; None for another kind of line."""

    def write(self, data: bytes) -> bool:  # noqa: ARG002 - it is dropped
        """Send nothing, unless it is a serial line: the other end may not be only a meter's port."""
        return False

    def silence(self) -> Problem | None:
        """Return why no telegram comes although the line is open, where the line knows it."""
        return None

    def details(self) -> Mapping[str, str | int]:
        """Return what else the status page shows of this line."""
        return {}

    async def pause(self, seconds: float) -> bool:
        """Wait before the line is opened again; return True at once when what was missing is there again."""
        await pause(seconds)
        return False

    @property
    def gives_way(self) -> bool:
        """Return True if the next line is to be tried when this one is lost, although telegrams came over it."""
        return False


class Receiver(asyncio.BaseProtocol):
    """A protocol that passes received bytes on, and knows when its connection is closed."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        """End `closed`, with the error if there is one."""
        if not self.closed.done():
            self.closed.set_result(exc)


class StreamReceiver(Receiver, asyncio.Protocol):
    """A receiver of a connection that has its own buffer."""

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        self._receive(data)


def closing_problem(error: Exception | None, diagnosis: Problem | None) -> Problem:
    """Return the problem of a line that is closed.

    Args:
        error: the result of its future.
        diagnosis: what its bytes show to be wrong; None for nothing.

    """
    if known := (error.problem if isinstance(error, ProblemError) else diagnosis):
        return known
    what = "the other end closed the connection" + (f" ({error})" if error else "")
    return problem_of("line-closed", what, short="the other end closed", reason=str(error or ""))
