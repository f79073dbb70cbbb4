"""Lines that are read while their telegram is still coming in say what they say when it is whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.readings import MAX_LINES, Reading, read, read_ahead
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import MAX_TELEGRAM_BYTES, Telegram, TelegramReader
from tests.conftest import OWN_TELEGRAMS, own_telegram

NAMES = sorted(path.stem for path in OWN_TELEGRAMS.glob("*.txt") if not path.stem.startswith("bad_"))


def in_pieces(data: bytes, size: int) -> tuple[Telegram, dict[bytes, Reading], list[bytes]]:
    """A telegram that came in pieces, what was read ahead of it, and the lines given for that."""
    reader, ahead, given, telegrams = TelegramReader(), {}, [], []
    for at in range(0, len(data), size):
        telegrams += reader.feed(data[at : at + size])
        given.append(reader.lines_ahead())
        read_ahead(given[-1], None, ahead)
    telegrams += reader.silence()
    (telegram,) = telegrams
    assert isinstance(telegram, Telegram)
    return telegram, ahead, given


@pytest.mark.parametrize("size", [1, 7, 64, 500])
@pytest.mark.parametrize("name", NAMES)
def test_readings_are_the_same(name: str, size: int) -> None:
    telegram, ahead, given = in_pieces(own_telegram(name), size)
    readings = read(telegram, None, ahead)
    assert readings == read(telegram)
    assert readings.by_line == read(telegram).by_line
    # Each byte is given once, in order.
    assert telegram.raw.startswith(b"".join(given))


def test_all_but_the_last_line_is_read_before_the_last_byte() -> None:
    data = own_telegram("v50_sagemcom-t210d")
    reader = TelegramReader()
    assert reader.feed(data[:-8]) == []
    ahead: dict[bytes, Reading] = {}
    read_ahead(reader.lines_ahead(), None, ahead)
    (telegram,) = reader.feed(data[-8:])
    assert isinstance(telegram, Telegram)
    assert len(set(read(telegram).by_line) - set(ahead)) <= 2


def test_what_came_before_a_telegram_was_refused_is_forgotten() -> None:
    meter = MeterState("meter", None, needs_two=False)
    reader = TelegramReader()
    bad = own_telegram("bad_checksum")
    assert reader.feed(bad[:-8]) == []
    meter.read_ahead(reader.lines_ahead())
    assert meter._ahead
    (refused,) = reader.feed(bad[-8:])
    meter.take(refused, 0, 0)
    assert not meter._ahead
    (good,) = reader.feed(own_telegram("v50_sagemcom-t210d"))
    assert isinstance(meter.take(good, 1, 1), Received)


def test_nothing_is_given_outside_a_telegram_and_memory_is_bounded() -> None:
    reader, ahead = TelegramReader(), {}
    reader.feed(b"1-0:1.7.0(00.100*kW)\r\n" * 10)
    assert reader.lines_ahead() == b""
    for number in range(2 * MAX_LINES):
        read_ahead(b"1-0:1.7.0(%06d*kW)\r\n" % number, None, ahead)
    assert len(ahead) == MAX_LINES


PARTS = st.sampled_from(
    [
        b"/KFM5METER\r\n\r\n",
        b"1-0:1.7.0(00.100*kW)\r\n",
        b"(1)\r\n",
        b"\n",
        b"\r",
        b"(",
        b"!",
        b"!0000\r\n",
        b"/",
        b"\0\xff",
    ]
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(PARTS, max_size=30), st.integers(1, 40))
def test_whatever_comes_what_is_given_belongs_to_the_telegram_that_is_open(parts: list[bytes], size: int) -> None:
    stream, reader, given = b"".join(parts), TelegramReader(), b""
    for at in range(0, len(stream), size):
        if reader.feed(stream[at : at + size]) or not reader.pending:
            given = b""
        given += reader.lines_ahead()
        assert bytes(reader._buffer).startswith(given)
        assert len(given) <= MAX_TELEGRAM_BYTES
