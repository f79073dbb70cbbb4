"""The node of a passthrough."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from gateway.nodes.passthrough.reader import Reader
from gateway.nodes.passthrough.settings import Mode, PassthroughSettings
from gateway.problems.problem import ProblemError
from gateway.problems.system import listening_problem
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.raw_stream import CipheredReader, JoiningPoint
from gateway.protocol.p1.telegram import Telegram
from gateway.protocol.p1.variants import FAST_LINE, SerialSettings
from gateway.runtime.clock import now
from gateway.runtime.flow import Details, Node
from gateway.runtime.output import Output
from gateway.runtime.status import Colour, Mark, label_of
from gateway.transport.clients import Clients
from gateway.transport.listening import ACCEPTED_PER_TURN, lengthen_queue
from gateway.transport.shares import turned_away_details

TICK_S = 1.0
UNPRIVILEGED_PORT = 2001


class WritableLine(Protocol):
    """A line that readers may write to."""

    def write(self, data: bytes) -> bool:
        """Send to the meter; False when that is not possible now."""


class Passthrough(Node):
    """One listening port of one meter."""

    kind = "passthrough"

    def __init__(
        self,
        name: str,
        settings: PassthroughSettings,
        meter: MeterState,
        line: WritableLine | None = None,
        in_force: Callable[[], SerialSettings] = lambda: FAST_LINE,
    ) -> None:
        """Offer the telegrams of a meter.

        Args:
            name: the node's name.
            settings: where it listens, and what readers get.
            meter: the meter.
            line: where readers write to, if they may.
            in_force: returns the speed and the form of a byte of the meter's port, for readers that speak telnet.

        """
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
        self.meter = meter
        # The way back over the wire from the P1 port: no output, since the answer says if the line took the bytes.
        self._line = line
        self._in_force = in_force
        self._joining_point = JoiningPoint()
        self._ciphered = CipheredReader()
        self._waiting: set[Reader] = set()
        """In the raw mode: the readers for whom no telegram has begun yet."""
        self._writer: Reader | None = None

    def details(self) -> Details:
        """Return where it listens, and what readers got."""
        return {
            "mode": self.settings.mode.value,
            **({"telnet": "rfc2217"} if self.settings.is_telnet else {}),
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
            server = await loop.create_server(self._reader_factory(), host, port, backlog=ACCEPTED_PER_TURN)
            lengthen_queue(server.sockets)
        except OSError as error:
            problem = listening_problem(error, where, port=self.settings.port, other_port=UNPRIVILEGED_PORT)
            self.show(Colour.RED, Mark.RING, label_of(problem))
            raise ProblemError(problem, error.errno) from error
        self.port = server.sockets[0].getsockname()[1]
        for note in self.listening.receivers:
            note(self.settings.host, self.port)
        self.ready.set()
        text = f"P1 of {self.meter.name} ({self.settings.mode}): connect to {where}"
        self.log(logging.INFO, text, alike=f"P1 ({self.settings.mode}): connect to the addresses of these passthroughs")
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

    def _reader_factory(self) -> Callable[[], Reader]:
        if not self.settings.is_telnet:
            return lambda: Reader(self)
        from gateway.nodes.passthrough.telnet_reader import TelnetReader  # noqa: PLC0415 - only where there is telnet

        return lambda: TelnetReader(self, self._in_force)

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
        served = self.meter.served
        moment = now()
        if self.settings.greets_with_newest and served and self.meter.is_fresh(moment):
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
