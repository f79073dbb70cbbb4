"""One server of ours on each transport, and a bare client for it: PDUs in, PDUs out."""

from __future__ import annotations

import asyncio
import os
import tty
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from gateway.maps.load import load_map
from gateway.nodes.modbus_server import ModbusServer, SerialPort, ServerSettings, Transport
from gateway.protocol.crc16 import crc16
from gateway.protocol.modbus.device_identification import Identification
from gateway.protocol.modbus.monitor import Monitor
from gateway.protocol.modbus.responder import Responder, UnitTable
from gateway.protocol.modbus.rtu import append_crc
from gateway.protocol.modbus.unit import OnStale, Unit
from gateway.protocol.p1.variants import SerialSettings
from gateway.transport.clients import Admission
from tests.certificates import client_context, make_certificates

NAMES = ("tcp", "tls", "rtu_over_tcp", "udp", "serial")
ANSWER_TIMEOUT_S = 2.0
NO_ANSWER_AFTER_S = 0.15

MAP = """
title: The registers that transports are tried with
source: tests
registers:
""" + "".join(
    f"  - {{address: {a}, name: r{a}, type: uint16, value: {a % 60000}}}\n" for a in [*range(130), 200, 65534, 65535]
)

IDENTIFICATION = Identification("Vendor", "CODE", "1.2", "https://example.org", "Product", "Model", "Application")


def make_unit(folder: Path, text: str = MAP, on_stale: OnStale = OnStale.EXCEPTION, *, is_fresh: bool = True) -> Unit:
    """A unit whose registers hold their own address, less 60000 where that is possible."""
    path = folder / "transports.yaml"
    path.write_text(text)
    unit = Unit(load_map(path), on_stale, lambda _now: {})
    if is_fresh:
        unit.publish(unit.register_map.readings.encode({}), float("inf"))
    return unit


class Client(ABC):
    """A client of one transport."""

    @abstractmethod
    async def send(self, unit_id: int, pdu: bytes) -> None:
        """Send one request."""

    @abstractmethod
    async def receive(self) -> tuple[int, bytes]:
        """Unit id and PDU of the next answer; EOFError when the server closed."""

    async def ask(self, pdu: bytes, unit_id: int = 1) -> bytes:
        """The answer to a request, which must come under the same unit id."""
        await self.send(unit_id, pdu)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            answered_by, answer = await self.receive()
        assert answered_by == unit_id
        return answer

    async def gets_no_answer(self, pdu: bytes, unit_id: int = 1) -> bool:
        """Whether a request is not answered, while the one behind it is."""
        await self.send(unit_id, pdu)
        with suppress(TimeoutError):
            async with asyncio.timeout(NO_ANSWER_AFTER_S):
                await self.receive()
                return False
        return await self.ask(bytes.fromhex("0300050001")) == bytes.fromhex("03020005")


class StreamClient(Client):
    """MBAP or RTU frames over a stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_rtu: bool) -> None:
        self.reader, self.writer, self._is_rtu = reader, writer, is_rtu
        self._transaction_id = 0

    async def send(self, unit_id: int, pdu: bytes) -> None:
        self._transaction_id = (self._transaction_id + 1) % 0x10000
        frame = append_crc(bytes((unit_id,)) + pdu) if self._is_rtu else mbap(self._transaction_id, unit_id, pdu)
        self.writer.write(frame)

    async def receive(self) -> tuple[int, bytes]:
        if self._is_rtu:
            frame = await _read_rtu_answer(self.reader)
            assert crc16(frame, 0xFFFF) == 0
            return frame[0], frame[1:-2]
        header = await self.reader.readexactly(7)
        assert int.from_bytes(header[:2], "big") == self._transaction_id
        assert header[2:4] == b"\0\0"
        return header[6], await self.reader.readexactly(int.from_bytes(header[4:6], "big") - 1)


async def _read_rtu_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(3)
    if head[1] & 0x80:
        return head + await reader.readexactly(2)
    if head[1] in (3, 4, 17):
        return head + await reader.readexactly(head[2] + 2)
    if head[1] == 8:
        return head + await reader.readexactly(5)
    body = head + await reader.readexactly(5)
    for _ in range(body[7]):
        body += await reader.readexactly(2)
        body += await reader.readexactly(body[-1])
    return body + await reader.readexactly(2)


class DatagramClient(Client, asyncio.DatagramProtocol):
    """MBAP frames, one a datagram."""

    def __init__(self) -> None:
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._answers.put_nowait(data)

    @property
    def is_empty(self) -> bool:
        """Whether no answer waits to be received."""
        return self._answers.empty()

    async def send(self, unit_id: int, pdu: bytes) -> None:
        self.transport.sendto(mbap(7, unit_id, pdu))

    async def receive(self) -> tuple[int, bytes]:
        data = await self._answers.get()
        assert data[:4] == b"\0\7\0\0"
        assert int.from_bytes(data[4:6], "big") == len(data) - 6
        return data[6], data[7:]


def mbap(transaction_id: int, unit_id: int, pdu: bytes) -> bytes:
    """A Modbus/TCP request."""
    return transaction_id.to_bytes(2, "big") + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + bytes((unit_id,)) + pdu


@asynccontextmanager
async def serve(name: str, folder: Path, unit: Unit, **admission: object) -> AsyncIterator[ModbusServer]:
    """Run a server on a transport, with `unit` on unit ids 1 and 9 and the rules of `Admission` given."""
    device = ""
    pty: tuple[int, int] | None = None
    if name == "serial":
        pty = os.openpty()
        tty.setraw(pty[0])
        tty.setraw(pty[1])
        device = os.ttyname(pty[1])
    if name == "tls":
        admission["tls"] = make_certificates(folder)
    settings = ServerSettings(
        transport=Transport.TCP if name == "tls" else Transport(name),
        host="127.0.0.1",
        serial=SerialPort(device, SerialSettings(115200, 8, "N")) if pty else None,
        admission=Admission(**admission),  # type: ignore[arg-type]
    )
    responder = Responder(UnitTable({1: unit, 9: unit}), IDENTIFICATION, Monitor(), is_serial=name == "serial")
    server = ModbusServer(f"modbus {name}", settings, responder)
    task = asyncio.create_task(server.run())
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        if pty:
            server.pty = pty[0]  # type: ignore[attr-defined]
        yield server
    finally:
        ready.cancel()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for descriptor in pty or ():
            os.close(descriptor)


@asynccontextmanager
async def connect(server: ModbusServer, folder: Path) -> AsyncIterator[Client]:
    """A client of a running server."""
    settings = server.settings
    if settings.transport is Transport.UDP:
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_datagram_endpoint(DatagramClient, remote_addr=("127.0.0.1", server.port))
        yield client
        transport.close()
        return
    if settings.serial:
        yield await _open_pty(server.pty)  # type: ignore[attr-defined]
        return
    context = client_context(folder) if settings.admission.tls else None
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    yield StreamClient(reader, writer, is_rtu=settings.transport is Transport.RTU_OVER_TCP)
    writer.close()


async def _open_pty(descriptor: int) -> StreamClient:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(descriptor), "rb", 0))
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.streams.FlowControlMixin(loop), os.fdopen(os.dup(descriptor), "wb", 0)
    )
    return StreamClient(reader, asyncio.StreamWriter(transport, protocol, reader, loop), is_rtu=True)
