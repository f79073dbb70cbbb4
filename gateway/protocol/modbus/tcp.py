"""Modbus requests in, answers out.

By the letter of the Application Protocol V1.1b3 and, for TCP, of the Messaging on TCP/IP Implementation
Guide V1.0b.

A `Responder` is the same on every transport. `answer_stream` takes what a TCP connection has received and
gives the answers in order, each under its own transaction id, however many requests came in one segment.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from gateway.protocol.modbus.device_identification import FUNCTION_CODE, Identification, answer_identification
from gateway.protocol.modbus.monitor import CountedClient, ExchangeRecord, Monitor, Tally
from gateway.protocol.modbus.unit import ExceptionCode, Unit
from gateway.protocol.registers.snapshot import Snapshot

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
_READ_ADU = struct.Struct(">2s10s")
_READ_REQUEST = struct.Struct(">4xBBHH")
READ_ADU_BYTES = 12
MAX_READY = 256
"""Different requests whose answers are kept; more are asked for by nobody but a scanner."""
_SUB_FUNCTION = struct.Struct(">BH")

WRITE_SINGLE, WRITE_MULTIPLE = 6, 16
MAX_WRITE_REGISTERS = 123
"""V1.1b3, 6.12."""
DIAGNOSTICS, REPORT_SERVER_ID = 8, 17
"""For serial lines only (V1.1b3, 6.8 and 6.13)."""
RUNNING = b"\xff"
BROADCAST = 0
"""On a serial line, for all units and without an answer."""

_NOT_A_READ = b""


class UnitTable:
    """Which unit answers a unit id."""

    def __init__(self, wired: Mapping[int, Unit], other: Unit | None = None) -> None:
        # 0 and 255 mean "the device itself" on TCP (implementation guide, 4.4.2.1).
        device = wired[min(wired)] if wired else other
        self.wired = tuple(sorted(wired))
        self.by_id = tuple(wired.get(i, device if i in (0, 255) else other) for i in range(256))
        """Unit id → its unit, None for one that nothing is wired to."""


Buffer = bytes | bytearray | memoryview
"""What was received."""
Responses = tuple[bytes, int, bool]
"""What becomes of received bytes: the answers to send, in order; how many of the bytes are dealt with, the rest
being the beginning of a request; and False when the rest is not Modbus, to send the answers and then close."""


_Ready = tuple[Unit, Snapshot, bytes, ExchangeRecord, Tally]
"""An answer that can be given again for as long as its snapshot is its unit's and fresh: the unit, the snapshot, the
answer behind its transaction id, what the monitor keeps of it, and what counts it. A plain tuple, as taking a named
one apart costs as much as the rest."""


class Responder:
    """Everything that one server answers with, whatever its transport."""

    def __init__(
        self, units: UnitTable, identification: Identification, monitor: Monitor, *, is_serial: bool = False
    ) -> None:
        """Answer for `units`.

        Args:
            units: who answers which unit id.
            identification: what the server says it is.
            monitor: takes down every exchange.
            is_serial: whether it shares a serial line with others: then other units' requests are none of
                its business.

        """
        self.units = units
        self.identification = identification
        self.monitor = monitor
        self.is_serial = is_serial
        self.ready: dict[bytes, _Ready] = {}
        """Request behind its transaction id → its answer: clients ask the same again and again."""

    def rewire(self, units: UnitTable, identification: Identification) -> None:
        """Answer for other units from the next request on."""
        self.units, self.identification = units, identification
        self.ready.clear()

    def answer(self, pdu: bytes, unit_id: int, now: float, client: CountedClient) -> bytes | None:
        """The answer to one request of at least one byte; None for no answer at all."""
        unit = self.units.by_id[unit_id]
        if self.is_serial and (unit is None or unit_id == BROADCAST):
            return None
        answer = answer_pdu(pdu, unit, now)
        if answer is _NOT_A_READ and unit is not None:
            answer = self._answer_other(pdu, unit)
        self.monitor.note(now, client, unit_id, pdu, answer)
        return answer

    def make_ready(self, request: bytes, following: bytes, now: float) -> None:
        """Keep the answer to a Modbus/TCP request, if it is the unit's fresh registers."""
        unit_id, function_code, address, count = _READ_REQUEST.unpack_from(request)
        unit = self.units.by_id[unit_id]
        snapshot = unit.snapshot if unit and unit.is_fresh(now) else None
        if unit is None or snapshot is None or snapshot.read(address, count) is None:
            return
        if len(self.ready) >= MAX_READY:
            self.ready.clear()
        said = (unit_id, request[5:], following[5:])
        self.ready[request] = unit, snapshot, following, said, self.monitor.tally_of(unit_id, function_code)

    def _answer_other(self, pdu: bytes, unit: Unit) -> bytes:
        function_code = pdu[0]
        answer: bytes | ExceptionCode = ExceptionCode.ILLEGAL_FUNCTION
        if unit.register_map.accept_writes and function_code in (WRITE_SINGLE, WRITE_MULTIPLE):
            answer = _ignore_write(pdu, unit.register_map.accept_writes)
        elif function_code == FUNCTION_CODE:
            answer = answer_identification(pdu, self.identification)
        elif self.is_serial and function_code == DIAGNOSTICS:
            answer = _answer_diagnostics(pdu)
        elif self.is_serial and function_code == REPORT_SERVER_ID:
            answer = _answer_server_id(pdu, self.identification)
        return refuse(function_code, answer) if isinstance(answer, ExceptionCode) else answer


