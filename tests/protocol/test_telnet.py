"""Telnet's stream is separated however it is cut, bounded whatever it holds, and no negotiation goes on for ever."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.telnet import (
    BINARY,
    DO,
    DONT,
    IAC,
    MAX_SUBNEGOTIATION_BYTES,
    SB,
    SE,
    WILL,
    WONT,
    Item,
    Negotiation,
    Options,
    Subnegotiation,
    TelnetStream,
    escape,
)
from tests.conftest import own_telegram

TELEGRAM = own_telegram("v50_sagemcom-t210d")
NOP, GO_AHEAD = 241, 249
ECHO = 1


def joined(items: list[Item]) -> list[Item]:
    """Join pieces of data that follow each other."""
    found: list[Item] = []
    for item in items:
        if isinstance(item, bytes) and found and isinstance(found[-1], bytes):
            found[-1] += item
        else:
            found.append(item)
    return found


def separated(stream: bytes, piece_bytes: int = 1) -> list[Item]:
    telnet = TelnetStream()
    pieces = [stream[at : at + piece_bytes] for at in range(0, len(stream), piece_bytes)]
    return joined([item for piece in pieces for item in telnet.feed(piece)])


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7, 10_000])
@pytest.mark.parametrize(
    ("stream", "items"),
    [
        (TELEGRAM, [TELEGRAM]),
        (b"a" + bytes([IAC, IAC]) + b"b", [b"a\xffb"]),
        (bytes([IAC, IAC]) * 3, [b"\xff\xff\xff"]),
        (b"a" + bytes([IAC, DO, BINARY]) + b"b", [b"a", Negotiation(DO, BINARY), b"b"]),
        (bytes([IAC, WILL, IAC]) + b"b", [Negotiation(WILL, IAC), b"b"]),
        (b"a" + bytes([IAC, NOP]) + b"b" + bytes([IAC, GO_AHEAD, IAC, SE]) + b"c", [b"abc"]),
        (bytes([IAC, SB, 44, 1, 0, IAC, IAC, 2, IAC, SE]) + b"b", [Subnegotiation(44, b"\1\0\xff\2"), b"b"]),
        (bytes([IAC, SB, IAC, SE]) + b"b", [b"b"]),
        (bytes([IAC, SB, 44, 1, IAC, DO, 3]) + b"b", [Negotiation(DO, 3), b"b"]),
        (bytes([IAC, SB, 44, 1, IAC, SB, 44, 2, IAC, SE]) + b"b", [Subnegotiation(44, b"\2"), b"b"]),
    ],
)
def test_data_and_commands_are_separated_however_the_stream_is_cut(
    stream: bytes, items: list[Item], piece_bytes: int
) -> None:
    assert separated(stream, piece_bytes) == items


@pytest.mark.parametrize("piece_bytes", [1, 64, 10_000])
def test_what_seems_to_be_a_subnegotiation_and_does_not_end_is_data(piece_bytes: int) -> None:
    assert separated(bytes([IAC, SB]) + TELEGRAM, piece_bytes) == [TELEGRAM]


@pytest.mark.parametrize("piece_bytes", [1, 10_000])
def test_the_longest_subnegotiation_is_one_and_a_longer_one_is_not(piece_bytes: int) -> None:
    longest = Subnegotiation(0, b"x" * (MAX_SUBNEGOTIATION_BYTES - 3))
    assert separated(bytes(longest) + b"b", piece_bytes) == [longest, b"b"]
    too_long = bytes([IAC, SB, 0]) + b"x" * MAX_SUBNEGOTIATION_BYTES + bytes([IAC, SE])
    assert separated(too_long + b"b", piece_bytes) == [b"\0" + b"x" * MAX_SUBNEGOTIATION_BYTES + b"b"]


@pytest.mark.parametrize("kinds", [range(256), (IAC, SB), (IAC, SB, IAC, IAC, 44), (IAC, SE, SB), (IAC, DO, WILL)])
def test_garbage_leaves_few_bytes_and_the_next_telegram_whole(kinds: range | tuple[int, ...]) -> None:
    random = Random(20)
    for _ in range(50):
        telnet = TelnetStream()
        for _ in range(20):
            telnet.feed(bytes(random.choices(kinds, k=random.randrange(1, 300))))
            assert len(telnet._unfinished) <= MAX_SUBNEGOTIATION_BYTES + 2
        # The first telegram may complete what the garbage began. The second is whole, whatever came before.
        received = [item for _ in range(2) for item in telnet.feed(TELEGRAM)]
        assert TELEGRAM in b"".join(item for item in received if isinstance(item, bytes))


@settings(max_examples=200)
@given(st.binary(max_size=600), st.integers(1, 50))
def test_pieces_give_the_same_as_the_whole(stream: bytes, piece_bytes: int) -> None:
    assert separated(stream, piece_bytes) == separated(stream, 10_000)


@pytest.mark.parametrize("content", [b"", b"\1", b"\xff\xf0", b"\xff" * 10])
@pytest.mark.parametrize("option", [BINARY, 44, IAC])
def test_a_subnegotiation_comes_back_as_it_was_sent(option: int, content: bytes) -> None:
    sent = Subnegotiation(option, content)
    assert separated(bytes(sent)) == [sent]


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_data_comes_back_as_it_was_sent(data: bytes) -> None:
    assert separated(escape(data)) == ([data] if data else [])


def negotiate(first: Options, second: Options, sent: bytes) -> int:
    """Pass what the ends send to each other; return the number of messages until both are silent."""
    count, waiting = 0, [(second, first, sent)]
    while waiting:
        taker, sender, data = waiting.pop()
        for item in TelnetStream().feed(data) if data else ():
            assert isinstance(item, Negotiation)
            count += 1
            assert count < 100, "the ends repeat themselves to each other"
            waiting.append((sender, taker, taker.take(item)))
    return count


def test_two_ends_agree_on_what_both_accept_and_are_silent_then() -> None:
    first, second = Options(ours=[0, 44], theirs=[0, 3]), Options(ours=[0, 3], theirs=[0, 44])
    assert negotiate(first, second, first.ask()) == 8
    assert negotiate(second, first, second.ask()) == 4
    assert first._on == {WILL: {0, 44}, DO: {0, 3}}


def test_an_option_that_only_one_end_knows_is_refused_once() -> None:
    first, second = Options(ours=[44], theirs=[]), Options(ours=[], theirs=[])
    assert negotiate(first, second, first.ask()) == 2
    assert first._on == {WILL: set(), DO: set()}


def test_a_request_is_confirmed_once_and_what_is_off_needs_no_response() -> None:
    options = Options(ours=[BINARY], theirs=[])
    assert options.take(Negotiation(DO, BINARY)) == bytes([IAC, WILL, BINARY])
    assert options.take(Negotiation(DO, BINARY)) == b""
    assert options.take(Negotiation(DONT, BINARY)) == bytes([IAC, WONT, BINARY])
    assert options.take(Negotiation(DONT, BINARY)) == b""
    assert options.take(Negotiation(WILL, ECHO)) == bytes([IAC, DONT, ECHO])
    assert options.take(Negotiation(WONT, ECHO)) == b""


def test_both_ends_may_ask_at_the_same_time() -> None:
    options = Options(ours=[BINARY], theirs=[])
    assert options.ask() == bytes([IAC, WILL, BINARY])
    assert options.take(Negotiation(DO, BINARY)) == b""
    assert options.take(Negotiation(DONT, BINARY)) == bytes([IAC, WONT, BINARY])
    assert options.take(Negotiation(DO, BINARY)) == bytes([IAC, WILL, BINARY]), "what was asked has been answered"
