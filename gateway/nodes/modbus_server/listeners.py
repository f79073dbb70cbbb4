"""pymodbus's servers, listening for our connections.

What is leaned on beyond pymodbus's public interface: `callback_new_connection` as the factory of connections,
`call_create` as what opens the listener, and `close` closing what is in `active_connections`.
`tests/nodes/test_pymodbus_contract.py` guards them.
"""

from __future__ import annotations

import asyncio
import termios
from collections.abc import Callable

from pymodbus.server import ModbusBaseServer, ModbusSerialServer, ModbusTcpServer, ModbusUdpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.nodes.modbus_server.settings import ServerSettings, Transport

NewConnection = Callable[["Listener"], asyncio.BaseProtocol]


class Listener(ModbusBaseServer):
    """Opens the port, and says with an OSError what keeps it from it."""

    new_connection: NewConnection

    def callback_new_connection(self) -> asyncio.BaseProtocol:  # type: ignore[override]
        """Make the protocol of a new client."""
        return self.new_connection(self)

    async def listen(self) -> bool:
        """Open the port.

        pymodbus turns the OSError into a line of log; what is wrong with the port must be told apart.
        """
        self.is_listener = True
        try:
            created = await self.call_create()
        except termios.error as error:  # a serial device that cannot do what it is told
            raise OSError(*error.args) from error
        self.transport = created[0] if isinstance(created, tuple) else created
        return True

    @property
    def bound_port(self) -> int:
        """The port that is listened on, also where the system chose it."""
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
    """A listener that is not yet listening."""
    # pymodbus wants a datastore; no request reaches it.
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
        listener = _UdpListener(nothing, address=(settings.host, settings.port))
    else:
        listener = _TcpListener(nothing, address=(settings.host, settings.port))
    listener.new_connection = new_connection
    return listener
