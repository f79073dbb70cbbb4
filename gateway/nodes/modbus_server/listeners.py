"""pymodbus's servers, which listen for the connections of this package.

Three things are used that are not part of pymodbus's public interface: `callback_new_connection` makes a connection,
`call_create` opens the listener with asyncio's `create_server` and passes arguments on to it, and `close` closes the
connections in `active_connections`. `tests/nodes/test_pymodbus_contract.py` fails if pymodbus changes one of them.
"""

from __future__ import annotations

import asyncio
import socket
import termios
from collections.abc import Callable
from functools import partial

from gateway.runtime.imports import without

with without("aiohttp"):  # the page of pymodbus's simulator uses it where it is installed, for 9 MB of memory
    from pymodbus.server import ModbusBaseServer, ModbusSerialServer, ModbusTcpServer, ModbusUdpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.nodes.modbus_server.settings import ServerSettings, Transport
from gateway.transport.listening import ACCEPTED_PER_TURN, lengthen_queue

NewConnection = Callable[["Listener"], asyncio.BaseProtocol]


class Listener(ModbusBaseServer):
    """A listener that raises an OSError with the reason if it cannot open its port."""

    new_connection: NewConnection

    def callback_new_connection(self) -> asyncio.BaseProtocol:  # type: ignore[override]
        """Return the connection for a new client."""
        return self.new_connection(self)

    async def listen(self) -> bool:
        """Open the port.

        pymodbus only logs the OSError; its reason decides what the status and the log show here.

        Raises:
            OSError: the port cannot be opened.

        """
        self.is_listener = True
        try:
            created = await self.call_create()
        except termios.error as error:  # the serial device refuses its settings
            raise OSError(*error.args) from error
        self.transport = created[0] if isinstance(created, tuple) else created
        lengthen_queue(getattr(self.transport, "sockets", ()))
        return True

    @property
    def bound_port(self) -> int:
        """Return the port that is open, also if the system chose it."""
        for sock in getattr(self.transport, "sockets", ()):
            return int(sock.getsockname()[1])
        name = self.transport.get_extra_info("sockname") if hasattr(self.transport, "get_extra_info") else None
        return int(name[1]) if name else 0


class _TcpListener(Listener, ModbusTcpServer):
    pass


class _UdpListener(Listener, ModbusUdpServer):
    pass


class _SerialListener(Listener, ModbusSerialServer):
    pass


def make_listener(settings: ServerSettings, new_connection: NewConnection) -> Listener:
    """Return a listener for `settings` that does not listen yet."""
    # pymodbus requires a datastore; no request reaches it.
    nothing = SimDevice(id=0, simdata=[SimData(0, values=[0], datatype=DataType.REGISTERS)])
    listener: Listener
    if settings.serial:
        line = settings.serial.line
        listener = _SerialListener(
            nothing,
            port=settings.serial.device,
            baudrate=line.baudrate,
            bytesize=line.bytesize,
            parity=line.parity,
            stopbits=line.stopbits,
        )
    elif settings.transport is Transport.UDP:
        listener = _UdpListener(nothing, address=(settings.host or _every_address(), settings.port))
    else:
        listener = _TcpListener(nothing, address=(settings.host, settings.port))
        listener.call_create = partial(listener.call_create, backlog=ACCEPTED_PER_TURN)  # type: ignore[call-arg]
    listener.new_connection = new_connection
    return listener


def _every_address() -> str:
    """Return the address of all networks for UDP, for which asyncio accepts no empty host."""
    return "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - `allow` names the networks
