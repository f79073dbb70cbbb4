"""P1 telegrams in a stream of bytes: framing, checksum, limits and resynchronisation.

A telegram runs from `/` at a line start to the line that begins with `!`, which carries four
hexadecimal digits of CRC-16/ARC over everything from `/` to `!` (DSMR 5.0.2 P1, 6.2). DSMR 2.2 and 3
have no checksum; some meters leave a leading zero out.

`TelegramReader.feed` never raises: what is no good comes out as a `RefusedTelegram`. It searches each byte
once, so a stream without an end mark costs linear time, and it holds at most `MAX_TELEGRAM_BYTES` and
the chunk it is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from gateway.protocol.crc16 import crc16

MAX_TELEGRAM_BYTES = 8192
"""No standard sets a size; the largest text message allowed makes about 3 kB (DSMR 5.0.2 P1, 6.12)."""

MAX_END_LINE_BYTES = 16
"""`!`, four digits and a line end, with room for stray NUL bytes and blanks."""


class RefusalReason(StrEnum):
    """Why bytes that began like a telegram are refused."""

    CHECKSUM = "checksum"
    """The checksum is there and does not match, or is no hexadecimal number."""
    NO_CHECKSUM = "no checksum"
    """The meter's version demands a checksum and there is none: the telegram may be cut."""
    TRUNCATED = "truncated"
    """A new telegram began, or the line fell silent, before the end mark."""
    OVERSIZE = "oversize"
    """No end mark within `MAX_TELEGRAM_BYTES`."""
    FORM = "form"
    """A telegram without checksum has a line that cannot be read, or lacks one that it must have."""
    IMPLAUSIBLE = "implausible"
    """A telegram without checksum contradicts the one before it."""


@dataclass(frozen=True, slots=True)
class Telegram:
    """A whole telegram, byte for byte as the meter sent it, from `/` to the line end after the checksum."""

    raw: bytes
    end: int
    """Offset of the `!` in `raw`."""
    checked: bool
    """True when a checksum was there and is right; False when there is none."""

    @property
    def body(self) -> bytes:
        """Identification and data lines, without the end line."""
        return self.raw[: self.end]


@dataclass(frozen=True, slots=True)
class RefusedTelegram:
    """Bytes that began like a telegram and are refused."""

    raw: bytes
    fault: RefusalReason
    detail: str


# Outside a telegram a `/` counts at a line start or behind noise. Behind printable text it counts only
# when an identification follows, since text messages and some identifications hold a `/` themselves.
_START = re.compile(rb"(?<![ -~])/|/(?=[A-Za-z]{3}[0-9])")
_START_LOOKAHEAD = 4
# Inside a telegram only a line start can end it, with `!`, or cut it short, with the next `/`.
_MARK = re.compile(rb"[\r\n]([!/])")
_END_LINE = re.compile(rb"!([^\r\n]*?)[\0 ]*(?:\r\n|\n|\r(?!\n)(?=[\s\S]))")
_END_LINE_IN_SILENCE = re.compile(rb"!([^\r\n]*?)[\0 ]*\r?\n?\Z")
_CHECKSUM = re.compile(rb"[0-9A-Fa-f]{3,4}")


