"""What the Modbus server leans on in pymodbus beyond its public interface.

`gateway/nodes/modbus_server/listeners.py` opens pymodbus's listeners by itself and puts connections of its own into
them; pymodbus promises none of that, and its minors change it. When one of these tests fails with a new pymodbus,
listeners.py and connections.py are to be mended before the pin in pyproject.toml is widened.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import logging
import os
import socket
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from importlib.metadata import version
from typing import Any

import pymodbus.server
import pymodbus.simulator
import pytest
from pymodbus.server import ModbusBaseServer, ModbusSerialServer, ModbusTcpServer, ModbusUdpServer

from gateway.nodes.modbus_server import ModbusServer, SerialPort, ServerSettings, Transport
from gateway.nodes.modbus_server.connections import ModbusConnection, SerialClient
from gateway.nodes.modbus_server.listeners import Listener, make_listener
from gateway.protocol.modbus.rtu import append_crc
from gateway.protocol.p1.variants import SerialSettings
from tests.protocol.modbus.small_units import responder_of, small_unit

CHANGED = f"pymodbus {version('pymodbus')} has changed, and gateway/nodes/modbus_server leans on it: "
TRANSPORTS = (Transport.TCP, Transport.UDP, Transport.SERIAL)
STOCK = {Transport.TCP: ModbusTcpServer, Transport.UDP: ModbusUdpServer, Transport.SERIAL: ModbusSerialServer}
LINE = SerialSettings(9600, 8, "N")
PATIENCE_S = 5.0


class Bare(asyncio.Protocol, asyncio.DatagramProtocol):
    """A connection with what `ModbusConnection` has for the listener, and nothing more."""

    def __init__(self) -> None:
        self.unique_id = "the one"
        self.listener: Any = None
        self.asked_for: list[str] = []
        """Names that were looked for in vain."""
        self.calls: list[tuple[str, Any]] = []
        self.transport: Any = None
        self.data = asyncio.get_running_loop().create_future()

    def __getattr__(self, name: str) -> Any:
        self.__dict__["asked_for"].append(name)
        raise AttributeError(name)

    def callback_disconnected(self, exc: Exception | None) -> None:
        self.calls.append(("callback_disconnected", exc))

    def close(self) -> None:
        self.calls.append(("close", self.listener))
        if self.transport:  # a serial port that does not open leaves a connection that was never made
            self.transport.close()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        pass

    def data_received(self, data: bytes) -> None:
        self.data.set_result(data)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.data.set_result(data)


class HeardClient(SerialClient):
    """A client of a serial line, and whether anything came from it."""

    def __init__(self, host: ModbusServer, name: str) -> None:
        super().__init__(host, name)
        self.has_heard = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.has_heard.set()


class Line:
    """A listener on one transport, and a client's side of it."""

    def __init__(self, transport: Transport) -> None:
        self.connections: list[Bare] = []
        self.has_connection = asyncio.Event()
        self._ends = os.openpty() if transport is Transport.SERIAL else ()
        for end in self._ends:
            tty.setraw(end)
        serial = SerialPort(os.ttyname(self._ends[1]), LINE) if self._ends else None
        self.settings = ServerSettings(transport, "127.0.0.1", serial=serial)
        self.listener = make_listener(self.settings, self._new_connection)
        self._socket: socket.socket | None = None

    def _new_connection(self, listener: Listener) -> Bare:
        assert listener is self.listener, CHANGED + "callback_new_connection is called on another object"
        self.connections.append(Bare())
        self.has_connection.set()
        return self.connections[-1]

    def send(self, data: bytes) -> None:
        """Send as a client."""
        if self._ends:
            os.write(self._ends[0], data)
            return
        kind = socket.SOCK_DGRAM if self.settings.transport is Transport.UDP else socket.SOCK_STREAM
        self._socket = socket.socket(socket.AF_INET, kind)
        self._socket.connect(("127.0.0.1", self.listener.bound_port))
        self._socket.sendall(data)

    def close(self) -> None:
        """Close the client's side."""
        if self._socket:
            self._socket.close()
        for end in self._ends:
            os.close(end)


@asynccontextmanager
async def listening(transport: Transport) -> AsyncIterator[Line]:
    line = Line(transport)
    try:
        assert await line.listener.listen()
        yield line
    finally:
        await line.listener.shutdown()  # type: ignore[no-untyped-call]
        line.close()