def answer_again(buffer: Buffer, responder: Responder, now: float, client: CountedClient) -> bytes | None:
    """The answer to one read of `READ_ADU_BYTES` that has been asked before, where it still holds.

    It is what `answer_stream` gives, for less: most clients ask the same again and again, one request at a time.
    """
    transaction_id, request = _READ_ADU.unpack_from(buffer)
    known = responder.ready.get(request)
    if known is None:
        return None
    unit, snapshot, following, said, tally = known
    if unit.snapshot is not snapshot or now > unit.fresh_until:
        return None
    tally.number += 1
    client.answers += 1
    client.at = now
    responder.monitor.recent.append((now, client, said))
    again: bytes = transaction_id + following
    return again


def answer_stream(buffer: Buffer, responder: Responder, now: float, client: CountedClient) -> Responses:
    """Answer every whole Modbus/TCP request in `buffer`.

    A protocol id other than 0, or a length that no request can have, leaves no way to find where the next
    request begins (implementation guide, 3.1.3).
    """
    recent, ready = responder.monitor.recent, responder.ready
    position, end = 0, len(buffer)
    answers: list[bytes] = []
    is_modbus = True
    while end - position >= HEADER_BYTES:
        if end - position >= READ_ADU_BYTES:
            transaction_id, request = _READ_ADU.unpack_from(buffer, position)
            known = ready.get(request)
            if known is not None:
                unit, snapshot, again, said, tally = known
                if unit.snapshot is snapshot and now <= unit.fresh_until:
                    tally.number += 1
                    recent.append((now, client, said))
                    answers.append(transaction_id + again)
                    position += READ_ADU_BYTES
                    continue
        transaction, protocol_id, length = _HEADER.unpack_from(buffer, position)
        if protocol_id or not MIN_LENGTH <= length <= MAX_LENGTH:
            is_modbus = False
            break
        unit_at = position + HEADER_BYTES
        following = unit_at + length
        if following > end:
            break
        unit_id = buffer[unit_at]
        pdu = responder.answer(bytes(buffer[unit_at + 1 : following]), unit_id, now, client)
        if pdu is not None:
            answer = _ANSWER_HEADER.pack(transaction, 0, len(pdu) + 1, unit_id) + pdu
            answers.append(answer)
            if following - position == READ_ADU_BYTES and not pdu[0] & 0x80:
                responder.make_ready(bytes(buffer[position + 2 : following]), answer[2:], now)
        position = following
    client.answers += len(answers)
    client.at = now
    return b"".join(answers), position, is_modbus


def answer_pdu(pdu: bytes, unit: Unit | None, now: float) -> bytes | None:
    """The answer to a read; `_NOT_A_READ` for a function that the unit's map does not have.

    The order of checks is that of the state diagrams of V1.1b3, 6.3 and 6.4: function, quantity, address,
    then processing.
    """
    function_code = pdu[0]
    if unit is None:
        return refuse(function_code, ExceptionCode.GATEWAY_PATH_UNAVAILABLE)
    if function_code not in unit.function_codes:
        return _NOT_A_READ
    if len(pdu) != _READ.size:
        return refuse(function_code, ExceptionCode.ILLEGAL_DATA_VALUE)
    _, address, count = _READ.unpack(pdu)
    if not 1 <= count <= MAX_READ_REGISTERS:
        return refuse(function_code, ExceptionCode.ILLEGAL_DATA_VALUE)
    if address + count > ADDRESSES:
        return refuse(function_code, ExceptionCode.ILLEGAL_DATA_ADDRESS)
    data = unit.read(address, count, now)
    if data is None:
        return None
    if isinstance(data, ExceptionCode):
        return refuse(function_code, data)
    return bytes((function_code, 2 * count)) + data


def refuse(function_code: int, code: ExceptionCode) -> bytes:
    """An exception answer: the function code with its highest bit set, and the code (V1.1b3, 7)."""
    return bytes((function_code | 0x80, code))


def _ignore_write(pdu: bytes, accepted: frozenset[int]) -> bytes | ExceptionCode:
    """Answer a write as if it had been done (V1.1b3, 6.6 and 6.12); nothing is changed by it."""
    if len(pdu) < _READ.size:
        return ExceptionCode.ILLEGAL_DATA_VALUE
    function_code, address, count = _READ.unpack_from(pdu)
    if function_code == WRITE_SINGLE:
        count = 1
        has_right_length = len(pdu) == _READ.size
    else:
        is_counted = 1 <= count <= MAX_WRITE_REGISTERS and len(pdu) > _READ.size and pdu[_READ.size] == 2 * count
        has_right_length = is_counted and len(pdu) == _READ.size + 1 + 2 * count
    if not has_right_length:
        return ExceptionCode.ILLEGAL_DATA_VALUE
    if not accepted.issuperset(range(address, address + count)):
        return ExceptionCode.ILLEGAL_DATA_ADDRESS
    return pdu[: _READ.size]


def _answer_diagnostics(pdu: bytes) -> bytes | ExceptionCode:
    """Sub-function 0 gives the request back (V1.1b3, 6.8.1); the others are not there."""
    if len(pdu) < _SUB_FUNCTION.size:
        return ExceptionCode.ILLEGAL_DATA_VALUE
    _, sub_function = _SUB_FUNCTION.unpack_from(pdu)
    return ExceptionCode.ILLEGAL_FUNCTION if sub_function else pdu


def _answer_server_id(pdu: bytes, identification: Identification) -> bytes | ExceptionCode:
    """The product code and a running indicator (V1.1b3, 6.13)."""
    if len(pdu) != 1:
        return ExceptionCode.ILLEGAL_DATA_VALUE
    server_id = identification.objects()[1] + RUNNING
    return bytes((REPORT_SERVER_ID, len(server_id))) + server_id
