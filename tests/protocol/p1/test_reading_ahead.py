"""Lines that are read while their telegram is still coming in say what they say when it is whole."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.crc16 import crc16
from gateway.protocol.p1.meter import MAX_DRAFTS, MeterState
from gateway.protocol.p1.reading import Reading
from gateway.protocol.p1.readings import MAX_LINES_AHEAD, read, read_ahead, read_body
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
        assert not given[-1] or given[-1].endswith(b"\n"), "only whole lines are given"
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


def test_a_line_that_was_read_ahead_has_its_reading_and_one_of_the_telegram_before_is_not_read_again() -> None:
    lines = b"1-0:1.7.0(00.500*kW)\r\n1-0:2.7.0(00.000*kW)\r\n"
    ahead: dict[bytes, Reading] = {}
    read_ahead(lines, None, ahead)
    assert ahead == read_body(b"/X\r\n" + lines).by_line
    assert [reading.base_value for reading in ahead.values()] == [500, 0]
    before = read_body(b"/X\r\n1-0:1.7.0(00.500*kW)\r\n")
    others: dict[bytes, Reading] = {}
    read_ahead(lines, before, others)
    assert others == ahead
    assert others[b"1-0:1.7.0(00.500*kW)"] is before.lines[0]


def test_a_line_is_complete_when_it_ends_with_its_value() -> None:
    assert TelegramReader().body_ahead() == b""
    for end, is_complete in ((b"\r\n", True), (b"", True), (b" \r\n", False), (b"\t", False), (b"(\r\n", False)):
        reader = TelegramReader()
        reader.feed(b"/ISK5\r\n\r\n1-0:1.7.0(00.500*kW)" + end)
        assert bool(reader.body_ahead()) is is_complete, end


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
    for number in range(2 * MAX_LINES_AHEAD):
        read_ahead(b"1-0:1.7.0(%06d*kW)\r\n" % number, None, ahead)
    assert len(ahead) == MAX_LINES_AHEAD


@pytest.mark.parametrize("last_bytes", [1, 3, 6, 8, 9])
@pytest.mark.parametrize("name", NAMES)
def test_a_telegram_is_read_before_its_end_line_and_means_the_same(name: str, last_bytes: int) -> None:
    first = own_telegram(name)
    meter, other = (MeterState("meter", None, needs_two=False) for _ in range(2))
    for each in (meter, other):
        for item in TelegramReader().feed(first):
            each.take(item, 0, 0)
    reader = TelegramReader()
    if reader.feed(first[:-last_bytes]) or meter.newest is None:
        return  # without an end line, or not accepted
    meter.read_body_ahead(reader.body_ahead())
    assert (meter._draft is not None) == bool(reader.body_ahead())
    (whole,) = reader.feed(first[-last_bytes:])
    for at in (1, 2):
        received, expected = meter.take(whole, at, at), other.take(whole, at, at)
        assert received == expected


def test_a_telegram_is_not_read_ahead_before_its_last_line() -> None:
    data = own_telegram("v50_sagemcom-t210d")
    meter, reader = MeterState("meter", None), TelegramReader()
    (whole,) = reader.feed(data)
    meter.take(whole, 0, 0)
    drafts = []
    for byte in data:
        reader.feed(bytes([byte]))
        draft = meter.read_body_ahead(reader.body_ahead())
        drafts += [draft] if draft else []
    # The last line has two value groups, and might end after the first.
    assert len(drafts) == 2
    assert drafts[-1].values == meter.newest.readings.values if meter.newest else False


def test_a_telegram_is_read_ahead_a_few_times_however_many_value_groups_follow() -> None:
    data = own_telegram("v50_sagemcom-t210d")
    meter, reader = MeterState("meter", None), TelegramReader()
    (whole,) = reader.feed(data)
    for _ in range(2):
        meter.take(whole, 0, 0)
        drafts = 0
        for byte in data[:-8] + b"(1)" * 500:
            reader.feed(bytes([byte]))
            drafts += meter.read_body_ahead(reader.body_ahead()) is not None
        assert drafts == MAX_DRAFTS
        reader.reset()


def test_what_was_read_ahead_is_not_used_for_another_telegram() -> None:
    data = own_telegram("v50_sagemcom-t210d")
    meter, reader = MeterState("meter", None), TelegramReader()
    (whole,) = reader.feed(data)
    meter.take(whole, 0, 0)
    reader.feed(data[:-8])
    assert meter.read_body_ahead(reader.body_ahead())
    reader.reset()
    other = with_value(data, b"1-0:1.7.0", b"09.876")
    (item,) = reader.feed(other)
    received = meter.take(item, 1, 1)
    assert isinstance(received, Received)
    assert received.readings.values["power_import"] == 9876


def with_value(data: bytes, code: bytes, number: bytes) -> bytes:
    """A telegram with another number in a line, and a valid checksum."""
    start = data.index(code + b"(") + len(code) + 1
    body = data[:start] + number + data[data.index(b"*", start) : data.rindex(b"!") + 1]
    return body + b"%04X\r\n" % crc16(body)


CHANGES = st.sampled_from(
    [
        (rb"\(0*([1-9])", rb"(\g<1>9"),  # another number
        (rb"\(([0-9])", rb"(-\1"),  # a sign
        (rb"\*kWh\)", rb"*Wh)"),  # another unit
        (rb"\([0-9.]+\*kW\)", rb"()"),  # no value
        (rb"\(([0-9]{12})[SW]\)", rb"(\1X)"),  # no time
        (rb"1-0:1\.7\.0", rb"1-0:16.7.0"),  # net power
        (rb"1-0:2\.7\.0", rb"1-1:2.7.0"),  # channel 1
        (rb"\r\n(1-0:[^\r]*)\r\n", rb"\r\n\1\r\n\1\r\n"),  # a line twice
        (rb"\r\n0-[^\r]*\r\n", rb"\r\n"),  # a line less
        (rb"\r\n(1-0:[^\r]*)\)\r\n", rb"\r\n\1\r\n"),  # a broken line
        (rb"\A/...", rb"/XYZ"),  # another meter
    ]
)


@settings(max_examples=150)
@given(st.sampled_from(NAMES), st.lists(st.tuples(CHANGES, st.integers(0, 6)), max_size=4))
def test_readings_do_not_depend_on_those_of_the_telegram_before(
    name: str, changes: list[tuple[tuple[bytes, bytes], int]]
) -> None:
    body = own_telegram(name).rpartition(b"!")[0]
    before = read_body(body)
    for (pattern, replacement), position in changes:
        places = list(re.finditer(pattern, body))
        if not places:
            continue
        place = places[position % len(places)]
        body = body[: place.start()] + place.expand(replacement) + body[place.end() :]
        readings, alone = read_body(body, before), read_body(body)
        assert readings == alone
        assert readings.basis == alone.basis
        assert readings.by_line == alone.by_line
        assert list(readings.values) == list(alone.values)
        before = readings


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


@settings(max_examples=200)
@given(st.lists(PARTS, max_size=30), st.integers(1, 40))
def test_whatever_comes_what_is_given_belongs_to_the_telegram_that_is_open(parts: list[bytes], size: int) -> None:
    stream, reader, given = b"".join(parts), TelegramReader(), b""
    for at in range(0, len(stream), size):
        if reader.feed(stream[at : at + size]) or not reader.pending:
            given = b""
        given += reader.lines_ahead()
        assert bytes(reader._buffer).startswith(given)
        assert len(given) <= MAX_TELEGRAM_BYTES
