"""Framing: the limits of size, time and memory, and what any bytes at all come to."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.crc16 import crc16
from gateway.protocol.p1 import telegram as module
from gateway.protocol.p1.checksums import ARC
from gateway.protocol.p1.telegram import (
    MAX_END_LINE_BYTES,
    MAX_TELEGRAM_BYTES,
    RefusalReason,
    Telegram,
    TelegramReader,
)
from tests.conftest import own_telegram
from tests.protocol.p1.stream import faults, feed, good, in_pieces, telegram_of, ways
from tests.telegrams import make

GOOD = own_telegram("v50_sagemcom-t210d")
OLD = own_telegram("v22_iskra-mt382")
MAX_HELD_BYTES = MAX_TELEGRAM_BYTES + MAX_END_LINE_BYTES


def held(reader: TelegramReader) -> int:
    return len(reader._buffer)


def _of_size(size: int) -> bytes:
    """A telegram whose end mark stands at offset `size`."""
    raw = telegram_of("0-0:96.13.0()")
    room = size - raw.rindex(b"!")
    raw = telegram_of(f"0-0:96.13.0({'3' * room})")
    assert raw.rindex(b"!") == size
    return raw


def test_a_telegram_of_the_greatest_size_is_taken() -> None:
    raw = _of_size(MAX_TELEGRAM_BYTES)
    for way, items in ways(raw).items():
        assert good(items) == [raw], way


def test_a_telegram_one_byte_longer_is_refused() -> None:
    raw = _of_size(MAX_TELEGRAM_BYTES + 1)
    for way, items in ways(raw).items():
        assert faults(items) == [RefusalReason.OVERSIZE], way
        assert not good(items), way
    assert good(feed([raw + GOOD])) == [GOOD]


def test_the_longest_text_message_of_the_standard_is_far_from_the_limit() -> None:
    assert 2 * len(own_telegram("odd_text-2048-digits")) < MAX_TELEGRAM_BYTES


STREAMS = {
    "no end mark": GOOD[: GOOD.rindex(b"!")] * 80,
    "one endless line": b"/ISK5" + b"1" * 65_000,
    "slashes": b"/" * 65_000,
    "line starts with slashes": b"\n/" * 30_000,
    "identifications": b"/ISK5" * 13_000,
    "end marks": b"/x\n" + b"!" * 65_000,
    "ends of lines": b"/x" + b"\r\n" * 32_000,
    "carriage returns": b"/x\r!\r" * 13_000,
    "noise": bytes(range(256)) * 250,
    "NUL": b"\0" * 65_000,
    "telegrams": GOOD * 80,
}


@pytest.mark.parametrize("size", [1, 61, 4096, 10**6])
@pytest.mark.parametrize("stream", STREAMS)
def test_no_stream_is_held_beyond_one_telegram_of_the_greatest_size(stream: str, size: int) -> None:
    reader = TelegramReader()
    most = 0
    for piece in in_pieces(STREAMS[stream], size):
        reader.feed(piece)
        most = max(most, held(reader))
    assert most <= MAX_HELD_BYTES


class _Counting:
    """A pattern that counts the bytes it may look at."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self._pattern = pattern
        self.looked_at = 0

    def search(self, data: bytearray, start: int = 0, end: int = 10**9) -> re.Match[bytes] | None:
        match = self._pattern.search(data, start, end)
        # A search looks no further than the end of what it found.
        self.looked_at += (match.end() if match else min(len(data), end)) - start
        return match


@pytest.mark.parametrize("size", [1, 61, 4096, 10**6])
@pytest.mark.parametrize("stream", STREAMS)
def test_each_byte_is_searched_and_summed_a_fixed_number_of_times(
    stream: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = STREAMS[stream]
    start, mark = _Counting(module._START), _Counting(module._MARK)
    summed = 0

    def counting_crc16(part: bytes | bytearray, crc: int) -> int:
        nonlocal summed
        summed += len(part)
        return crc16(part, crc)

    monkeypatch.setattr(module, "_START", start)
    monkeypatch.setattr(module, "_MARK", mark)
    reader = TelegramReader()
    reader.checksum = ARC._replace(update=counting_crc16)
    pieces = list(in_pieces(data, size))
    items = [item for piece in pieces for item in reader.feed(piece)]
    assert summed <= len(data)
    # Once per piece and per item the reader looks again at the few bytes that may turn out to begin something.
    again = len(pieces) + len(items)
    assert start.looked_at <= len(data) + 5 * again
    assert mark.looked_at <= len(data) + 2 * again


# --- any bytes at all

_FRAGMENTS = st.one_of(
    st.sampled_from(
        [b"/", b"!", b"\r\n", b"\r", b"\n", b"\0", b"\xff", b"/ISK5", b"\n/", b"\r\n!", b"!1234\r\n", b"!\r", b"(/!)"]
    ),
    st.sampled_from([GOOD, OLD, GOOD[:300], GOOD[300:], GOOD[:-2], GOOD[:-7], OLD[:-3]]),
    st.binary(max_size=12),
)
STREAM = st.lists(_FRAGMENTS, max_size=14).map(b"".join)


@given(STREAM, st.lists(st.integers(0, 6000), max_size=12))
@settings(max_examples=400)
def test_any_bytes_in_any_grouping_give_what_the_whole_gives(stream: bytes, cuts: list[int]) -> None:
    borders = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    whole = feed([stream])
    assert feed(stream[a:b] for a, b in pairwise(borders)) == whole
    assert feed(in_pieces(stream, 1)) == whole


@given(STREAM)
@settings(max_examples=300)
def test_what_comes_out_of_any_bytes_is_a_part_of_them_and_is_what_it_says(stream: bytes) -> None:
    position = 0
    for item in feed([stream]):
        at = stream.find(item.raw, position)
        assert at >= 0
        assert item.raw.startswith(b"/")
        position = at + len(item.raw)
        if isinstance(item, Telegram):
            assert item.raw[item.end : item.end + 1] == b"!"
            assert item.raw[item.end - 1 : item.end] in (b"\r", b"\n")
            sent = item.raw[item.end + 1 :].strip(b"\r\n\0 ")
            assert item.checked == bool(sent)
            assert not sent or int(sent, 16) == make.crc16(item.raw[: item.end + 1])


@given(STREAM)
@settings(max_examples=300)
def test_after_any_bytes_a_line_end_is_enough_for_the_next_telegram_to_be_whole(stream: bytes) -> None:
    assert good(feed([stream + b"\r\n" + GOOD]))[-1:] == [GOOD]


@given(st.lists(st.tuples(STREAM, st.booleans()), max_size=5))
@settings(max_examples=150)
def test_any_bytes_and_silences_leave_a_reader_that_works(pieces: list[tuple[bytes, bool]]) -> None:
    reader = TelegramReader()
    for piece, silent in pieces:
        reader.feed(piece)
        assert held(reader) <= MAX_HELD_BYTES
        if silent:
            reader.silence()
            assert not reader.pending
    reader.silence()
    assert good(reader.feed(GOOD)) == [GOOD]
