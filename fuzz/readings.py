"""Fuzzes the readings of telegrams: `python -m fuzz.readings [OPTION...] fuzz/corpus/readings`."""

from __future__ import annotations

import re
from decimal import Decimal

from fuzz.framing import sealed
from fuzz.harness import Source, fuzz, pieces
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.obis_line import LINE
from gateway.protocol.p1.reading import Reading
from gateway.protocol.p1.readings import Readings, read_ahead, read_body
from gateway.protocol.p1.redaction import redact
from gateway.protocol.p1.telegram import TelegramReader
from gateway.protocol.p1.variants import VARIANTS

SEPARATOR = b"\x1e"
"""Byte between two telegrams of an input."""
MAX_TELEGRAMS = 4
FACTORS = {"kWh": 1000, "kW": 1000, "kvarh": 1000, "kvar": 1000, "MWh": 10**6, "W": 1, "Wh": 1, "V": 1, "A": 1}
"""Unit on the line → number of base units."""
_QUANTITY = re.compile(r"\((-?[0-9]{1,18}(?:\.[0-9]{1,12})?)\*([A-Za-z]+)\)")


def check(data: bytes) -> None:
    """Check that a telegram has the readings of its own lines, whatever came before it, in any pieces.

    No line is dropped, none raises, and a quantity is the number on its line in base units.
    """
    source = Source(data)
    size, variant = 1 + source.number(255), source.pick((None, *VARIANTS.values()))
    telegrams = [sealed(each) for each in source.rest().split(SEPARATOR)[:MAX_TELEGRAMS]]
    before: Readings | None = None
    for telegram in telegrams:
        before = check_body(telegram.rpartition(b"!")[0] or telegram, before, size)
        check_redaction(telegram)
    whole, cut = (MeterState("meter", variant, needs_two=variant is None) for _ in range(2))
    for meter, length in ((whole, 1 << 16), (cut, size)):
        for number, telegram in enumerate(telegrams):
            receive(meter, telegram, length, float(number))
    assert (whole.newest, whole.served, whole.refused) == (cut.newest, cut.served, cut.refused)


def check_body(body: bytes, before: Readings | None, size: int) -> Readings:
    """Return the readings of a body, which are the same by each way of reading it."""
    alone, ahead = read_body(body), dict[bytes, Reading]()
    for piece in pieces(body, size):
        read_ahead(piece, before, ahead)
    ahead = {line: reading for line, reading in ahead.items() if line in alone.by_line}
    for readings in (read_body(body, before), read_body(body, before, ahead)):
        assert readings == alone
        assert (readings.basis, readings.by_line) == (alone.basis, alone.by_line)
        assert list(readings.values) == list(alone.values)
    lines = LINE.findall(body)[1:]
    assert len(alone.lines) == min(len(lines), 399)
    assert len(alone.errors) >= sum(reading.error is not None for reading in alone.lines)
    for reading in alone.lines:
        check_quantity(reading)
    return alone


def check_quantity(reading: Reading) -> None:
    """Check the number of a line that has nothing but a number and a unit."""
    match = _QUANTITY.fullmatch(reading.text)
    if match and reading.base_unit and reading.error is None and match[2] in FACTORS:
        assert reading.base_value == Decimal(match[1]) * FACTORS[match[2]]


def check_redaction(telegram: bytes) -> None:
    """Check that a redacted telegram keeps its length, and that there is nothing left to redact."""
    redacted = redact(telegram)
    assert len(redacted) == len(telegram)
    assert redact(redacted) == redacted


def receive(meter: MeterState, stream: bytes, size: int, arrived: float) -> None:
    """Pass a stream to a meter in pieces, as the parser does."""
    reader = TelegramReader()
    items = []
    for piece in pieces(stream, size):
        items += reader.feed(piece)
        meter.read_ahead(reader.lines_ahead())
        meter.read_body_ahead(reader.body_ahead())
        while items:
            meter.take(items.pop(0), arrived, arrived)
    for item in reader.silence():
        meter.take(item, arrived, arrived)


if __name__ == "__main__":
    fuzz(__file__)
