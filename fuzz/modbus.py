"""Fuzzes the connections of the Modbus server: `python -m fuzz.modbus [OPTION...] fuzz/corpus/modbus`."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fuzz.harness import Source, fuzz
from gateway.nodes.modbus_server.connections import RECEIVE_BUFFER_BYTES, StreamClient
from gateway.protocol.crc16 import crc16
from gateway.protocol.modbus.monitor import CountedClient, Monitor
from gateway.protocol.modbus.responder import Responder, UnitTable
from gateway.protocol.modbus.rtu import append_crc, respond_rtu
from gateway.protocol.modbus.tcp import respond_datagram, respond_tcp
from tests.nodes.oracle import expect, expect_pdu
from tests.nodes.transports import IDENTIFICATION, make_unit

MAX_RTU_BYTES = 80
"""Longest RTU input: the check tries every slice of it, which takes time with the square of the length."""

with tempfile.TemporaryDirectory() as folder:
    UNIT = make_unit(Path(folder))
RESPONDER = Responder(UnitTable({1: UNIT, 9: UNIT}), IDENTIFICATION, Monitor())
TURNS: Any = SimpleNamespace(call_soon=lambda _callback: None)
"""An event loop in which nothing waits for its turn."""


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
        """Ignore the request: the check hands over all bytes."""

    def set_write_buffer_limits(self, high: int) -> None:
        """Ignore the limits: nothing waits here."""

    def get_extra_info(self, name: str) -> None:
        """Return None: there is neither TLS nor a socket."""


def check(data: bytes) -> None:
    """Check that any bytes in any segments get the responses of the specification, or end the connection.

    Over TCP and UDP `tests.nodes.oracle` computes the responses independently. Over RTU nothing but a request has one.
    """
    before = asyncio._get_running_loop()  # noqa: SLF001
    asyncio._set_running_loop(TURNS)  # noqa: SLF001
    try:
        source = Source(data)
        (check_tcp, check_rtu, check_udp)[source.number(255) % 3](source)
    finally:
        asyncio._set_running_loop(before)  # noqa: SLF001


def check_tcp(source: Source) -> None:
    """Check a connection of Modbus/TCP."""
    segments = source.segments()
    expected = expect(b"".join(segments))
    transport = receive(respond_tcp, segments)
    assert transport.sent == expected.answers
    assert transport.is_closing == expected.is_closed


def check_udp(source: Source) -> None:
    """Check a datagram, and the same one again: a response that is equal to its request may come back once."""
    datagram = source.rest()
    expected = expect(datagram)
    is_one = len(datagram) > 7 and len(datagram) == 6 + int.from_bytes(datagram[4:6], "big") and not expected.is_closed
    answer = expected.answers if is_one and not datagram[7] & 0x80 else b""
    client = CountedClient("192.0.2.1:50000", 0.0)
    assert respond_datagram(datagram, RESPONDER, 0.0, client) == answer
    assert respond_datagram(datagram, RESPONDER, 0.0, client) == (b"" if answer == datagram else answer)


def check_rtu(source: Source) -> None:
    """Check a connection with RTU frames."""
    has_crc = source.number(255) & 1
    segments = Source(source.take(6) + source.take(MAX_RTU_BYTES)).segments()
    stream = b"".join(segments)
    if has_crc:  # a fuzzer does not guess it
        segments.append(append_crc(stream)[len(stream) :])
        stream = append_crc(stream)
    transport = receive(respond_rtu, segments)
    left = transport.sent
    for response in rtu_responses(stream):
        left = left.removeprefix(response)
    assert not left
    assert not transport.is_closing


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


if __name__ == "__main__":
    fuzz(__file__)
