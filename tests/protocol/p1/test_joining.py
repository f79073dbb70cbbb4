"""Where a new reader of a running stream may begin: at a telegram's first byte, and never inside one."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.p1.joining import SILENCE_S, JoiningPoint
from tests.conftest import own_telegram

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


@settings(derandomize=True, max_examples=150, deadline=None)
@given(st.permutations(PLAIN), PLACES, st.integers(0, 40))
def test_a_reader_begins_at_the_next_telegram_however_the_bytes_are_grouped(
    telegrams: list[bytes], places: list[list[int]], joins: int
) -> None:
    pieces = as_pieces(telegrams, places)
    assert_begins_with_the_next_telegram(telegrams, pieces, joins % len(pieces))


@settings(derandomize=True, max_examples=150, deadline=None)
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
    assert point.find(b"\xdb\x01\x02", SILENCE_S / 2) is None
    assert point.find(b"\xdb\x01\x02", SILENCE_S / 2 + 1.1 * SILENCE_S) == 0


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
