"""Fuzzes the framing of telegrams: `python -m fuzz.framing [OPTION...] fuzz/corpus/framing`."""

from __future__ import annotations

import re

from fuzz.harness import Source, fuzz, pieces
from gateway.protocol.p1.checksums import VERIFIED
from gateway.protocol.p1.telegram import (
    MAX_END_LINE_BYTES,
    MAX_TELEGRAM_BYTES,
    RefusedTelegram,
    Telegram,
    TelegramReader,
)
from tests.conftest import own_telegram
from tests.telegrams.make import crc16

GOOD = own_telegram("v50_sagemcom-t210d")
PIECE_BYTES = (1, 2, 7, 64)
ENDS = dict(zip((b"~", b"^"), VERIFIED, strict=True))
"""Mark in an end line → the checksum that takes its place."""
MAX_HELD_BYTES = MAX_TELEGRAM_BYTES + MAX_END_LINE_BYTES
_OPEN_END = re.compile(rb"(?<=[\r\n]!)[~^](?=[\r\n])")
_START = re.compile(rb"(?:\A|[\r\n])/")


def sealed(stream: bytes) -> bytes:
    """Return a stream in which `!~` ends with the CRC-16/ARC of its telegram, and `!^` with the CRC-16/X-25.

    A fuzzer does not guess a checksum.
    """
    done = b""
    rest = stream
    while match := _OPEN_END.search(rest):
        done += rest[: match.start()]
        starts = [found.end() - 1 for found in _START.finditer(done)]
        text = done[starts[-1] if starts else 0 :]
        done += b"%04X" % ENDS[match[0]].of(text)
        rest = rest[match.end() :]
    return done + rest


def x25(data: bytes) -> int:
    """Return the CRC-16/X-25, calculated bit by bit."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return crc ^ 0xFFFF


def check(data: bytes) -> None:
    """Check that any segments give the telegrams of the whole: parts of it in order, each with a right checksum.

    After them, no more is kept than one telegram, and of two good ones at least the second is found.
    """
    source = Source(data)
    size = source.pick(PIECE_BYTES)
    segments = [sealed(segment) for segment in source.segments()]
    stream = b"".join(segments)
    found = feed([stream])
    assert feed(segments) == found
    assert feed(pieces(stream, size)) == found
    position = 0
    for item in found:
        at = stream.find(item.raw, position)
        assert at >= 0
        assert item.raw.startswith(b"/")
        position = at + len(item.raw)
        if isinstance(item, Telegram):
            check_telegram(item)
    assert feed([stream, b"\r\n" + GOOD * 2])[-1] == Telegram(GOOD, GOOD.rindex(b"!"), checked=True)


def check_telegram(telegram: Telegram) -> None:
    """Check a telegram that was accepted against its own bytes."""
    raw, end = telegram.raw, telegram.end
    assert len(raw) <= MAX_HELD_BYTES
    assert raw[end : end + 1] == b"!"
    assert raw[end - 1 : end] in (b"\r", b"\n")
    sent = raw[end + 1 :].strip(b"\r\n\0 ")
    assert telegram.checked == bool(sent)
    assert not sent or int(sent, 16) in (crc16(raw[: end + 1]), x25(raw[: end + 1]))


def feed(segments: list[bytes]) -> list[Telegram | RefusedTelegram]:
    """Return what a reader finds in these segments and the pause after them; check what it keeps and gives ahead."""
    reader = TelegramReader()
    found, given = [], b""
    for segment in segments:
        items = reader.feed(segment)
        found += items
        if items or not reader.pending:
            given = b""
        given += reader.lines_ahead()
        kept = bytes(reader._buffer)  # noqa: SLF001 - nothing else shows the memory of a reader
        assert len(kept) <= MAX_HELD_BYTES
        assert kept.startswith(given)
    return found + reader.silence()


if __name__ == "__main__":
    fuzz(__file__)
