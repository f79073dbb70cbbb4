"""A unit that serves a map, asked with whole Modbus/TCP requests, as a client does."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gateway.maps.load import load_map
from gateway.protocol.modbus.device_identification import Identification
from gateway.protocol.modbus.monitor import CountedClient, Monitor
from gateway.protocol.modbus.pdu import MAX_READ_REGISTERS
from gateway.protocol.modbus.responder import Responder, UnitTable
from gateway.protocol.modbus.tcp import respond_tcp
from gateway.protocol.modbus.unit import OnStale, Unit
from gateway.protocol.p1.country import interpret
from gateway.protocol.p1.readings import Readings, read
from gateway.protocol.p1.telegram import Telegram, TelegramReader
from gateway.protocol.p1.variants import detect
from tests.maps.decoder import Entry

IDENTIFICATION = Identification("Vendor", "CODE", "1.2", "https://example.org", "Product", "Model", "Application")
ARRIVED, ASKED, FRESH_UNTIL = 100.0, 101.0, 105.0
CLIENT = CountedClient("192.0.2.1:50000", 0.0)
STATUS = {"gateway_connected": 1}
CODES = {"u16": "H", "s16": "h", "u32": "I", "s32": "i", "u64": "Q", "s64": "q", "f32": "f", "f64": "d"}
"""Type of a number in the tests of clients, and its code of `struct`."""


@cache
def readings_in(stream: bytes, most: int | None = None) -> list[Readings]:
    """The readings of each telegram in `stream` that comes through whole, as a meter of its variant says them.

    Those after the first `most` are left out.
    """
    reader = TelegramReader()
    items = reader.feed(stream) + reader.silence()
    telegrams = [item for item in items if isinstance(item, Telegram)]
    return [_readings(telegram) for telegram in telegrams[:most]]


def _readings(telegram: Telegram) -> Readings:
    readings = read(telegram)
    version = readings.values.get("p1_version")
    variant = detect(readings.codes, version and str(version), b"*255(" in telegram.raw, readings.identification)
    return interpret(readings, variant, variant)


loaded_map = cache(load_map)
"""Map file → its registers; loading one takes longer than serving it a thousand times."""


class Server:
    """Serves one map on one unit id."""

    def __init__(self, path: Path, unit_id: int = 1, *, identifiers: bool = True) -> None:
        self.unit_id = unit_id
        register_map = loaded_map(path) if identifiers else loaded_map(path).without_identifiers
        self.unit = Unit(register_map, OnStale.EXCEPTION, lambda _now: STATUS)
        self._responder = Responder(UnitTable({unit_id: self.unit}), IDENTIFICATION, Monitor())
        self._transaction = 0

    def show(self, values: Mapping[str, Any]) -> None:
        """Take a telegram's readings, as the node for register maps does."""
        if not self.unit.register_map.lacking(values):
            self.unit.publish(self.unit.register_map.readings.encode(values), FRESH_UNTIL)

    def ask(self, pdu: bytes) -> bytes:
        """Return the PDU of the response."""
        self._transaction += 1
        request = struct.pack(">HHHB", self._transaction, 0, len(pdu) + 1, self.unit_id) + pdu
        answers, consumed, is_modbus = respond_tcp(request, self._responder, ASKED, CLIENT)
        assert (consumed, is_modbus) == (len(request), True)
        transaction, protocol, length, unit_id = struct.unpack_from(">HHHB", answers)
        assert (transaction, protocol, length, unit_id) == (self._transaction, 0, len(answers) - 6, self.unit_id)
        return answers[7:]

    def words(self, function: int, address: int, count: int) -> list[int]:
        """Return the registers of a read; fail on an exception."""
        answer = self.ask(struct.pack(">BHH", function, address, count))
        assert answer[:2] == bytes((function, 2 * count)), f"{function} {address} x {count}: {answer.hex()}"
        return list(struct.unpack(f">{count}H", answer[2:]))

    def registers(self, entry: Entry, function: int) -> dict[int, int]:
        """The words of a register, by address."""
        assert entry.length <= MAX_READ_REGISTERS
        return dict(zip(entry.addresses, self.words(function, entry.address, entry.length), strict=True))
