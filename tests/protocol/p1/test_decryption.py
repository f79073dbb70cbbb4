"""Encrypted telegrams are decrypted whole or not at all, however the bytes come and whatever comes between them."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from dsmr_parser import telegram_specifications
from dsmr_parser.parsers import TelegramParser
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.nodes.decryption import AesGcm
from gateway.protocol.p1.decryption import FAILURES_OF_WRONG_KEY, MAX_BEGUN, MAX_TITLES, DecryptingReader, Fault
from gateway.protocol.p1.raw_stream import HEADER_BYTES, MAX_FRAME_BYTES, MAX_PAUSE_IN_FRAME_S
from tests.ciphering import (
    AUSTRIA,
    AUTHENTICATION_KEY,
    KEY,
    LUXEMBOURG,
    OTHER_KEY,
    TITLE,
    encrypted,
    telegram_at,
)
from tests.conftest import SHARED_TELEGRAMS, needs_shared_telegrams
from tests.protocol.p1.stream import resealed

STRAY = b"\xdb\x08" + TITLE + b"\x82\xff\xff\x30"
"""A header that announces more bytes than any frame has."""
STRAY_OF_8000 = b"\xdb\x08" + TITLE + b"\x82\x1f\x40\x30"
WITH_KEYS = pytest.mark.parametrize("authentication_key", [AUTHENTICATION_KEY, None], ids=["verified", "by checksum"])

Items = list[bytes | Fault]


def reader(authentication_key: bytes | None = None, key: bytes = KEY) -> DecryptingReader:
    return DecryptingReader(AesGcm(key, authentication_key))


def in_pieces(decrypting: DecryptingReader, data: bytes, size: int, arrived: float = 0.0) -> Items:
    return [item for at in range(0, len(data), size) for item in decrypting.feed(data[at : at + size], arrived)]


def telegrams_in(items: Items) -> list[bytes]:
    return [item for item in items if not isinstance(item, Fault)]


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


# --- what a meter sends


@WITH_KEYS
@pytest.mark.parametrize("telegram", [LUXEMBOURG, AUSTRIA], ids=["Luxembourg", "Austria"])
@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_telegrams_come_out_as_the_meter_wrote_them(
    authentication_key: bytes | None, telegram: bytes, size: int
) -> None:
    stream = b"".join(encrypted(telegram, counter) for counter in range(1, 31))
    assert in_pieces(reader(authentication_key), stream, size) == 30 * [telegram]


@needs_shared_telegrams
def test_the_frame_of_a_real_meter_is_decrypted_with_its_public_keys() -> None:
    raw = (SHARED_TELEGRAMS / "enc_austria-t210dr_esphome.bin").read_bytes()
    (text,) = DecryptingReader(AesGcm(16 * b"\xaa", AUTHENTICATION_KEY)).feed(raw, 0.0)
    assert not isinstance(text, Fault)
    assert text.startswith(b"/")
    assert DecryptingReader(AesGcm(16 * b"\xaa", None)).feed(raw, 0.0) == [text]


@pytest.mark.parametrize("authentication_key", [AUTHENTICATION_KEY.hex(), None])
@pytest.mark.parametrize(
    ("telegram", "specification"),
    [(LUXEMBOURG, telegram_specifications.MSN), (AUSTRIA, telegram_specifications.SAGEMCOM_T210_D_R)],
    ids=["Luxembourg", "Austria"],
)
def test_dsmr_parser_reads_the_same_from_the_frame_as_from_the_telegram(
    telegram: bytes, specification: dict[str, object], authentication_key: str | None
) -> None:
    frame = encrypted(telegram)
    plain = TelegramParser({**specification, "general_global_cipher": False}).parse(telegram.decode("ascii"))
    peer = TelegramParser(specification).parse(frame.hex(), KEY.hex(), authentication_key)
    assert str(peer) == str(plain) != ""
    assert reader(authentication_key and bytes.fromhex(authentication_key)).feed(frame, 0.0) == [telegram]


def test_a_frame_without_tag_needs_no_authentication_key_and_fails_with_one() -> None:
    frame = encrypted(LUXEMBOURG, has_tag=False)
    assert reader().feed(frame, 0.0) == [LUXEMBOURG]
    assert reader(AUTHENTICATION_KEY).feed(frame, 0.0) == [Fault.NO_TAG]


# --- keys


@WITH_KEYS
def test_a_wrong_key_is_named_at_the_first_telegram(authentication_key: bytes | None) -> None:
    assert reader(authentication_key, OTHER_KEY).feed(encrypted(LUXEMBOURG), 0.0) == [Fault.WRONG_KEY]


def test_a_wrong_authentication_key_is_named_and_nothing_passes() -> None:
    assert reader(OTHER_KEY).feed(encrypted(LUXEMBOURG), 0.0) == [Fault.WRONG_AUTHENTICATION_KEY]


@WITH_KEYS
def test_a_key_that_worked_counts_as_wrong_after_some_failures_in_a_row(authentication_key: bytes | None) -> None:
    decrypting = reader(authentication_key)
    stream = [encrypted(LUXEMBOURG), *(encrypted(LUXEMBOURG, 2 + n, key=OTHER_KEY) for n in range(4))]
    found = [item for frame in stream for item in decrypting.feed(frame, 0.0)]
    assert found == [LUXEMBOURG, *(FAILURES_OF_WRONG_KEY - 1) * [Fault.DAMAGED], Fault.WRONG_KEY, Fault.WRONG_KEY]


def test_a_telegram_that_the_key_opens_and_its_checksum_does_not_fit_is_damaged() -> None:
    decrypting = reader()
    damaged = LUXEMBOURG.replace(b"kWh", b"kVh", 1)
    found = [decrypting.feed(encrypted(damaged, 1 + n), 0.0) for n in range(FAILURES_OF_WRONG_KEY + 2)]
    assert found == [[Fault.DAMAGED]] * (FAILURES_OF_WRONG_KEY + 2), "however many there are, the key is not wrong"


def test_an_exclamation_mark_in_a_text_does_not_end_an_encrypted_telegram() -> None:
    end = LUXEMBOURG.rindex(b"!")
    telegram = resealed(LUXEMBOURG[:end] + b"0-0:96.13.0(!1234)\r\n" + LUXEMBOURG[end:])
    assert reader().feed(encrypted(telegram), 0.0) == [telegram]


# --- counters


def test_a_copy_and_an_old_telegram_are_not_passed_on_and_the_next_new_one_is() -> None:
    decrypting = reader()
    frames = [encrypted(telegram_at(n), n) for n in range(5)]
    found = [item for n in (2, 2, 1, 3, 0, 4) for item in decrypting.feed(frames[n], 0.0)]
    fell = Fault.COUNTER_FELL
    assert found == [telegram_at(2), Fault.REPEATED, fell, telegram_at(3), fell, telegram_at(4)]


def test_a_replay_after_a_reconnection_is_not_passed_on() -> None:
    decrypting = reader()
    assert decrypting.feed(encrypted(LUXEMBOURG, 9), 0.0) == [LUXEMBOURG]
    decrypting.reset()
    assert decrypting.feed(encrypted(LUXEMBOURG, 8), 10.0) == [Fault.COUNTER_FELL]


def test_a_forged_counter_does_not_keep_the_meter_out() -> None:
    decrypting = reader(AUTHENTICATION_KEY)
    frame = encrypted(LUXEMBOURG, 5)
    forged = frame[:14] + b"\xff\xff\xff\xff" + frame[18:]
    assert telegrams_in([*decrypting.feed(forged, 0.0), *decrypting.feed(frame, 0.0)]) == [LUXEMBOURG]


def test_another_meter_begins_with_a_counter_of_its_own_and_few_are_kept() -> None:
    decrypting = reader()
    for number in range(3 * MAX_TITLES):
        frame = encrypted(LUXEMBOURG, 100 - number, title=b"METER%03d" % number)
        assert decrypting.feed(frame, 0.0) == [LUXEMBOURG]
    assert len(decrypting.counters) == MAX_TITLES


# --- what does not belong there


@WITH_KEYS
@pytest.mark.parametrize("stray", [STRAY, STRAY_OF_8000, STRAY_OF_8000[:5], 3 * STRAY_OF_8000, b"\xdb\xdb\x08\0/\n!"])
@pytest.mark.parametrize("size", [1, 100, 100_000])
def test_a_stray_header_costs_no_telegram(authentication_key: bytes | None, stray: bytes, size: int) -> None:
    stream = b"".join(stray + encrypted(telegram_at(n), 1 + n) for n in range(5))
    found = in_pieces(reader(authentication_key), stream, size)
    assert telegrams_in(found) == [telegram_at(n) for n in range(5)]


@WITH_KEYS
@pytest.mark.parametrize("length", range(18))
def test_a_header_that_announces_less_than_a_frame_is_a_stray_one(
    authentication_key: bytes | None, length: int
) -> None:
    decrypting = reader(authentication_key)
    stray = b"\xdb\x08" + TITLE + b"\x82" + length.to_bytes(2, "big") + b"\x30" + bytes(20)
    found = decrypting.feed(stray, 0.0) + decrypting.feed(encrypted(LUXEMBOURG), 0.0)
    assert telegrams_in(found) == [LUXEMBOURG]


@WITH_KEYS
@pytest.mark.parametrize("kept", [1, 13, 14, 100, -1])
@pytest.mark.parametrize("size", [1, 100_000])
def test_after_a_truncated_frame_the_next_telegram_is_read(
    authentication_key: bytes | None, kept: int, size: int
) -> None:
    stream = encrypted(telegram_at(1), 1)[:kept] + encrypted(telegram_at(2), 2) + encrypted(telegram_at(3), 3)
    found = in_pieces(reader(authentication_key), stream, size)
    assert telegrams_in(found)[-2:] == [telegram_at(2), telegram_at(3)]
    # Fewer bytes than a header has show nothing.
    is_seen = kept in (14, 100) or (kept == -1 and authentication_key is not None)
    assert any(isinstance(item, Fault) for item in found) == is_seen


def test_a_frame_that_is_not_continued_is_reported_as_cut_off() -> None:
    decrypting = reader()
    assert decrypting.feed(encrypted(telegram_at(1), 1)[:200], 0.0) == []
    next_one = encrypted(telegram_at(2), 2)
    assert decrypting.feed(next_one, MAX_PAUSE_IN_FRAME_S + 0.1) == [Fault.TRUNCATED, telegram_at(2)]


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_telegram_in_clear_text_is_reported_and_not_passed_on(size: int) -> None:
    assert in_pieces(reader(), LUXEMBOURG + LUXEMBOURG[:50], size) == [Fault.NOT_ENCRYPTED]


# --- any bytes

PARTS = st.one_of(
    st.integers(0, 59).map(lambda second: encrypted(telegram_at(second), 1 + second)),
    st.integers(0, 59).map(lambda second: encrypted(telegram_at(second), 1 + second)[:300]),
    st.integers(0, 59).map(lambda second: encrypted(telegram_at(second), 1 + second, key=OTHER_KEY)),
    st.sampled_from([STRAY, STRAY_OF_8000, b"\xdb\x08", LUXEMBOURG, b"\0\xff\r\n"]),
    st.binary(max_size=40),
)


@settings(max_examples=150)
@given(st.lists(PARTS, max_size=8), st.lists(st.integers(1, 900), min_size=1, max_size=20), st.booleans())
def test_whatever_comes_only_telegrams_of_the_meter_pass_in_their_order(
    parts: list[bytes], sizes: list[int], is_verified: bool
) -> None:
    stream, position, found = b"".join(parts), 0, []
    decrypting = reader(AUTHENTICATION_KEY if is_verified else None)
    for size in itertools.cycle(sizes):
        if position >= len(stream):
            break
        found += decrypting.feed(stream[position : position + size], 0.0)
        position += size
        assert len(decrypting._buffer) <= MAX_FRAME_BYTES + HEADER_BYTES
        assert len(decrypting._begun) <= MAX_BEGUN
    seconds = [next(n for n in range(60) if telegram_at(n) == text) for text in telegrams_in(found)]
    assert seconds == sorted(set(seconds))
    # The meter's next telegram is read, whatever was before it.
    assert decrypting.feed(encrypted(telegram_at(0), 1000), 0.0)[-1] == telegram_at(0)


@WITH_KEYS
@pytest.mark.parametrize("size", [1, 13, 256, 100_000])
def test_headers_behind_a_frame_do_not_hide_it(size: int, authentication_key: bytes | None) -> None:
    begun = b"\xdb\x08" + TITLE + b"\x82\x02\x00\x30"
    for noise in range(0, 256, 32):
        stream = bytes(noise) + encrypted(LUXEMBOURG) + begun * (MAX_BEGUN + 1)
        assert telegrams_in(in_pieces(reader(authentication_key), stream, size)) == [LUXEMBOURG]


@WITH_KEYS
def test_no_flipped_bit_gives_another_telegram(authentication_key: bytes | None) -> None:
    frame = encrypted(telegram_at(1), 1)
    for bit in range(8 * len(frame)):
        decrypting = reader(authentication_key)
        found = decrypting.feed(flipped(frame, bit), 0.0) + decrypting.feed(encrypted(telegram_at(2), 2), 0.0)
        passed = telegrams_in(found)
        # Without a tag, flips in it, and those that a telegram's own form absorbs, are harmless.
        assert passed[-1] == telegram_at(2), bit
        assert {text.upper().rstrip() for text in passed[:-1]} <= {telegram_at(1).upper().rstrip()}, bit
        assert authentication_key is None or len(passed) == 1, bit


@settings(max_examples=200)
@given(st.lists(st.integers(0, 8 * 560), min_size=2, max_size=6, unique=True))
def test_no_flipped_bits_pass_the_tag(bits: list[int]) -> None:
    frame = encrypted(LUXEMBOURG)
    for bit in bits:
        frame = flipped(frame, bit)
    assert telegrams_in(reader(AUTHENTICATION_KEY).feed(frame, 0.0)) == []


def test_a_flood_of_headers_stays_within_its_limits() -> None:
    decrypting, stream = reader(), 2000 * STRAY_OF_8000 + Random(1).randbytes(20_000)
    for at in range(0, len(stream), 512):
        decrypting.feed(stream[at : at + 512], 0.0)
        assert len(decrypting._buffer) <= MAX_FRAME_BYTES + HEADER_BYTES
        assert len(decrypting._begun) <= MAX_BEGUN
    assert decrypting.feed(encrypted(LUXEMBOURG), 0.0)[-1] == LUXEMBOURG