async def heard(line: Line) -> Bare:
    """The connection of a client that has sent something."""
    line.send(b"\1\2\3")
    async with asyncio.timeout(PATIENCE_S):
        await line.has_connection.wait()
        received = await line.connections[0].data
    assert received == b"\1\2\3", CHANGED + "what a client sends does not come to our connection as it is"
    return line.connections[0]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (pymodbus.server, "ModbusBaseServer"),
        (pymodbus.server, "ModbusTcpServer"),
        (pymodbus.server, "ModbusUdpServer"),
        (pymodbus.server, "ModbusSerialServer"),
        (pymodbus.simulator, "SimData"),
        (pymodbus.simulator, "SimDevice"),
        (pymodbus.simulator, "DataType"),
    ],
)
def test_the_classes_are_where_they_were(module: Any, name: str) -> None:
    assert inspect.isclass(getattr(module, name, None)), CHANGED + f"{module.__name__}.{name} is gone"
    assert name in module.__all__, CHANGED + f"{name} is not public any more"


@pytest.mark.parametrize("stock", STOCK.values(), ids=lambda stock: stock.__name__)
def test_every_server_is_a_base_server_and_overrides_nothing_of_ours(stock: type) -> None:
    assert issubclass(stock, ModbusBaseServer), CHANGED + f"{stock.__name__} is no ModbusBaseServer"
    for name in ("callback_new_connection", "listen", "bound_port", "new_connection"):
        assert name not in vars(stock), CHANGED + f"{stock.__name__} has a {name} of its own"


@pytest.mark.parametrize("name", ["bound_port", "new_connection"])
def test_no_name_of_ours_hides_one_of_pymodbus(name: str) -> None:
    assert not hasattr(ModbusBaseServer, name), CHANGED + f"ModbusBaseServer has a {name} of its own"


@pytest.mark.parametrize(
    ("stock", "keywords"),
    [
        (ModbusTcpServer, {"address"}),
        (ModbusUdpServer, {"address"}),
        (ModbusSerialServer, {"port", "baudrate", "bytesize", "parity", "stopbits"}),
    ],
)
def test_the_servers_are_made_with_the_same_arguments(stock: Callable[..., Any], keywords: set[str]) -> None:
    parameters = inspect.signature(stock).parameters
    needed = {name for name, p in parameters.items() if p.default is p.empty}
    assert needed == {"context"}, CHANGED + f"{stock.__name__} needs {sorted(needed)}"
    assert keywords <= parameters.keys(), CHANGED + f"{stock.__name__} has no {sorted(keywords - parameters.keys())}"


@pytest.mark.parametrize(
    ("name", "parameters", "is_async"),
    [
        ("callback_new_connection", ["self"], False),
        ("listen", ["self"], True),
        ("shutdown", ["self"], True),
    ],
)
def test_the_methods_that_are_called_or_overridden_look_as_they_did(
    name: str, parameters: list[str], is_async: bool
) -> None:
    method = getattr(ModbusBaseServer, name, None)
    assert method is not None, CHANGED + f"ModbusBaseServer.{name} is gone"
    assert list(inspect.signature(method).parameters) == parameters, CHANGED + f"{name}{inspect.signature(method)}"
    assert inspect.iscoroutinefunction(method) is is_async, CHANGED + f"{name} is (no) coroutine"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_listener_is_the_stock_server_with_our_methods_in_front(transport: Transport) -> None:
    line = Line(transport)
    with closing(line):
        listener = line.listener
        assert isinstance(listener, STOCK[transport])
        assert type(listener).callback_new_connection is Listener.callback_new_connection
        assert type(listener).listen is Listener.listen
        assert callable(listener.call_create), CHANGED + "call_create does not open the port"
        parameters = inspect.signature(listener.call_create).parameters.values()
        assert all(p.default is not p.empty for p in parameters), CHANGED + "call_create needs arguments"
        assert listener.active_connections == {}
        assert listener.transport is None
        assert line.connections == [], CHANGED + "a listener makes a connection before it listens"
        await listener.shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_making_a_listener_is_not_deprecated(transport: Transport, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with listening(transport):
            pass
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == [], CHANGED + "a listener is not made without a warning"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_call_create_opens_the_port_and_gives_a_transport(transport: Transport) -> None:
    line = Line(transport)
    with closing(line):
        created = await line.listener.call_create()
        opened = created[0] if isinstance(created, tuple) else created
        assert hasattr(opened, "close"), CHANGED + f"call_create gives {created!r}"
        line.listener.transport = opened
        if transport is not Transport.SERIAL:
            assert line.listener.bound_port > 0, CHANGED + "what call_create gives does not tell its port"
        line.listener.is_listener = True
        await line.listener.shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_client_speaks_to_the_connection_that_callback_new_connection_made(transport: Transport) -> None:
    async with listening(transport) as line:
        connection = await heard(line)
        assert len(line.connections) == 1, CHANGED + "one client has several connections"
        active: dict[str, Any] = dict(line.listener.active_connections)
        assert active == {"the one": connection}, CHANGED + "active_connections"
        assert connection.listener is line.listener, CHANGED + "a connection's listener is not set"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_shutdown_closes_what_is_in_active_connections(transport: Transport) -> None:
    before = asyncio.all_tasks()
    async with listening(transport) as line:
        connection = await heard(line)
    assert connection.calls == [("callback_disconnected", None), ("close", None)], CHANGED + "what shutdown calls"
    assert line.listener.active_connections == {}, CHANGED + "active_connections is not emptied"
    assert line.listener.transport is None, CHANGED + "the listener's transport is kept"
    assert asyncio.all_tasks() == before, CHANGED + "shutdown leaves tasks behind"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_connection_needs_nothing_but_what_ours_have(transport: Transport) -> None:
    async with listening(transport) as line:
        connection = await heard(line)
        given = set(vars(connection))
    assert connection.asked_for == [], CHANGED + f"connections are asked for {connection.asked_for}"
    assert given == set(vars(Bare())), CHANGED + f"connections are given {given - set(vars(Bare()))}"
    for name in ("callback_disconnected", "close"):
        assert callable(getattr(ModbusConnection, name))


async def test_a_connection_that_left_active_connections_is_not_closed_again() -> None:
    async with listening(Transport.TCP) as line:
        connection = await heard(line)
        del line.listener.active_connections[connection.unique_id]
        connection.transport.close()
    assert connection.calls == []


async def test_after_shutdown_the_port_is_free_for_the_next_listener() -> None:
    async with listening(Transport.TCP) as line:
        await heard(line)
        port = line.listener.bound_port
    settings = ServerSettings(Transport.TCP, "127.0.0.1", port)
    again = make_listener(settings, lambda _listener: Bare())
    assert await again.listen()
    assert again.bound_port == port
    await again.shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.UDP])
