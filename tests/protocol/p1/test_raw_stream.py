"""A new reader joins at the first byte of a telegram, and encrypted telegrams are cut out of a stream complete."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.p1.raw_stream import (
    HEADER_BYTES,
    MAX_FRAME_BYTES,
    MAX_PAUSE_IN_FRAME_S,
    PAUSE_BETWEEN_TELEGRAMS_S,
    CipheredReader,
    JoiningPoint,
)
from tests.conftest import SHARED_TELEGRAMS, needs_shared_telegrams, own_telegram

GAP_S = 1.0
"""Between two telegrams."""
PLAIN = [
    own_telegram(name)
    for name in (
        "v50_sagemcom-t210d",
        "v22_iskra-mt382",
        "odd_slash-and-bang-in-text",
        "odd_lf-line-ends",
        "v42_landisgyr-zcf110",
    )
]


def ciphered(seed: int, size: int = 600) -> bytes:
    """What an encrypted telegram looks like: the tag, then bytes that may be anything."""
    return b"\xdb" + Random(seed).randbytes(size)


def joined(pieces: list[tuple[float, bytes]], from_piece: int) -> bytes | None:
    """What a reader gets that comes before the piece of that number; None where it never begins."""
    point, got = JoiningPoint(), None
    for number, (arrived, piece) in enumerate(pieces):
        start = point.find(piece, arrived)
        if got is not None:
            got += piece
        elif start is not None and number >= from_piece:
            got = piece[start:]
    return got


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces, none of them empty."""
    edges = sorted({0, len(data), *(place % len(data) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def as_pieces(telegrams: list[bytes], places: list[list[int]]) -> list[tuple[float, bytes]]:
    """The telegrams a second apart, each in its pieces."""
    return [
        (number * GAP_S, piece)
        for number, telegram in enumerate(telegrams)
        for piece in cut(telegram, places[number % len(places)])
    ]


PLACES = st.lists(st.lists(st.integers(0, 5000), max_size=12), min_size=1, max_size=4)


def assert_begins_with_the_next_telegram(telegrams: list[bytes], pieces: list[tuple[float, bytes]], joins: int) -> None:
    """A reader that comes at any moment gets everything from the next beginning on, and nothing before it."""
    before = sum(len(piece) for _, piece in pieces[:joins])
    starts = list(itertools.accumulate((len(t) for t in telegrams), initial=0))[:-1]
    stream = b"".join(telegrams)
    expected = next((stream[start:] for start in starts if start >= before), None)
    assert joined(pieces, joins) == expected


@settings(max_examples=150)
@given(st.permutations(PLAIN), PLACES, st.integers(0, 40))
def test_a_reader_begins_at_the_next_telegram_however_the_bytes_are_grouped(
    telegrams: list[bytes], places: list[list[int]], joins: int
) -> None:
    pieces = as_pieces(telegrams, places)
    assert_begins_with_the_next_telegram(telegrams, pieces, joins % len(pieces))


@settings(max_examples=150)
@given(st.lists(st.integers(0, 400), min_size=2, max_size=5), PLACES, st.integers(0, 40))
def test_a_reader_of_an_encrypted_stream_begins_at_the_next_tag(
    seeds: list[int], places: list[list[int]], joins: int
) -> None:
    telegrams = [ciphered(seed) for seed in seeds]
    pieces = as_pieces(telegrams, places)
    assert_begins_with_the_next_telegram(telegrams, pieces, joins % len(pieces))


@pytest.mark.parametrize("telegram", PLAIN, ids=lambda telegram: telegram[:8].decode())
def test_byte_by_byte_each_telegram_has_one_beginning(telegram: bytes) -> None:
    point = JoiningPoint()
    found = [point.find(bytes((byte,)), 0.001 * at) for at, byte in enumerate(3 * telegram)]
    assert [at for at, start in enumerate(found) if start is not None] == [0, len(telegram), 2 * len(telegram)]
    assert set(found) == {0, None}


def test_the_first_of_several_beginnings_in_one_piece_is_taken() -> None:
    tail, telegram = b"1-0:1.7.0(00.1*kW)\r\n!1234\r\n", PLAIN[0]
    assert JoiningPoint().find(tail + telegram + telegram, 0.0) == len(tail)


@pytest.mark.parametrize("tag", [b"\n/", b"\r/", b"\n\xdb"])
def test_inside_an_encrypted_telegram_nothing_is_a_beginning(tag: bytes) -> None:
    telegram = b"\xdb" + 100 * b"\x01" + tag + b"ISK5" + 100 * b"\x02"
    for size in (1, 50, 102, 103, 1000):
        pieces = [(0.0, telegram[at : at + size]) for at in range(0, len(telegram), size)]
        assert joined(pieces, 1) is None


def test_a_tag_byte_inside_a_telegram_is_no_beginning() -> None:
    point = JoiningPoint()
    point.find(b"/ISK5\r\n", 0.0)
    pause = PAUSE_BETWEEN_TELEGRAMS_S
    assert point.find(b"\xdb\x01\x02", pause / 2) is None
    assert point.find(b"\xdb\x01\x02", pause / 2 + 1.1 * pause) == 0


def test_a_meter_that_goes_from_encrypted_to_plain_is_followed() -> None:
    telegrams = [ciphered(1), PLAIN[0], ciphered(2), PLAIN[1]]
    pieces = as_pieces(telegrams, [[1, 2, 300]])
    for joins in range(len(pieces)):
        assert_begins_with_the_next_telegram(telegrams, pieces, joins)


@pytest.mark.parametrize("noise", [b"\0", b"\xff\xff", b"\xfe\0\x80"])
def test_noise_before_a_telegram_does_not_hide_its_beginning(noise: bytes) -> None:
    telegram = PLAIN[0]
    pieces = [(0.0, telegram), (1.0, noise + telegram), (2.0, noise), (2.1, telegram)]
    assert joined(pieces, 1) == telegram + noise + telegram
    assert joined(pieces, 2) == telegram


def test_a_telegram_after_one_without_a_line_end_is_found_behind_the_silence() -> None:
    telegram = PLAIN[0].rstrip()
    assert joined([(0.0, telegram), (1.0, telegram)], 1) == telegram


def test_a_slash_inside_a_line_is_no_beginning() -> None:
    point = JoiningPoint()
    point.find(b"/ISK5\r\n", 0.0)
    assert point.find(b"0-0:96.13.0(a", 0.01) is None
    assert point.find(b"/ISK5)\r\n", 0.02) is None
    assert point.find(b"0-0:96.1.1(/x)\r\n", 0.03) is None


# --- encrypted telegrams

TITLE = b"\xdb\x08SIM00001"


def frame(size: int = 500, filler: bytes = b"\xdb\x08!/\r\n") -> bytes:
    """A frame of the form that meters send; what its cipher text holds looks like everything else in a stream."""
    text = (filler * size)[: size - 17]
    content = b"\x30" + (7).to_bytes(4, "big") + text + bytes(12)
    assert len(content) == size
    return TITLE + b"\x82" + size.to_bytes(2, "big") + content


FRAME = frame()
TEXT_LINES = b"/KFM5KAIFA-METER\r\n\r\n1-3:0.2.8(42)\r\n!ABCD\r\n"


def whole(data: bytes) -> list[bytes]:
    return CipheredReader().feed(data, 0)


def byte_by_byte(data: bytes) -> list[bytes]:
    reader = CipheredReader()
    return [found for i in range(len(data)) for found in reader.feed(data[i : i + 1], 0)]


@pytest.mark.parametrize("feed", [whole, byte_by_byte])
def test_frames_come_out_as_they_went_in(feed: object) -> None:
    assert feed(FRAME) == [FRAME]  # type: ignore[operator]
    assert feed(FRAME + FRAME) == [FRAME, FRAME]  # type: ignore[operator]
    assert feed(b"\0\xff\xdb\x09" + FRAME + b"\r\n" + FRAME + b"\0") == [FRAME, FRAME]  # type: ignore[operator]
    assert feed(TEXT_LINES + FRAME + TEXT_LINES) == [FRAME]  # type: ignore[operator]
    assert feed(FRAME[200:] + FRAME) == [FRAME]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("length", "size"), [(b"\x7f", 127), (b"\x81\x80", 128), (b"\x82\x00\x80", 128), (b"\x82\x02\x00", 512)]
)
def test_every_form_of_the_length_is_known(length: bytes, size: int) -> None:
    data = TITLE + length + b"\x30" + bytes(size - 1)
    assert whole(data) == byte_by_byte(data) == [data]


def test_a_plain_telegram_is_none() -> None:
    assert whole(TEXT_LINES) == byte_by_byte(TEXT_LINES) == []


def test_a_length_beyond_all_bounds_holds_up_nothing() -> None:
    stray = TITLE + b"\x82\xff\xff\x30"
    assert whole(stray + FRAME) == byte_by_byte(stray + FRAME) == [FRAME]


def test_half_a_frame_before_a_silence_does_not_take_from_the_next() -> None:
    reader = CipheredReader()
    assert reader.feed(FRAME[:300], 0) == []
    assert reader.feed(FRAME, MAX_PAUSE_IN_FRAME_S + 0.1) == [FRAME]


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from([FRAME, frame(40), TITLE, b"\xdb", b"\x82\xff", TEXT_LINES, b"\x30" * 20]), max_size=8),
    st.data(),
)
def test_the_grouping_of_bytes_changes_nothing_and_memory_is_bounded(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    reader, found, position = CipheredReader(), [], 0
    while position < len(stream):
        step = data.draw(st.integers(1, 700))
        found += reader.feed(stream[position : position + step], 0)
        position += step
        assert len(reader._buffer) <= MAX_FRAME_BYTES + HEADER_BYTES
    assert found == whole(stream)


@needs_shared_telegrams
def test_a_frame_of_a_real_meter_is_one() -> None:
    raw = (SHARED_TELEGRAMS / "enc_austria-t210dr_esphome.bin").read_bytes()
    assert whole(raw) == byte_by_byte(raw) == [raw]


def test_a_frame_may_have_exactly_the_largest_size() -> None:
    head = b"\xdb\x08SIM00001\x82"
    for size, is_whole in ((MAX_FRAME_BYTES, True), (MAX_FRAME_BYTES + 1, False)):
        begin = head + (size - len(head) - 2).to_bytes(2, "big")
        frame = begin + b"\x30" + bytes(size - len(begin) - 1)
        assert CipheredReader().feed(frame, 0.0) == ([frame] if is_whole else [])


@pytest.mark.parametrize("size", [1, 2, 5, 11, 12])
def test_a_header_that_comes_in_pieces_is_found_although_its_title_contains_the_tag(size: int) -> None:
    frame = b"\xdb\x08A\xdb\x08\xdb\xdb\x08\xdb\xdb" + b"\x81\x90\x20" + bytes(0x8F)
    stream = b"noise" + frame + b"noise\xdb"
    reader = CipheredReader()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [found for piece in pieces for found in reader.feed(piece, 1.0)] == [frame]
