"""Modbus requests in, answers out.

By the letter of the Application Protocol V1.1b3 and, for TCP, of the Messaging on TCP/IP Implementation
Guide V1.0b.

`answer_pdu` is the same on every transport. `answer_stream` takes what a TCP connection has received and
gives the answers in order, each under its own transaction id, however many requests came in one segment.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from gateway.protocol.unit import ExceptionCode, Unit

MAX_READ_REGISTERS = 125
"""V1.1b3, 6.3 and 6.4."""
ADDRESSES = 0x10000

HEADER_BYTES = 6
"""Transaction id, protocol id and length; the length counts the unit id and the PDU behind it."""
MIN_LENGTH, MAX_LENGTH = 2, 254
"""Bounds of the length field: a unit id with a PDU of 1 to 253 bytes (V1.1b3, 4.1)."""
MAX_ADU_BYTES = HEADER_BYTES + MAX_LENGTH

_HEADER = struct.Struct(">HHH")
_ANSWER_HEADER = struct.Struct(">HHHB")
_READ = struct.Struct(">BHH")


class Units:
    """Which unit answers a unit id."""

    def __init__(self, wired: Mapping[int, Unit], other: Unit | None = None) -> None:
        # 0 and 255 mean "the device itself" on TCP (implementation guide, 4.4.2.1).
        device = wired[min(wired)] if wired else other
        self.wired = tuple(sorted(wired))
        self._by_id = tuple(wired.get(i, device if i in (0, 255) else other) for i in range(256))

    def __getitem__(self, unit_id: int) -> Unit | None:
        return self._by_id[unit_id]


class Answers(NamedTuple):
    """What becomes of received bytes."""

    data: bytes
    """Answers to send, in order."""
    used: int
    """How many of the bytes are dealt with; the rest is the beginning of a request."""
    is_modbus: bool
    """False when the rest is not Modbus/TCP: send `data`, then close."""


def answer_stream(buffer: bytes | bytearray | memoryview, units: Units, now: float) -> Answers:
    """Answer every whole request in `buffer`.

    A protocol id other than 0, or a length that no request can have, leaves no way to find where the next
    request begins (implementation guide, 3.1.3).
    """
    answers: list[bytes] = []
    position, end = 0, len(buffer)
    while end - position >= HEADER_BYTES:
        transaction_id, protocol_id, length = _HEADER.unpack_from(buffer, position)
        if protocol_id or not MIN_LENGTH <= length <= MAX_LENGTH:
            return Answers(b"".join(answers), position, is_modbus=False)
        unit_at = position + HEADER_BYTES
        following = unit_at + length
        if following > end:
            break
        unit_id = buffer[unit_at]
        pdu = answer_pdu(bytes(buffer[unit_at + 1 : following]), units[unit_id], now)
        if pdu is not None:
            answers.append(_ANSWER_HEADER.pack(transaction_id, 0, len(pdu) + 1, unit_id) + pdu)
        position = following
    return Answers(b"".join(answers), position, is_modbus=True)


def answer_pdu(pdu: bytes, unit: Unit | None, now: float) -> bytes | None:
    """The answer to one request of at least one byte; None when the unit is to be silent.

    The order of checks is that of the state diagrams of V1.1b3, 6.3 and 6.4: function, quantity, address,
    then processing.
    """
    function_code = pdu[0]
    if unit is None:
        return _exception(function_code, ExceptionCode.GATEWAY_PATH_UNAVAILABLE)
    if function_code not in unit.function_codes:
        return _exception(function_code, ExceptionCode.ILLEGAL_FUNCTION)
    if len(pdu) != _READ.size:
        return _exception(function_code, ExceptionCode.ILLEGAL_DATA_VALUE)
    _, address, count = _READ.unpack(pdu)
    if not 1 <= count <= MAX_READ_REGISTERS:
        return _exception(function_code, ExceptionCode.ILLEGAL_DATA_VALUE)
    if address + count > ADDRESSES:
        return _exception(function_code, ExceptionCode.ILLEGAL_DATA_ADDRESS)
    data = unit.read(address, count, now)
    if data is None:
        return None
    if isinstance(data, ExceptionCode):
        return _exception(function_code, data)
    return bytes((function_code, 2 * count)) + data


def _exception(function_code: int, code: ExceptionCode) -> bytes:
    return bytes((function_code | 0x80, code))