async def test_a_port_in_use_is_reported_by_its_errno(transport: Transport) -> None:
    async with listening(transport) as line:
        settings = ServerSettings(transport, "127.0.0.1", line.listener.bound_port)
        second = make_listener(settings, lambda _listener: Bare())
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is what matters
            await second.listen()
        assert caught.value.errno == errno.EADDRINUSE
        assert line.listener.active_connections.keys() <= {"the one"}
        await second.shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("device", ["/dev/null", "/dev/there-is-no-such-device"])
async def test_a_serial_device_that_is_none_is_an_oserror(device: str) -> None:
    settings = ServerSettings(Transport.SERIAL, serial=SerialPort(device, LINE))
    listener = make_listener(settings, lambda _listener: Bare())
    with pytest.raises(OSError):  # noqa: PT011 - whatever is wrong with the device
        await listener.listen()
    await listener.shutdown()  # type: ignore[no-untyped-call]


async def test_a_serial_line_that_is_closed_is_not_written_to() -> None:
    # pymodbus's serial transport raises for it, where asyncio's own transports do not mind.
    line = Line(Transport.SERIAL)
    with closing(line):
        server = ModbusServer("modbus", line.settings, responder_of({1: small_unit()}, is_serial=True))
        line.listener.new_connection = lambda _listener: HeardClient(server, "line")
        assert await line.listener.listen()
        # The length of function 0x64 is not told, so its answer waits for silence.
        line.send(append_crc(b"\x01\x64\x00\x00"))
        client = next(iter(line.listener.active_connections.values()))
        assert isinstance(client, HeardClient)
        async with asyncio.timeout(PATIENCE_S):
            await client.has_heard.wait()
        await line.listener.shutdown()  # type: ignore[no-untyped-call]
        assert client._silence is not None
        assert client._silence.cancelled()


async def test_stock_pymodbus_says_why_it_cannot_listen_in_its_log_only(caplog: pytest.LogCaptureFixture) -> None:
    # The reason why Listener has a `listen` of its own; the logger's name is the one that the program turns down.
    async with listening(Transport.TCP) as line:
        device = pymodbus.simulator.SimDevice(
            id=0,
            simdata=[pymodbus.simulator.SimData(0, values=[0], datatype=pymodbus.simulator.DataType.REGISTERS)],
        )
        stock = ModbusTcpServer(device, address=("127.0.0.1", line.listener.bound_port))
        with caplog.at_level(logging.WARNING), caplog.at_level(logging.WARNING, "pymodbus.logging"):
            assert not await stock.listen(), CHANGED + "listen raises; ours may not be needed any more"
        assert {record.name for record in caplog.records} == {"pymodbus.logging"}, CHANGED + "its logger's name"
