"""Fuzzes the Modbus server's connections: `python -m fuzz.modbus -max_total_time=60 [CORPUS]` (needs atheris).

For any bytes in any segments: over Modbus/TCP the responses are those of the specification, which `tests.nodes.oracle`
computes independently, or the connection is closed; over RTU there is no response without a request.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import atheris

with atheris.instrument_imports(include=["gateway"]):
    from gateway.nodes.modbus_server.connections import RECEIVE_BUFFER_BYTES, StreamClient
    from gateway.protocol.modbus.monitor import Monitor
    from gateway.protocol.modbus.responder import Responder, UnitTable
    from gateway.protocol.modbus.rtu import append_crc, respond_rtu
    from gateway.protocol.modbus.tcp import respond_tcp

from gateway.protocol.crc16 import crc16
from tests.nodes.oracle import expect, expect_pdu
from tests.nodes.transports import IDENTIFICATION, make_unit

MAX_RTU_BYTES = 80
"""Longest RTU input: the check tries every slice of it, which takes time with the square of the length."""

with tempfile.TemporaryDirectory() as folder:
    UNIT = make_unit(Path(folder))
RESPONDER = Responder(UnitTable({1: UNIT, 9: UNIT}), IDENTIFICATION, Monitor())


class Transport:
    """A transport that keeps the bytes that a connection sends."""

    def __init__(self) -> None:
        self.sent = b""
        self.is_closing = False

    def write(self, data: bytes) -> None:
        """Keep a response."""
        assert not self.is_closing, "a response after the close"
        self.sent += data

    def close(self) -> None:
        """Close."""
        self.is_closing = True

    def pause_reading(self) -> None:
        """Ignore the request: the test hands over all bytes."""

    def set_write_buffer_limits(self, high: int) -> None:
        """Ignore the limits: nothing waits here."""

    def get_extra_info(self, name: str) -> None:
        """Return None: there is neither TLS nor a socket."""


def receive(framing: Any, segments: list[bytes]) -> Transport:
    """Return the transport of a connection that received these segments."""
    transport = Transport()
    host: Any = SimpleNamespace(
        responder=RESPONDER, framing=framing, received=memoryview(bytearray(RECEIVE_BUFFER_BYTES))
    )
    client = StreamClient(host)
    client.begin(transport)  # type: ignore[arg-type]
    for segment in segments:
        rest = segment
        while rest and not transport.is_closing:
            buffer = client.get_buffer(-1)
            assert len(buffer), "room for more"
            count = min(len(buffer), len(rest))
            buffer[:count] = rest[:count]
            client.buffer_updated(count)
            rest = rest[count:]
    return transport


def rtu_responses(stream: bytes) -> list[bytes]:
    """Return the responses to all slices of `stream` with a valid CRC."""
    responses = []
    for begin in range(len(stream)):
        crc = 0xFFFF
        for end in range(begin, len(stream)):
            crc = crc16(stream[end : end + 1], crc)
            if crc == 0 and end - begin >= 3:
                unit_id, pdu = stream[begin], stream[begin + 1 : end - 1]
                responses.append(append_crc(bytes((unit_id,)) + expect_pdu(unit_id, pdu)))
    return responses


def cut(data: atheris.FuzzedDataProvider, stream: bytes) -> list[bytes]:
    """Cut the stream into up to four segments."""
    places = sorted(data.ConsumeIntInRange(0, len(stream)) for _ in range(3))
    return [stream[a:b] for a, b in zip((0, *places), (*places, len(stream)), strict=True)]


def test_one(raw: bytes) -> None:
    """Test one input."""
    data = atheris.FuzzedDataProvider(raw)
    if data.ConsumeBool():
        stream = data.ConsumeBytes(2 * RECEIVE_BUFFER_BYTES)
        expected = expect(stream)
        transport = receive(respond_tcp, cut(data, stream))
        assert transport.sent == expected.answers
        assert transport.is_closing == expected.is_closed
        return
    stream = data.ConsumeBytes(MAX_RTU_BYTES)
    # A fuzzer does not guess a CRC: append a valid one half of the time.
    stream = append_crc(stream) if data.ConsumeBool() else stream
    transport = receive(respond_rtu, cut(data, stream))
    left = transport.sent
    for response in rtu_responses(stream):
        left = left.removeprefix(response)
    assert not left
    assert not transport.is_closing


if __name__ == "__main__":
    turns = SimpleNamespace(call_soon=lambda _callback: None)
    asyncio._set_running_loop(turns)  # type: ignore[arg-type]  # noqa: SLF001 - nothing waits for its turn here
    atheris.Setup(sys.argv, test_one)
    atheris.Fuzz()
