"""The node: listens, decides which clients are served, and shows how it fares."""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import TYPE_CHECKING

from gateway.clock import now
from gateway.flow import STATUS_CHARACTERS, Colour, Mark, Node
from gateway.nodes.modbus_server.connections import Datagrams, Framing, SerialClient, StreamClient
from gateway.nodes.modbus_server.listeners import Listener, make_listener
from gateway.nodes.modbus_server.settings import ServerSettings, Transport
from gateway.protocol.modbus import Responder, Units, answer_stream
from gateway.protocol.rtu import answer_rtu

if TYPE_CHECKING:
    from gateway.nodes.modbus_server.security import Security

TICK_S = 1.0


class ModbusServer(Node):
    """One listening port or serial line, and the unit ids behind it."""

    kind = "Modbus server"

    def __init__(self, name: str, settings: ServerSettings, responder: Responder) -> None:
        super().__init__(name)
        self.settings = settings
        self.responder = responder
        self.framing: Framing = answer_rtu if settings.transport is Transport.RTU_OVER_TCP else answer_stream
        self.clients: set[StreamClient] = set()
        self.refused_clients = 0
        self.port = settings.port
        self._security: Security | None = None
        self._handshakes: set[asyncio.Task[None]] = set()

    @property
    def units(self) -> Units:
        """Which unit answers a unit id."""
        return self.responder.units

    async def run(self) -> None:
        """Listen until cancelled."""
        listener = make_listener(self.settings, self._new_connection)
        try:
            await self._read_certificates()
            await listener.listen()
        except OSError as error:
            self.show(Colour.RED, Mark.RING, f"{self.settings}: {error.strerror or error}"[:STATUS_CHARACTERS])
            raise OSError(error.errno, self._explain(error)) from error
        self.port = listener.bound_port or self.port
        self.ready.set()
        units = ", ".join(map(str, self.units.wired))
        self.log(logging.INFO, f"Modbus {self.settings.transport}: connect to {self.settings}, unit id {units}")
        try:
            await self._watch(listener)
        finally:
            for task in self._handshakes:
                task.cancel()
            await listener.shutdown()  # type: ignore[no-untyped-call]

    async def _watch(self, listener: Listener) -> None:
        while True:
            self._show()
            await asyncio.sleep(TICK_S)
            self._close_idle(now())
            if self.settings.serial and not listener.active_connections:
                raise OSError(errno.EIO, f"{self.settings.serial.device} is gone; opening it anew")

    def _new_connection(self, _listener: Listener) -> asyncio.BaseProtocol:
        if self.settings.serial:
            return SerialClient(self, self.settings.serial.device)
        return Datagrams(self) if self.settings.transport is Transport.UDP else StreamClient(self)

    def admit(self, client: StreamClient) -> bool:
        """Whether a new client is served; makes room for it by closing the one silent longest."""
        settings = self.settings
        if settings.allow and not any(client.address in network for network in settings.allow):
            self.refused_clients += 1
            self.log_seldom(logging.WARNING, "clients whose address is not in allow: are refused")
            return False
        if len(self.clients) >= settings.max_clients and not self._make_room():
            self.refused_clients += 1
            return False
        self.clients.add(client)
        return True

    def _make_room(self) -> bool:
        priority = self.settings.priority
        others = [c for c in self.clients if not any(c.address in network for network in priority)]
        if not others:
            return False
        oldest = min(others, key=lambda client: client.last_active)
        self.log_seldom(logging.WARNING, f"more than {self.settings.max_clients} clients: those silent longest go")
        self.forget(oldest)
        oldest.abort()
        return True

    def forget(self, client: StreamClient) -> None:
        """A client is gone."""
        self.clients.discard(client)

    def secure(self, client: StreamClient, transport: asyncio.Transport) -> bool:
        """Begin TLS where it is configured; the client's address has been checked before."""
        if self._security is None:
            return False
        transport.pause_reading()
        task = asyncio.get_running_loop().create_task(self._handshake(client, transport), name="TLS handshake")
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)
        return True

    async def _read_certificates(self) -> None:
        if self.settings.tls:
            from gateway.nodes.modbus_server.security import Security  # noqa: PLC0415 - only where there is TLS

            self._security = await asyncio.to_thread(Security, self.settings.tls)

    async def _handshake(self, client: StreamClient, transport: asyncio.Transport) -> None:
        assert self._security is not None
        try:
            secured = await self._security.start(transport, client)
        except OSError as error:
            self.refused_clients += 1
            self.log_seldom(logging.WARNING, f"TLS handshake failed: {getattr(error, 'reason', None) or error}")
            self.forget(client)
            transport.abort()
            return
        client.role = self._security.role_of(secured)
        if client.role:
            self.log_seldom(logging.INFO, f"clients with the role {client.role!r} connect")
        client.begin(secured)

    def _close_idle(self, moment: float) -> None:
        timeout = self.settings.idle_timeout_s
        for client in list(self.clients) if timeout else ():
            if timeout and moment - client.last_active > timeout:
                client.close()

    def _show(self) -> None:
        if self.settings.transport in (Transport.UDP, Transport.SERIAL):
            self.show(Colour.GREEN, Mark.DOT, str(self.settings)[:STATUS_CHARACTERS])
            return
        count = len(self.clients)
        if count:
            self.show(Colour.GREEN, Mark.DOT, f"{count} client{'s' * (count > 1)}")
        else:
            self.show(Colour.GREEN, Mark.RING, "no client")

    def _explain(self, error: OSError) -> str:
        where = str(self.settings)
        if error.errno in (errno.EACCES, errno.EPERM) and not self.settings.serial:
            return (
                f"no right to listen on {where}: ports below 1024 are reserved. Choose another port such as 5020,"
                " or allow it with setcap cap_net_bind_service=+ep on python, AmbientCapabilities="
                "CAP_NET_BIND_SERVICE in systemd, or sysctl net.ipv4.ip_unprivileged_port_start=502"
            )
        if error.errno == errno.EADDRINUSE:
            return f"{where} is in use by another program (ss -ltnp shows which); trying again until it is free"
        return f"cannot listen on {where}: {error.strerror or error}; trying again"
