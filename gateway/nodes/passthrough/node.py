"""The node of a passthrough, and the readers that are connected to it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Protocol

from gateway.nodes.passthrough.settings import Mode, PassthroughSettings
from gateway.problems.problem import ProblemError
from gateway.problems.system import listening_problem
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.raw_stream import CipheredReader, JoiningPoint
from gateway.protocol.p1.telegram import Telegram
from gateway.runtime.clock import now
from gateway.runtime.flow import Details, Node
from gateway.runtime.output import Output
from gateway.runtime.status import Colour, Mark, label_of
from gateway.transport.addresses import Address
from gateway.transport.client import close_in_order
from gateway.transport.clients import Clients
from gateway.transport.listening import ACCEPTED_PER_TURN, lengthen_queue
from gateway.transport.shares import turned_away_details

QUEUE_BYTES = 32_768
"""Largest number of bytes kept for a slow reader, besides those in its socket: half a minute of telegrams."""
SEND_BUFFER_BYTES = 16_384
"""Size of a socket's send buffer. The system's default keeps half an hour of telegrams for a reader that is gone."""
TICK_S = 1.0
UNPRIVILEGED_PORT = 2001


class WritableLine(Protocol):
    """A line that readers may write to."""

    def write(self, data: bytes) -> bool:
        """Send to the meter; False when that is not possible now."""


class Reader(asyncio.Protocol):
    """One TCP client."""

    has_asked = True

    def __init__(self, passthrough: Passthrough) -> None:
        self._passthrough = passthrough
        self._transport: asyncio.Transport | None = None
        self._has_begun = False
        self.address: Address = IPv4Address(0)
        self.name = ""
        self.last_active = now()
        self.has_ended = False
        """True once it has closed its half: it may read on, or be gone, which only shows when something is sent."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit or refuse the new client."""
        self._transport = transport
        with suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        # With TLS, the waiting bytes are counted above this transport, which must not keep a queue of its own.
        transport.set_write_buffer_limits(0)
        self._passthrough.clients.enter(self, transport)

    def begin(self, transport: asyncio.Transport) -> None:
        """Serve over `transport`."""
        self._transport = transport
        self._has_begun = True
        self._passthrough.welcome(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the passthrough."""
        self._passthrough.see_off(self)

    def data_received(self, data: bytes) -> None:
        """Hand over what the reader sends, which is for the meter only where that is allowed."""
        self.last_active = now()
        self._passthrough.take_from(self, data)

    def eof_received(self) -> bool:
        """Keep the connection open for a reader that only reads; TLS does not allow that."""
        assert self._transport is not None
        self.has_ended = True
        self._passthrough.end_writing(self)
        return self._transport.get_extra_info("ssl_object") is None

    @property
    def is_served(self) -> bool:
        """Return whether it gets data: it is admitted, its TLS handshake is done, and it is not being closed."""
        return self._has_begun and self._transport is not None and not self._transport.is_closing()

    def is_gone(self) -> bool:
        """Return whether the connection of a reader that has ended is broken, which asyncio no longer reports."""
        if not self.has_ended or self._transport is None or self._transport.is_closing():
            return False  # with TLS, a connection that closes has no socket any more
        error: int = self._transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return error != 0

    def send(self, data: bytes, moment: float) -> bool:
        """Send to a reader that is served; False if too much waits already."""
        transport = self._transport
        assert transport is not None
        waiting = transport.get_write_buffer_size()
        # If nothing waits, any piece is sent: none is larger than what is read from a line at once.
        if waiting and waiting + len(data) > QUEUE_BYTES:
            return False
        transport.write(data)
        self.last_active = moment
        self._passthrough.bytes_sent += len(data)
        return True

    def close(self) -> None:
        """Close in order if all that was sent has been taken, else at once."""
        close_in_order(self._transport)

    def abort(self) -> None:
        """Close at once, without sending what waits."""
        if self._transport:
            self._transport.abort()


class Passthrough(Node):
    """One listening port of one meter."""

    kind = "passthrough"

    def __init__(
        self, name: str, settings: PassthroughSettings, meter: MeterState, line: WritableLine | None = None
    ) -> None:
        """Offer the telegrams of `meter`; `line` is where readers write to, if they may."""
        super().__init__(name)
        self.settings = settings
        self.label = f"passthrough {settings}"
        self.port = settings.port
        self.clients: Clients[Reader] = Clients(
            self, settings.admission, makes_room_first=lambda reader: reader.has_ended
        )
        self.listening: Output[Callable[[str, int], None]] = Output(self)
        """The host and the port, each time the passthrough begins to listen."""
        self.telegrams_sent = 0
        self.telegrams_missed = 0
        self.bytes_sent = 0
        self.bytes_swallowed = 0
        self._meter = meter
        # The way back over the wire from the P1 port: no output, since the answer says if the line took the bytes.
        self._line = line
        self._joining_point = JoiningPoint()
        self._ciphered = CipheredReader()
        self._waiting: set[Reader] = set()
        """In the raw mode: the readers for whom no telegram has begun yet."""
        self._writer: Reader | None = None

    def details(self) -> Details:
        """Return where it listens, and what readers got."""
        return {
            "mode": self.settings.mode.value,
            "listens_on": str(self.settings),
            "readers": len(self.clients),
            "readers_refused": self.clients.refused,
            **turned_away_details("readers", self.clients.turned_away),
            "telegrams_sent": self.telegrams_sent,
            "telegrams_missed": self.telegrams_missed,
            "bytes_sent": self.bytes_sent,
            "bytes_swallowed": self.bytes_swallowed,
            **self.clients.expiry_details(),
        }

    async def run(self) -> None:
        """Listen until cancelled."""
        where, loop = str(self.settings), asyncio.get_running_loop()
        try:
            await self.clients.open()
            host, port = self.settings.host or None, self.settings.port
            server = await loop.create_server(lambda: Reader(self), host, port, backlog=ACCEPTED_PER_TURN)
            lengthen_queue(server.sockets)
        except OSError as error:
            problem = listening_problem(error, where, port=self.settings.port, other_port=UNPRIVILEGED_PORT)
            self.show(Colour.RED, Mark.RING, label_of(problem))
            raise ProblemError(problem, error.errno) from error
        self.port = server.sockets[0].getsockname()[1]
        for note in self.listening.receivers:
            note(self.settings.host, self.port)
        self.ready.set()
        self.log(logging.INFO, f"P1 of {self._meter.name} ({self.settings.mode}): connect to {where}")
        try:
            while True:
                self._show()
                await asyncio.sleep(TICK_S)
                self.clients.close_idle(now())
                for client in self.clients:
                    if client.is_gone():
                        client.abort()
        finally:
            self.clients.close()
            server.close()

    def receive(self, data: bytes, arrived: float) -> None:
        """Send bytes of the line: in the raw mode all, else encrypted telegrams, which the parser cannot read."""
        if self.settings.mode is not Mode.RAW:
            for frame in self._ciphered.feed(data, arrived):
                self._send_to_all(frame)
            return
        start = self._joining_point.find(data, arrived)
        moment, waiting = now(), self._waiting
        for client in self.clients:
            piece = data
            if client in waiting:
                if start is None:
                    continue
                waiting.discard(client)
                piece = data[start:]
            if client.is_served and not client.send(piece, moment):
                self.log_seldom(logging.WARNING, f"{client.address} reads too slowly and is disconnected")
                client.abort()

    def take(self, telegram: Telegram) -> None:
        """Send an accepted telegram to all readers; connected in the mode for that."""
        self._send_to_all(telegram.raw)

    def line_lost(self) -> None:
        """Forget what has begun, and close the readers if they are to follow the meter."""
        self._joining_point = JoiningPoint()
        self._ciphered = CipheredReader()
        for client in self.clients:
            self._waiting.add(client)
            if self.settings.closes_on_meter_loss:
                client.close()

    def welcome(self, client: Reader) -> None:
        """Serve a reader from its first telegram on."""
        self._waiting.add(client)
        served = self._meter.served
        moment = now()
        if self.settings.greets_with_newest and served and self._meter.is_fresh(moment):
            self._send_telegram(client, served.telegram.raw, moment)

    def see_off(self, client: Reader) -> None:
        """Remove a reader that is gone."""
        self.clients.leave(client)
        self._waiting.discard(client)
        self.end_writing(client)

    def end_writing(self, client: Reader) -> None:
        """Let another reader write, if this one did."""
        if self._writer is client:
            self._writer = None

    def take_from(self, client: Reader, data: bytes) -> None:
        """Write to the meter what a reader sends, or drop it."""
        if self._line and self._writer in (None, client):
            self._writer = client
            if self._line.write(data):
                return
        self.bytes_swallowed += len(data)
        if not self.settings.is_writable:
            self.log_seldom(
                logging.WARNING, "readers send bytes, which are dropped; writable: true sends them to the meter"
            )

    def _send_to_all(self, telegram: bytes) -> None:
        moment = now()
        for client in self.clients:
            if client.is_served:
                self._send_telegram(client, telegram, moment)

    def _send_telegram(self, client: Reader, telegram: bytes, moment: float) -> None:
        if client.send(telegram, moment):
            self.telegrams_sent += 1
            return
        self.telegrams_missed += 1
        self.log_seldom(logging.WARNING, f"{client.address} reads too slowly and misses telegrams")

    def _show(self) -> None:
        count = len(self.clients)
        if count:
            self.show(Colour.GREEN, Mark.DOT, "reader" if count == 1 else "readers", count=count)
        else:
            self.show(Colour.GREEN, Mark.RING, "no-reader")
