"""Fuzzes the Modbus server's connections: `python -m fuzz.modbus -max_total_time=60 [CORPUS]` (needs atheris).

Whatever bytes come, in whatever segments: over Modbus/TCP they are answered as the documents say, worked out a
second time by `tests.nodes.oracle`, or the connection is closed; over RTU nothing is answered that was not asked.
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

from gateway.protocol.p1.telegram import crc16
from tests.nodes.oracle import expect, expect_pdu
from tests.nodes.transports import IDENTIFICATION, make_unit

MAX_RTU_BYTES = 80
"""Every piece of what comes is looked at, which takes the square of its length."""

with tempfile.TemporaryDirectory() as folder:
    UNIT = make_unit(Path(folder))
RESPONDER = Responder(UnitTable({1: UNIT, 9: UNIT}), IDENTIFICATION, Monitor())


class Transport:
    """What a connection is told to send."""

    def __init__(self) -> None:
        self.sent = b""
        self.is_closing = False

    def write(self, data: bytes) -> None:
        """Take an answer."""
        assert not self.is_closing, "an answer behind the end"
        self.sent += data

    def close(self) -> None:
        """Close."""
        self.is_closing = True

    def pause_reading(self) -> None:
        """What comes is handed over all the same."""

    def set_write_buffer_limits(self, high: int) -> None:
        """Nothing waits here."""

    def get_extra_info(self, name: str) -> None:
        """There is no TLS here, nor a socket."""


def receive(framing: Any, segments: list[bytes]) -> Transport:
    """What a connection makes of bytes that come in segments."""
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


def asked_over_rtu(stream: bytes) -> list[bytes]:
    """The answers to whatever in `stream` has a CRC that is right, wherever it begins."""
    answers = []
    for begin in range(len(stream)):
        crc = 0xFFFF
        for end in range(begin, len(stream)):
            crc = crc16(stream[end : end + 1], crc)
            if crc == 0 and end - begin >= 3:
                unit_id, pdu = stream[begin], stream[begin + 1 : end - 1]
                answers.append(append_crc(bytes((unit_id,)) + expect_pdu(unit_id, pdu)))
    return answers


def cut(data: atheris.FuzzedDataProvider, stream: bytes) -> list[bytes]:
    """The stream in up to four segments."""
    places = sorted(data.ConsumeIntInRange(0, len(stream)) for _ in range(3))
    return [stream[a:b] for a, b in zip((0, *places), (*places, len(stream)), strict=True)]


def test_one(raw: bytes) -> None:
    """One input."""
    data = atheris.FuzzedDataProvider(raw)
    if data.ConsumeBool():
        stream = data.ConsumeBytes(2 * RECEIVE_BUFFER_BYTES)
        expected = expect(stream)
        transport = receive(respond_tcp, cut(data, stream))
        assert transport.sent == expected.answers
        assert transport.is_closing == expected.is_closed
        return
    stream = data.ConsumeBytes(MAX_RTU_BYTES)
    # A fuzzer does not guess a CRC: half of the time it is put there.
    stream = append_crc(stream) if data.ConsumeBool() else stream
    transport = receive(respond_rtu, cut(data, stream))
    left = transport.sent
    for answer in asked_over_rtu(stream):
        left = left.removeprefix(answer)
    assert not left
    assert not transport.is_closing


if __name__ == "__main__":
    turns = SimpleNamespace(call_soon=lambda _callback: None)
    asyncio._set_running_loop(turns)  # type: ignore[arg-type]  # noqa: SLF001 - nothing waits for its turn here
    atheris.Setup(sys.argv, test_one)
    atheris.Fuzz()
