"""From one request to its response, the same on every transport (Application Protocol V1.1b3).

A `Responder` finds the unit of a request's unit id and lets it read its registers. The few other functions, such
as device identification, it handles itself. It also keeps the responses that may be sent again: clients send
the same reads over and over, and between two telegrams the response to a read does not change.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from gateway.protocol.modbus.device_identification import FUNCTION_CODE, Identification, respond_identification
from gateway.protocol.modbus.monitor import CountedClient, ExchangeRecord, Monitor, Tally
from gateway.protocol.modbus.pdu import ADDRESSES, MAX_READ_REGISTERS, READ, ExceptionCode, exception_response
from gateway.protocol.modbus.unit import Unit
from gateway.protocol.registers.snapshot import Snapshot

MAX_READY = 256
"""Largest number of responses that are kept to be sent again; only a scanner sends more different requests."""
WRITE_SINGLE, WRITE_MULTIPLE = 6, 16
MAX_WRITE_REGISTERS = 123
"""Largest number of registers in one write (V1.1b3, 6.12)."""
DIAGNOSTICS, REPORT_SERVER_ID = 8, 17
"""Function codes that exist on serial lines only (V1.1b3, 6.8 and 6.13)."""
RUNNING = b"\xff"
BROADCAST = 0
"""Unit id that addresses all units of a serial line; no unit responds to it."""
DEVICE = 255
"""Unit id of the device itself on TCP. On a serial line it is reserved (V1.02, 2.2), and a unit has it only if it is
configured."""

_READ_REQUEST = struct.Struct(">4xBBHH")
_SUB_FUNCTION = struct.Struct(">BH")
_NOT_A_READ = b""


class UnitTable:
    """The units of a server, by unit id."""

    def __init__(self, wired: Mapping[int, Unit], other: Unit | None = None) -> None:
        # 0 and 255 mean "the device itself" on TCP (implementation guide, 4.4.2.1).
        device = wired[min(wired)] if wired else other
        self.wired = tuple(sorted(wired))
        self.by_id = tuple(wired.get(i, device if i in (BROADCAST, DEVICE) else other) for i in range(256))
        """The unit of each unit id; None where no unit is configured."""


_Ready = tuple[Unit, Snapshot, bytes, ExchangeRecord, Tally]
"""A response that may be sent again while its snapshot is fresh and still the unit's: the unit, the snapshot, the
response without its transaction id, the record for the monitor, and the counter. It is a plain tuple, because
taking a named one apart costs as much as everything else."""


class Responder:
    """Responds to the requests of one server."""

    def __init__(
        self, units: UnitTable, identification: Identification, monitor: Monitor, *, is_serial: bool = False
    ) -> None:
        """Respond for `units`.

        Args:
            units: the unit of each unit id.
            identification: the server's identification.
            monitor: notes every exchange.
            is_serial: whether other units share the line; requests to them are then ignored.

        """
        self.units = units
        self.identification = identification
        self.monitor = monitor
        monitor.name_units(units.wired)
        self.is_serial = is_serial
        self.ready: dict[bytes, _Ready] = {}
        """The responses that may be sent again, by request without its transaction id."""

    def rewire(self, units: UnitTable, identification: Identification) -> None:
        """Respond for other units from the next request on.

        Requests that are held back are answered from them at once, except those of a unit that another one succeeds.
        """
        before, self.units, self.identification = self.units, units, identification
        self.monitor.name_units(units.wired)
        self.ready.clear()
        kept = {unit.repeats for unit in units.by_id if unit}
        for unit in before.by_id:
            if unit and unit.repeats and unit.repeats not in kept:
                unit.repeats.wake()

    def respond(self, pdu: bytes, unit_id: int, now: float, client: CountedClient) -> bytes | None:
        """Return the response PDU to a request PDU of at least one byte; None for no response at all.

        If `client.held` is set then, the request is held back: the caller keeps it and asks again.
        """
        unit = self.units.by_id[unit_id]
        if self.is_serial and (unit is None or not self._is_on_line(unit_id)):
            return None
        response = respond_to_read(pdu, unit, now, client)
        if client.held:
            return None
        if response is _NOT_A_READ and unit is not None:
            response = self._respond_to_other(pdu, unit)
        self.monitor.note(now, client, unit_id, pdu, response)
        return response

    def _is_on_line(self, unit_id: int) -> bool:
        """Return whether a unit of a serial line may respond to this unit id."""
        return unit_id != BROADCAST and (unit_id != DEVICE or DEVICE in self.units.wired)

    def make_ready(self, request: bytes, response: bytes, now: float) -> None:
        """Keep the response to a Modbus/TCP request, both without transaction id, if it shows whole, fresh values."""
        unit_id, function_code, address, count = _READ_REQUEST.unpack_from(request)
        unit = self.units.by_id[unit_id]
        snapshot = unit.snapshot if unit and unit.is_fresh(now) else None
        if unit is None or snapshot is None:
            return
        address = unit.register_map.place(function_code, address, count)
        if snapshot.read(address, count) is None:
            return
        if unit.repeats or unit.register_map.splits(address, count):
            return  # the next response depends on the client
        if len(self.ready) >= MAX_READY:
            self.ready.clear()
        record = (unit_id, request[5:], response[5:])
        self.ready[request] = unit, snapshot, response, record, self.monitor.tally_of(unit_id, function_code)

    def _respond_to_other(self, pdu: bytes, unit: Unit) -> bytes:
        function_code = pdu[0]
        response: bytes | ExceptionCode = ExceptionCode.ILLEGAL_FUNCTION
        if unit.register_map.accept_writes and function_code in (WRITE_SINGLE, WRITE_MULTIPLE):
            response = _ignore_write(pdu, unit.register_map.accept_writes)
        elif function_code == FUNCTION_CODE:
            response = respond_identification(pdu, self.identification)
        elif self.is_serial and function_code == DIAGNOSTICS:
            response = _respond_diagnostics(pdu)
        elif self.is_serial and function_code == REPORT_SERVER_ID:
            response = _respond_server_id(pdu, self.identification)
        return exception_response(function_code, response) if isinstance(response, ExceptionCode) else response


def respond_to_read(pdu: bytes, unit: Unit | None, now: float, client: CountedClient) -> bytes | None:
    """Return the response to a read; `_NOT_A_READ` for a function that the unit's map does not have.

    The order of checks is that of the state diagrams of V1.1b3, 6.3 and 6.4: function, quantity, address,
    then processing. The request is decoded here, not by `decode_read`: each step has an exception of its own.
    """
    function_code = pdu[0]
    if unit is None:
        return exception_response(function_code, ExceptionCode.GATEWAY_PATH_UNAVAILABLE)
    if function_code not in unit.function_codes:
        return _NOT_A_READ
    if len(pdu) != READ.size:
        return exception_response(function_code, ExceptionCode.ILLEGAL_DATA_VALUE)
    _, address, count = READ.unpack(pdu)
    if not 1 <= count <= MAX_READ_REGISTERS:
        return exception_response(function_code, ExceptionCode.ILLEGAL_DATA_VALUE)
    if address + count > ADDRESSES:
        return exception_response(function_code, ExceptionCode.ILLEGAL_DATA_ADDRESS)
    if unit.has_tables:
        address = unit.register_map.place(function_code, address, count)
    data = unit.read_for(client, address, count, now)
    if data is None:
        return None
    if isinstance(data, ExceptionCode):
        return exception_response(function_code, data)
    return bytes((function_code, 2 * count)) + data


def _ignore_write(pdu: bytes, accepted: frozenset[int]) -> bytes | ExceptionCode:
    """Respond to a write as if it was done (V1.1b3, 6.6 and 6.12); it changes nothing."""
    if len(pdu) < READ.size:
        return ExceptionCode.ILLEGAL_DATA_VALUE
    # Both kinds of write begin like a read: function code, address, and a value or a count.
    function_code, address, count = READ.unpack_from(pdu)
    if function_code == WRITE_SINGLE:
        count = 1
        has_right_length = len(pdu) == READ.size
    else:
        is_counted = 1 <= count <= MAX_WRITE_REGISTERS and len(pdu) > READ.size and pdu[READ.size] == 2 * count
        has_right_length = is_counted and len(pdu) == READ.size + 1 + 2 * count
    if not has_right_length:
        return ExceptionCode.ILLEGAL_DATA_VALUE
    if not accepted.issuperset(range(address, address + count)):
        return ExceptionCode.ILLEGAL_DATA_ADDRESS
    return pdu[: READ.size]


def _respond_diagnostics(pdu: bytes) -> bytes | ExceptionCode:
    """Return the request itself for sub-function 0 (V1.1b3, 6.8.1); the other sub-functions do not exist."""
    if len(pdu) < _SUB_FUNCTION.size:
        return ExceptionCode.ILLEGAL_DATA_VALUE
    _, sub_function = _SUB_FUNCTION.unpack_from(pdu)
    return ExceptionCode.ILLEGAL_FUNCTION if sub_function else pdu


def _respond_server_id(pdu: bytes, identification: Identification) -> bytes | ExceptionCode:
    """Return the product code and a run indicator (V1.1b3, 6.13)."""
    if len(pdu) != 1:
        return ExceptionCode.ILLEGAL_DATA_VALUE
    server_id = identification.objects()[1] + RUNNING
    return bytes((REPORT_SERVER_ID, len(server_id))) + server_id