class TelegramReader:
    """Cuts a stream of bytes into telegrams, however the bytes are grouped."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what has been read, as when the line was opened anew."""
        self._buffer = bytearray()
        self._leave()

    def _leave(self) -> None:
        self._inside = False
        self._searched = 0
        self._end: int | None = None
        self._crc = 0
        self._summed = 0
        self._given = 0

    @property
    def pending(self) -> bool:
        """True while a telegram has begun and not ended."""
        return self._inside

    def feed(self, data: bytes) -> list[Telegram | RefusedTelegram]:
        """Take the next bytes of the stream; give the telegrams, good and bad, that end in them."""
        self._buffer += data
        found: list[Telegram | RefusedTelegram] = []
        while self._inside or self._find_start():
            item = self._read_inside()
            if item is None:
                break
            found.append(item)
        return found

    def lines_ahead(self) -> bytes:
        """Whole lines of the telegram that has begun, each given once: they can be read before its last byte comes.

        The last whole line is held back, since a value may follow it on a line of its own.
        """
        if not self._inside:
            return b""
        stop = self._buffer.rfind(b"\n", self._given, self._end)
        stop = self._buffer.rfind(b"\n", self._given, max(self._given, stop)) + 1
        if stop <= self._given or self._buffer[stop : stop + 1] == b"(":
            return b""
        lines = bytes(self._buffer[self._given : stop])
        self._given = stop
        return lines

    def silence(self) -> list[Telegram | RefusedTelegram]:
        """The line has been silent for longer than a meter pauses inside a telegram: close what is open."""
        if not self._inside:
            # What was heard before the silence is no text that a coming `/` could stand in.
            self.reset()
            return []
        if self._end is not None:
            match = _END_LINE_IN_SILENCE.match(self._buffer, self._end)
            if match:
                return [self._finish(match)]
        return [self._refuse(len(self._buffer), RefusalReason.TRUNCATED, "the line fell silent before the end mark")]

    def _find_start(self) -> bool:
        match = _START.search(self._buffer, self._searched)
        if match:
            del self._buffer[: match.start()]
            self._inside = True
            self._searched = 0
            return True
        # A `/` in the last bytes may still turn out to begin an identification; one byte before it says
        # whether it stands at a line start.
        slash = self._buffer.rfind(b"/", max(0, len(self._buffer) - _START_LOOKAHEAD))
        keep_from = len(self._buffer) - 1 if slash < 0 else max(0, slash - 1)
        if keep_from > 0:
            del self._buffer[:keep_from]
        # The first byte that is kept only says what stands before the next; a `/` there begins nothing.
        self._searched = min(1, len(self._buffer))
        return False

    def _read_inside(self) -> Telegram | RefusedTelegram | None:
        if self._end is None:
            mark = _MARK.search(self._buffer, self._searched, MAX_TELEGRAM_BYTES + 1)
            size = len(self._buffer)
            if mark is None and size > MAX_TELEGRAM_BYTES:
                detail = f"no end mark within {MAX_TELEGRAM_BYTES} bytes"
                return self._refuse(MAX_TELEGRAM_BYTES, RefusalReason.OVERSIZE, detail)
            if mark is None:
                self._sum_up_to(size)
                self._searched = max(0, size - 1)
                return None
            if mark[1] == b"/":
                return self._refuse(mark.start(1), RefusalReason.TRUNCATED, "a new telegram began before the end mark")
            self._end = mark.start(1)
            self._sum_up_to(self._end + 1)
        limit = self._end + MAX_END_LINE_BYTES
        match = _END_LINE.match(self._buffer, self._end, limit)
        if match:
            return self._finish(match)
        if len(self._buffer) > limit:
            return self._refuse(limit, RefusalReason.CHECKSUM, "the end line does not end")
        return None

    def _sum_up_to(self, size: int) -> None:
        # The checksum is taken as the bytes arrive, so that little is left to do at the last one.
        self._crc = crc16(self._buffer[self._summed : size], self._crc)
        self._summed = size

    def _finish(self, match: re.Match[bytes]) -> Telegram | RefusedTelegram:
        # A match reads from the buffer when asked, so ask before the buffer moves on.
        digits, crc, end = match[1], self._crc, match.start()
        raw = self._take(match.end())
        if not digits:
            return Telegram(raw, end, checked=False)
        if not _CHECKSUM.fullmatch(digits):
            return RefusedTelegram(raw, RefusalReason.CHECKSUM, f"{digits!r} is no checksum")
        if int(digits, 16) != crc:
            return RefusedTelegram(raw, RefusalReason.CHECKSUM, f"{digits.decode()} was sent, {crc:04X} is right")
        return Telegram(raw, end, checked=True)

    def _refuse(self, size: int, fault: RefusalReason, detail: str) -> RefusedTelegram:
        return RefusedTelegram(self._take(size), fault, detail)

    def _take(self, size: int) -> bytes:
        raw = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._leave()
        return raw
