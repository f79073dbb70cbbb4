"""Modbus server: serves units over TCP.

pymodbus listens and keeps the connections; the connection itself is ours, because stock pymodbus loses
requests that come together, answers with wrong codes and can be wedged by one bad header.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.clock import now
from gateway.flow import STATUS_CHARACTERS, Colour, Mark, Node
from gateway.lines import watch_peer
from gateway.protocol.modbus import MAX_ADU_BYTES, Units, answer_stream

RECEIVE_BUFFER_BYTES = 4096
"""Small, because asyncio's own 256 KiB costs an mmap a request; room for 16 requests many times over."""
WRITE_BUFFER_BYTES = 16_384
"""Answers that a client has not taken; past it, no more of its requests are read."""
STALL_TIMEOUT_S = 5.0
"""A client that takes no answer for this long is cut off."""
TICK_S = 1.0

Network = IPv4Network | IPv6Network


class ModbusServer(Node):
    """One listening port and the unit ids behind it."""

    kind = "Modbus server"

    def __init__(
        self, name: str, host: str, port: int, units: Units, max_clients: int, allow: Sequence[Network]
    ) -> None:
        """Serve `units`.

        Args:
            name: the node's name.
            host: address to listen on, empty for all.
            port: TCP port.
            units: who answers which unit id.
            max_clients: past it, the client that was silent longest is closed.
            allow: networks whose clients are served; empty for all.

        """
        super().__init__(name)
        self.host, self.port = host, port
        self.units = units
        self.max_clients = max_clients
        self.allow = tuple(allow)
        self.clients: set[_Connection] = set()
        self.refused_clients = 0

    @property
    def unit_ids(self) -> str:
        """The unit ids that are wired, in words."""
        return ", ".join(map(str, self.units.wired))

    async def run(self) -> None:
        """Listen until cancelled."""
        server = _Server(self)
        try:
            await server.listen()
        except OSError as error:
            self.show(Colour.RED, Mark.RING, f"port {self.port}: {error.strerror}"[:STATUS_CHARACTERS])
            raise OSError(error.errno, self._explain(error)) from error
        self.ready.set()
        self.log(logging.INFO, f"listening on {self.host or '*'}:{self.port}")
        try:
            while True:
                self._show()
                await asyncio.sleep(TICK_S)
        finally:
            await server.shutdown()  # type: ignore[no-untyped-call]

    def admit(self, connection: _Connection) -> bool:
        """Whether a new client is served; makes room for it by closing the one silent longest."""
        if self.allow and not any(connection.address in network for network in self.allow):
            self.refused_clients += 1
            self.log_seldom(logging.WARNING, "clients whose address is not in allow: are refused")
            return False
        if len(self.clients) >= self.max_clients:
            oldest = min(self.clients, key=lambda client: client.last_active)
            self.log_seldom(logging.WARNING, f"more than {self.max_clients} clients: closed those silent longest")
            oldest.abort()
        self.clients.add(connection)
        return True

    def _show(self) -> None:
        count = len(self.clients)
        if count:
            self.show(Colour.GREEN, Mark.DOT, f"{count} client{'s' * (count > 1)}")
        else:
            self.show(Colour.GREEN, Mark.RING, "no client")

    def _explain(self, error: OSError) -> str:
        where = f"{self.host or '*'}:{self.port}"
        if error.errno in (errno.EACCES, errno.EPERM):
            return (
                f"no right to listen on {where}: ports below 1024 are reserved. Choose another port such as 5020,"
                " or allow it with setcap cap_net_bind_service=+ep on python, AmbientCapabilities="
                "CAP_NET_BIND_SERVICE in systemd, or sysctl net.ipv4.ip_unprivileged_port_start=502"
            )
        if error.errno == errno.EADDRINUSE:
            return f"{where} is in use by another program (ss -ltnp shows which); trying again until it is free"
        return f"cannot listen on {where}: {error.strerror}"


class _Server(ModbusTcpServer):
    """pymodbus's TCP server with our connections."""

    def __init__(self, node: ModbusServer) -> None:
        # pymodbus wants a datastore; no request reaches it.
        nothing = SimDevice(id=0, simdata=[SimData(0, values=[0], datatype=DataType.REGISTERS)])
        super().__init__(nothing, address=(node.host, node.port))
        self._node = node

    def callback_new_connection(self) -> _Connection:  # type: ignore[override]
        return _Connection(self._node)

    async def listen(self) -> bool:
        # pymodbus turns the OSError into a line of log; what is wrong with the port must be told apart.
        self.is_listener = True
        self.transport = await self.call_create()
        return True


class _Connection(asyncio.BufferedProtocol):
    """One client. pymodbus's listener needs `unique_id`, `listener`, `callback_disconnected` and `close`."""

    def __init__(self, node: ModbusServer) -> None:
        self.unique_id = str(id(self))
        self.listener: _Server | None = None
        self.address = ip_address(0)
        self.last_active = now()
        self._node = node
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray(RECEIVE_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.address = ip_address(str(peer[0]).partition("%")[0]) if peer else self.address
        self.address = getattr(self.address, "ipv4_mapped", None) or self.address
        if not self._node.admit(self):
            transport.abort()
            return
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        watch_peer(transport.get_extra_info("socket"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._node.clients.discard(self)
        if self._stall:
            self._stall.cancel()
        if self.listener:
            self.listener.active_connections.pop(self.unique_id, None)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        end = self._filled + nbytes
        self.last_active = moment = now()
        answers = answer_stream(self._view[:end], self._node.units, moment)
        rest = end - answers.used
        if rest and answers.used:
            self._buffer[:rest] = self._buffer[answers.used : end]
        self._filled = rest
        assert self._transport is not None
        if answers.data:
            self._transport.write(answers.data)
        if not answers.is_modbus:
            self._transport.close()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        assert self._transport is not None
        self._transport.pause_reading()
        self._stall = asyncio.get_running_loop().call_later(STALL_TIMEOUT_S, self.abort)

    def resume_writing(self) -> None:
        if self._stall:
            self._stall.cancel()
        assert self._transport is not None
        self._transport.resume_reading()

    def abort(self) -> None:
        """Cut the client off."""
        self._node.clients.discard(self)
        if self._transport:
            self._transport.abort()

    def callback_disconnected(self, exc: Exception | None) -> None:
        """The listener is closing; `close` follows."""

    def close(self) -> None:
        """Close in order where the client takes its answers, else at once."""
        if self._transport:
            if self._transport.get_write_buffer_size():
                self._transport.abort()
            else:
                self._transport.close()


assert RECEIVE_BUFFER_BYTES >= MAX_ADU_BYTES
