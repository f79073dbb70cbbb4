"""The node: opens the listener, admits clients and shows its status."""

from __future__ import annotations

import asyncio
import errno
import logging
from dataclasses import replace

from gateway.nodes.modbus_server.connections import RECEIVE_BUFFER_BYTES, Framing, SerialClient, StreamClient
from gateway.nodes.modbus_server.datagrams import Datagrams
from gateway.nodes.modbus_server.listeners import Listener, make_listener
from gateway.nodes.modbus_server.settings import ServerSettings, Transport
from gateway.problems.listing import numbered
from gateway.problems.problem import Problem, ProblemError
from gateway.problems.system import listening_problem
from gateway.protocol.modbus.responder import Responder, UnitTable
from gateway.protocol.modbus.rtu import respond_rtu
from gateway.protocol.modbus.tcp import respond_tcp
from gateway.runtime.clock import now
from gateway.runtime.flow import Details, Node
from gateway.runtime.status import Colour, Mark, label_of
from gateway.transport.addresses import own_address, place_of
from gateway.transport.clients import Clients
from gateway.transport.serial_device import why_not_opened
from gateway.transport.shares import turned_away_details

TICK_S = 1.0
LABELS = {
    Transport.TCP: "Modbus/TCP",
    Transport.RTU_OVER_TCP: "RTU over TCP",
    Transport.UDP: "Modbus/UDP",
    Transport.SERIAL: "Modbus RTU",
}
UNPRIVILEGED_PORT = 5020


class ModbusServer(Node):
    """One listening port or serial line, and the unit ids behind it."""

    kind = "Modbus server"

    def __init__(self, name: str, settings: ServerSettings, responder: Responder) -> None:
        super().__init__(name)
        self.settings = settings
        self.label = f"{LABELS[settings.transport]} {settings}"
        self.responder = responder
        self.framing: Framing = respond_rtu if settings.transport is Transport.RTU_OVER_TCP else respond_tcp
        self.clients: Clients[StreamClient] = Clients(self, settings.admission)
        self.received = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        self.port = settings.port

    @property
    def units(self) -> UnitTable:
        """Return the unit of each unit id."""
        return self.responder.units

    def details(self) -> Details:
        """Return where it listens, and the number of requests."""
        monitor = self.responder.monitor
        return {
            "transport": self.settings.transport.value,
            "listens_on": str(self.settings),
            "clients": len(self.clients),
            "clients_refused": self.clients.refused,
            **turned_away_details("clients", self.clients.turned_away),
            "requests": monitor.noted,
            "requests_ignored": monitor.ignored,
            "exceptions": monitor.exceptions.total(),
            **self.clients.expiry_details(),
        }

    async def run(self) -> None:
        """Listen until cancelled."""
        listener = make_listener(self.settings, self._new_connection)
        try:
            await self.clients.open()
            await listener.listen()
        except OSError as error:
            problem = await asyncio.to_thread(self._problem, error)
            self.show(Colour.RED, Mark.RING, label_of(problem))
            raise ProblemError(problem, error.errno) from error
        self.port = listener.bound_port or self.port
        self.ready.set()
        what = f"Modbus {self.settings.transport}: connect to"
        text = f"{what} {self.settings}{self._from_elsewhere()}, {numbered('unit id', self.units.wired)}"
        self.log(logging.INFO, text, alike=f"{what} the addresses of these servers")
        try:
            await self._watch(listener)
        finally:
            self.clients.close()
            await listener.shutdown()  # type: ignore[no-untyped-call]

    def _from_elsewhere(self) -> str:
        """Return the address for clients on other machines, in parentheses; empty where the settings name it."""
        if self.settings.serial or self.settings.host or not (address := own_address()):
            return ""
        return f" (from other machines {place_of(address, self.port)})"

    async def _watch(self, listener: Listener) -> None:
        while True:
            self._show()
            await asyncio.sleep(TICK_S)
            self.clients.close_idle(now())
            if self.settings.serial and not listener.active_connections:
                raise OSError(errno.EIO, f"{self.settings.serial.device} is gone")

    def _new_connection(self, _listener: Listener) -> asyncio.BaseProtocol:
        if self.settings.serial:
            return SerialClient(self, self.settings.serial.device)
        return Datagrams(self) if self.settings.transport is Transport.UDP else StreamClient(self)

    def _show(self) -> None:
        if self.settings.transport in (Transport.UDP, Transport.SERIAL):
            self.show(Colour.GREEN, Mark.DOT, "plain", text=str(self.settings))
            return
        count = len(self.clients)
        if count:
            self.show(Colour.GREEN, Mark.DOT, "client" if count == 1 else "clients", count=count)
        else:
            self.show(Colour.GREEN, Mark.RING, "no-client")

    def _problem(self, error: OSError) -> Problem:
        """Return why the server cannot listen."""
        settings = self.settings
        if settings.serial is None:
            return listening_problem(error, str(settings), port=settings.port, other_port=UNPRIVILEGED_PORT)
        problem = why_not_opened(error, settings.serial.device)
        return replace(problem, what=f"cannot listen on {settings}: {problem.what}")
