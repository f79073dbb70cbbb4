"""A stream of P1 bytes, and the ways in which it can reach a reader: whole, byte by byte, with garbage around."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone

from gateway.protocol.crc16 import crc16
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram, Telegram, TelegramReader
from tests.telegrams.make import seal

Item = Telegram | RefusedTelegram

NOISE_BEFORE = b"\xff\x00\xfe37.7.0(000.2*V)\r\n1-0:52.7.0(23\x80\xff\r\n!4A1\x00\r\n"
"""The end of a telegram that was joined in its middle, and bytes of a wrong speed."""
NOISE_AFTER = b"\x00\xff\xff\x81 pause \x00"
"""What a line picks up between two telegrams."""


def telegram_of(*lines: str, header: str = r"/ISk5\2M550T-1012", line_end: str = "\r\n") -> bytes:
    """A telegram with a right checksum."""
    return seal("\n".join((header, "", *lines)), line_end)


def unchecked(*lines: str, header: str = r"/ISk5\2MT382-1003") -> bytes:
    """A telegram without checksum, as DSMR 2.2 has it."""
    return "\r\n".join((header, "", *lines, "!", "")).encode("ascii")


_CLOCK = re.compile(rb"(?<=0-0:1\.0\.0\()([0-9]{12})(?=[SW]\))")


def later(raw: bytes, seconds: float) -> bytes:
    """Return a telegram whose clock is `seconds` later; unchanged where it has no clock."""
    match = _CLOCK.search(raw)
    if match is None:
        return raw
    moment = datetime.strptime(match[1].decode(), "%y%m%d%H%M%S") + timedelta(seconds=int(seconds))  # noqa: DTZ007
    moved = raw[: match.start()] + moment.strftime("%y%m%d%H%M%S").encode() + raw[match.end() :]
    return resealed(moved) if raw.rstrip()[-1:] != b"!" else moved


def resealed(raw: bytes) -> bytes:
    """Return a telegram that was changed with the checksum that it has now."""
    body = raw[: raw.rindex(b"!") + 1]
    return body + b"%04X\r\n" % crc16(body)


def stamped(raw: bytes, unix_time: float) -> bytes:
    """Return a telegram as a meter with the right clock writes it at a moment; unchanged where it has no clock."""
    match = _CLOCK.search(raw)
    if match is None:
        return raw
    zone = timezone(timedelta(hours=2 if raw[match.end() : match.end() + 1] == b"S" else 1))
    written = datetime.strptime(match[1].decode(), "%y%m%d%H%M%S").replace(tzinfo=zone)
    return later(raw, int(unix_time) - written.timestamp())


def in_pieces(stream: bytes, size: int) -> Iterator[bytes]:
    """The stream in pieces of `size` bytes."""
    return (stream[i : i + size] for i in range(0, len(stream), size))


def feed(pieces: Iterable[bytes]) -> list[Item]:
    """What a new reader makes of these pieces, and of the silence after them."""
    reader = TelegramReader()
    return [item for piece in pieces for item in reader.feed(piece)] + reader.silence()


def ways(stream: bytes, *, piece: int = 1) -> dict[str, list[Item]]:
    """What comes of a stream that is fed in each of the ways; `piece` is the size of the smallest piece."""
    noisy = NOISE_BEFORE + stream + NOISE_AFTER
    return {
        "whole": feed([stream]),
        "byte by byte": feed(in_pieces(stream, piece)),
        "with garbage around": feed([noisy]),
        "with garbage around, byte by byte": feed(in_pieces(noisy, piece)),
    }


def only(stream: bytes) -> Telegram:
    """The one good telegram that a stream is."""
    [telegram] = feed([stream])
    assert isinstance(telegram, Telegram), telegram
    return telegram


def good(items: Iterable[Item]) -> list[bytes]:
    """The bytes of the good ones."""
    return [item.raw for item in items if isinstance(item, Telegram)]


def faults(items: Iterable[Item]) -> list[RefusalReason]:
    """Why the bad ones are refused."""
    return [item.reason for item in items if isinstance(item, RefusedTelegram)]
