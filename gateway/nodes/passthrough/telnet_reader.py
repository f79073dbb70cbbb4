"""A reader of a passthrough in telnet mode (RFC 2217): a program that expects a serial port of another machine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.nodes.passthrough.reader import QUEUE_BYTES, Reader
from gateway.protocol.com_port import ComPortServer
from gateway.protocol.p1.variants import SerialSettings
from gateway.protocol.telnet import (
    BURST_COMMANDS,
    SECONDS_PER_COMMAND,
    Negotiation,
    Subnegotiation,
    TelnetStream,
    escape,
)
from gateway.runtime.clock import now
from gateway.runtime.log import LineBudget

if TYPE_CHECKING:
    from gateway.nodes.passthrough.node import Passthrough

SIGNATURE = "dsmr-modbus-gateway"


class TelnetReader(Reader):
    """One TCP client that speaks telnet."""

    def __init__(self, passthrough: Passthrough, in_force: Callable[[], SerialSettings]) -> None:
        super().__init__(passthrough)
        self._stream, self._port = TelnetStream(), ComPortServer(in_force, SIGNATURE)
        self._budget = LineBudget(now(), BURST_COMMANDS, SECONDS_PER_COMMAND)

    def begin(self, transport: asyncio.Transport) -> None:
        """Negotiate, and serve over `transport`."""
        transport.write(self._port.begin())
        super().begin(transport)

    def data_received(self, data: bytes) -> None:
        """Respond to commands, and hand over the rest."""
        self.last_active = now()
        for item in self._stream.feed(data):
            if not self.is_served:
                return
            if isinstance(item, bytes):
                self._passthrough.take_from(self, item)
            else:
                self._respond(item)

    def _respond(self, command: Negotiation | Subnegotiation) -> None:
        assert self._transport is not None
        response = self._port.take(command)
        waiting = self._transport.get_write_buffer_size()
        if self._budget.allows(now()) and waiting + len(response) <= QUEUE_BYTES:
            self._transport.write(response)
            return
        self._passthrough.log_seldom(logging.WARNING, f"{self.address} sends too many telnet commands: disconnected")
        self.abort()

    def send(self, data: bytes, moment: float) -> bool:
        """Send as telnet sends data; False if too much waits already."""
        return super().send(escape(data), moment)
