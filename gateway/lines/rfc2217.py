"""A serial port of another machine, whose speed and form of a byte are set over the network (RFC 2217).

What comes before the other end has confirmed the settings is dropped: it was read with others, or waited there. If the
other end closes before that, what it sent says why, as a text of ser2net does.
"""

from __future__ import annotations

import asyncio

from gateway.lines.line import Line, Receive, Receiver
from gateway.lines.tcp import connect
from gateway.problems.problem import Problem, ProblemError, first_that_fits, problem_of
from gateway.protocol.com_port import ComPortReader
from gateway.protocol.p1.variants import SerialSettings
from gateway.protocol.telnet import BURST_COMMANDS, SECONDS_PER_COMMAND, TelnetStream
from gateway.runtime.clock import now
from gateway.runtime.log import LineBudget

NEGOTIATION_TIMEOUT_S = 5.0
"""Longest time until the other end has confirmed the settings."""
MAX_EARLY_BYTES = 4096
"""Largest number of bytes that are kept of what comes before that."""
MAX_UNSENT_BYTES = 4096
"""Largest number of bytes of responses that wait for the other end to take them."""


class Rfc2217Line(Line):
    """A port of a ser2net in telnet mode, or of a device that works like it."""

    def __init__(self, host: str, port: int, settings: SerialSettings) -> None:
        self._host, self._port = host, port
        self.settings: SerialSettings = settings
        self._connection: _Connection | None = None

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Connect, and set the speed and the form of a byte."""
        connection = _Connection(receive, self.settings)
        await connection.open(self._host, self._port)
        self._connection = connection
        return connection.closed

    def silence(self) -> Problem | None:
        """Return that the other end has not confirmed the settings, if it has not."""
        return self._connection.unconfirmed() if self._connection else None

    def close(self) -> None:
        """Reset the connection."""
        if self._connection:
            self._connection.close()


class _Connection:
    """One connection, with what the other end has said on it."""

    def __init__(self, receive: Receive, settings: SerialSettings) -> None:
        self._receive, self._settings = receive, settings
        self._stream, self._port = TelnetStream(), ComPortReader(settings)
        self._budget = LineBudget(now(), BURST_COMMANDS, SECONDS_PER_COMMAND)
        self._done = asyncio.get_running_loop().create_future()
        self._early = bytearray()
        self._is_open = False
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None

    @property
    def closed(self) -> asyncio.Future[Exception | None]:
        """Return the future that ends with the connection."""
        assert self._receiver is not None
        return self._receiver.closed

    async def open(self, host: str, port: int) -> None:
        """Connect, and negotiate until the settings are confirmed, or the other end closes.

        Raises:
            ProblemError: there is no connection, or the other end is not such a port or refuses the settings.

        """
        self._transport, self._receiver = await connect(host, port, self._take)
        try:
            self._transport.write(self._port.begin())
            if self._early:
                first = bytes(self._early)
                self._early.clear()
                self._take(first)
            ends = (self._done, self.closed)
            await asyncio.wait(ends, timeout=NEGOTIATION_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if self.closed.done():
                error = self.closed.result()
                if isinstance(error, ProblemError):
                    raise error
                if self._early:
                    self._receive(bytes(self._early))
            elif problem := self._refusal():
                raise ProblemError(problem)
        except BaseException:
            self.close()
            raise
        self._begin()

    def _begin(self) -> None:
        """Pass on what comes from here on."""
        self._is_open = True
        self._early.clear()

    def close(self) -> None:
        """Reset the connection."""
        if self._transport:
            self._transport.abort()

    def unconfirmed(self) -> Problem | None:
        """Return that some settings are not confirmed."""
        if not self._port.unconfirmed:
            return None
        names = ", ".join(self._port.unconfirmed)
        what = f"no telegram comes, and the other end has not confirmed {names} ({self._settings})"
        return problem_of("settings-unconfirmed", what, "Set the port there, and read it with host and port")

    def _refusal(self) -> Problem | None:
        """Return why the port cannot be read with these settings."""
        port = self._port
        if port.is_accepted is None:
            seconds = round(NEGOTIATION_TIMEOUT_S)
            what = f"the other end does not speak RFC 2217: it negotiates nothing within {seconds} s"
            hint = "If it is a plain TCP port, read it with host and port"
            return problem_of("no-negotiation", what, hint, short="does not speak RFC 2217", seconds=seconds)
        if not port.is_accepted:
            what = "the other end speaks telnet and refuses RFC 2217"
            hint = "In a ser2net, write accepter: telnet(rfc2217),tcp,PORT"
            return problem_of("rfc2217-refused", what, hint, short="the other end refuses RFC 2217")
        if port.refused:
            kept = ", ".join(f"{name} {value}" for name, value in port.refused.items())
            what = f"the other end refuses {self._settings}: it has {kept}"
            hint = "Change it there, or write the same values for this meter"
            short = first_that_fits(f"the other end has {kept}", "the other end refuses the settings")
            return problem_of("settings-refused", what, hint, short=short, settings=kept)
        return None

    def _take(self, received: bytes) -> None:
        if self._receiver is None:  # uvloop may deliver the first bytes before `connect` returns
            self._early += received[: MAX_EARLY_BYTES - len(self._early)]
            return
        for item in self._stream.feed(received):
            if self.closed.done():
                return
            if not isinstance(item, bytes):
                self._respond(self._port.take(item))
            elif self._is_open:
                self._receive(item)
            else:
                self._early += item[: MAX_EARLY_BYTES - len(self._early)]

    def _respond(self, response: bytes) -> None:
        assert self._transport is not None
        if not self._budget.allows(now()) or self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            what, hint = (
                "the other end floods the connection with telnet commands",
                "Restart the device or program there",
            )
            self.closed.set_result(ProblemError(problem_of("telnet-flood", what, hint)))
            self._transport.abort()
            return
        if response:
            self._transport.write(response)
        if self._port.is_done and not self._done.done():
            self._done.set_result(None)
            if not self._refusal():
                self._begin()
