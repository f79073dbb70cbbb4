"""Encrypted telegrams are cut out of a stream whole, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.p1.ciphered import HEADER_BYTES, MAX_FRAME_BYTES, SILENCE_S, CipheredReader
from tests.conftest import SHARED_TELEGRAMS, needs_shared_telegrams

TITLE = b"\xdb\x08SIM00001"


def frame(size: int = 500, filler: bytes = b"\xdb\x08!/\r\n") -> bytes:
    """A frame of the form that meters send; what its cipher text holds looks like everything else in a stream."""
    text = (filler * size)[: size - 17]
    content = b"\x30" + (7).to_bytes(4, "big") + text + bytes(12)
    assert len(content) == size
    return TITLE + b"\x82" + size.to_bytes(2, "big") + content


FRAME = frame()
PLAIN = b"/KFM5KAIFA-METER\r\n\r\n1-3:0.2.8(42)\r\n!ABCD\r\n"


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
    assert feed(PLAIN + FRAME + PLAIN) == [FRAME]  # type: ignore[operator]
    assert feed(FRAME[200:] + FRAME) == [FRAME]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("length", "size"), [(b"\x7f", 127), (b"\x81\x80", 128), (b"\x82\x00\x80", 128), (b"\x82\x02\x00", 512)]
)
def test_every_form_of_the_length_is_known(length: bytes, size: int) -> None:
    data = TITLE + length + b"\x30" + bytes(size - 1)
    assert whole(data) == byte_by_byte(data) == [data]


def test_a_plain_telegram_is_none() -> None:
    assert whole(PLAIN) == byte_by_byte(PLAIN) == []


def test_a_length_beyond_all_bounds_holds_up_nothing() -> None:
    stray = TITLE + b"\x82\xff\xff\x30"
    assert whole(stray + FRAME) == byte_by_byte(stray + FRAME) == [FRAME]


def test_half_a_frame_before_a_silence_does_not_take_from_the_next() -> None:
    reader = CipheredReader()
    assert reader.feed(FRAME[:300], 0) == []
    assert reader.feed(FRAME, SILENCE_S + 0.1) == [FRAME]


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    st.lists(st.sampled_from([FRAME, frame(40), TITLE, b"\xdb", b"\x82\xff", PLAIN, b"\x30" * 20]), max_size=8),
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
