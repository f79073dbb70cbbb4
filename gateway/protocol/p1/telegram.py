"""P1 telegrams in a stream of bytes: framing, checksum, limits and resynchronisation.

A telegram begins with `/` at the start of a line and ends with the line that begins with `!`. That line carries the
CRC-16/ARC of all bytes from `/` to `!` as four hexadecimal digits (DSMR 5.0.2 P1, 6.2). DSMR 2.2 and 3 have no
checksum, and some meters omit a leading zero. Some Hungarian meters send the CRC-16/X-25 of the same bytes. The reader
expects one checksum, and changes to another one when two telegrams in a row fit that one.

The reader is in one of two states. Outside a telegram it searches for a start; inside one it searches for the end
mark and updates the checksum as bytes arrive. `feed` never raises: bytes that cannot be used are returned as a
`RefusedTelegram`. Each byte is searched once, so a stream without an end mark costs linear time. The buffer holds at
most `MAX_TELEGRAM_BYTES` and the bytes of one call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from gateway.protocol.p1.checksums import ARC, VERIFIED, Checksum

MAX_TELEGRAM_BYTES = 8192
"""Largest telegram. No standard sets a limit; the largest text message gives about 3 kB (DSMR 5.0.2 P1, 6.12)."""

MAX_END_LINE_BYTES = 16
"""Largest end line: `!`, four digits and a line end, with room for stray NUL bytes and spaces."""
TELEGRAMS_TO_CHANGE_CHECKSUM = 2
"""Number of telegrams in a row that must fit another checksum: one may fit by chance."""


class RefusalReason(StrEnum):
    """Reason to refuse bytes that began like a telegram."""

    CHECKSUM = "checksum"
    """The checksum does not match, or it is not a hexadecimal number."""
    NO_CHECKSUM = "no checksum"
    """The meter's version requires a checksum and the telegram has none: it may be incomplete."""
    TRUNCATED = "truncated"
    """A new telegram began, or no more bytes came, before the end mark."""
    OVERSIZE = "oversize"
    """No end mark within `MAX_TELEGRAM_BYTES`."""
    FORM = "form"
    """A telegram without checksum has a line that cannot be read, or a required line is missing."""
    IMPLAUSIBLE = "implausible"
    """A telegram without checksum contradicts the one before it."""
    OTHER_METER = "other meter"
    """The telegram is not from the meter that the configuration names."""
    UNCONFIRMED = "unconfirmed"
    """The first telegram of a meter without checksum: it is used when the next one agrees with it. This is no error."""


class Telegram(NamedTuple):
    """A complete telegram, byte for byte as the meter sent it, from `/` to the line end after the checksum."""

    raw: bytes
    end: int
    """Offset of the `!` in `raw`."""
    checked: bool
    """True when the telegram has a valid checksum; False when it has none."""

    @property
    def body(self) -> bytes:
        """Return the identification and data lines, without the end line."""
        return self.raw[: self.end]

    @property
    def lines(self) -> bytes:
        """Return the body without its last line end."""
        return self.body.rstrip(b"\r\n")


@dataclass(frozen=True, slots=True)
class RefusedTelegram:
    """Bytes that began like a telegram and are refused."""

    raw: bytes
    reason: RefusalReason
    detail: str
    """Explanation for a log. That of a wrong checksum quotes nothing of the telegram but four digits."""


# Outside a telegram, a `/` at a line start or after noise begins one. After printable text it begins one only when
# an identification follows, because text messages and some identifications contain a `/`.
_START = re.compile(rb"(?<![ -~])/|/(?=[A-Za-z]{3}[0-9])")
_START_LOOKAHEAD = 4
# Inside a telegram, only a line that begins with `!` ends it, and only a line that begins with `/` interrupts it.
_MARK = re.compile(rb"[\r\n]([!/])")
_SLASH = ord("/")
_END_LINE = re.compile(rb"!([^\r\n]*?)[\0 ]*(?:\r\n|\n|\r(?!\n)(?=[\s\S]))")
_END_LINE_AFTER_PAUSE = re.compile(rb"!([^\r\n]*?)[\0 ]*\r?\n?\Z")
_CHECKSUM = re.compile(rb"[0-9A-Fa-f]{3,4}")


class TelegramReader:
    """Cuts a stream of bytes into telegrams, however the bytes are grouped."""

    def __init__(self) -> None:
        self.checksum = ARC
        """Checksum that the meter sends; a line that is opened again has the same."""
        self._other: Checksum | None = None
        """Another checksum that the newest telegrams fit."""
        self._fit_other = 0
        self.reset()

    def reset(self) -> None:
        """Forget all bytes read so far, for a line that was opened again."""
        self._buffer = bytearray()
        self._leave_telegram()

    def _leave_telegram(self) -> None:
        self._inside = False
        self._searched = 0
        self._end: int | None = None
        self._crc = self.checksum.start
        self._summed = 0
        self._given = 0

    @property
    def pending(self) -> bool:
        """Return True while a telegram has begun and not ended."""
        return self._inside

    @property
    def is_in_lines(self) -> bool:
        """Return True while a telegram has begun and its end mark has not come."""
        return self._inside and self._end is None

    def feed(self, data: bytes) -> list[Telegram | RefusedTelegram]:
        """Read the next bytes of the stream and return the telegrams, valid and refused, that end in them."""
        self._buffer += data
        found: list[Telegram | RefusedTelegram] = []
        while self._buffer and (self._inside or self._find_start()):
            item = self._read_inside()
            if item is None:
                break
            found.append(item)
        return found

    def lines_ahead(self) -> bytes:
        """Return complete lines of a telegram that has not ended yet, each line once.

        They can be decoded before the last byte arrives. The last complete line is held back, because its value may
        follow on the next line.
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

    def body_ahead(self) -> bytes:
        """Return all lines of a telegram whose end line is not complete yet; empty while a line is not complete."""
        if not self._inside:
            return b""
        body = bytes(self._buffer[: self._end]).rstrip(b"\r\n")
        return body if body.endswith(b")") else b""

    def silence(self) -> list[Telegram | RefusedTelegram]:
        """Close a telegram that has begun, because no bytes came for longer than a meter pauses inside a telegram."""
        if not self._inside:
            # A `/` that comes after the pause cannot belong to the text before it.
            self.reset()
            return []
        if self._end is not None:
            match = _END_LINE_AFTER_PAUSE.match(self._buffer, self._end)
            assert match  # `feed` ends a telegram at the first line end after the mark
            return [self._finish(match)]
        return [self._refuse(len(self._buffer), RefusalReason.TRUNCATED, "the bytes stopped before the end mark")]

    def _find_start(self) -> bool:
        match = _START.search(self._buffer, self._searched)
        if match:
            del self._buffer[: match.start()]
            self._inside = True
            self._searched = 0
            return True
        # A `/` in the last bytes may begin an identification. The byte before it shows whether it is at a line start,
        # so that byte is kept too.
        slash = self._buffer.rfind(b"/", max(0, len(self._buffer) - _START_LOOKAHEAD))
        keep_from = len(self._buffer) - 1 if slash < 0 else max(0, slash - 1)
        if keep_from > 0:
            del self._buffer[:keep_from]
        # The first kept byte serves only as context for the next one: a `/` there does not begin a telegram.
        self._searched = min(1, len(self._buffer))
        return False

    def _read_inside(self) -> Telegram | RefusedTelegram | None:
        if self._end is None:
            mark = self._find_mark()
            size = len(self._buffer)
            if mark < 0 and size > MAX_TELEGRAM_BYTES:
                detail = f"no end mark within {MAX_TELEGRAM_BYTES} bytes"
                return self._refuse(MAX_TELEGRAM_BYTES, RefusalReason.OVERSIZE, detail)
            if mark < 0:
                self._update_crc_up_to(size)
                self._searched = max(0, size - 1)
                return None
            if self._buffer[mark] == _SLASH:
                return self._refuse(mark, RefusalReason.TRUNCATED, "a new telegram began before the end mark")
            self._end = mark
            self._update_crc_up_to(self._end + 1)
        limit = self._end + MAX_END_LINE_BYTES
        match = _END_LINE.match(self._buffer, self._end, limit)
        if match:
            return self._finish(match)
        if len(self._buffer) > limit:
            return self._refuse(limit, RefusalReason.CHECKSUM, "the end line is too long")
        return None

    def _find_mark(self) -> int:
        """Return the offset of the next `!` or `/` at the start of a line; -1 if there is none yet."""
        buffer, start, stop = self._buffer, self._searched, MAX_TELEGRAM_BYTES + 1
        end = buffer.find(b"!", start + 1, stop)
        slash = buffer.find(b"/", start + 1, end if end >= 0 else stop)
        # The first `!` of most telegrams is the end mark, and no `/` is before it. A search for each is much faster.
        if slash < 0 and (end < 0 or buffer[end - 1] in b"\r\n"):
            return end
        mark = _MARK.search(buffer, start, stop)
        return mark.start(1) if mark else -1

    def _update_crc_up_to(self, size: int) -> None:
        # The checksum is computed as the bytes arrive, so that little work is left when the last one comes.
        self._crc = self.checksum.update(self._buffer[self._summed : size], self._crc)
        self._summed = size

    def _finish(self, match: re.Match[bytes]) -> Telegram | RefusedTelegram:
        # A match reads from the buffer when it is used, so use it before the buffer changes.
        digits, crc, end = match[1], self._crc ^ self.checksum.inversion, match.start()
        raw = self._take(match.end())
        if not digits:
            return Telegram(raw, end, checked=False)
        if not _CHECKSUM.fullmatch(digits):
            return RefusedTelegram(raw, RefusalReason.CHECKSUM, "the end line has characters that are not a checksum")
        sent = int(digits, 16)
        if sent != crc and not self._change_checksum(raw[: end + 1], sent):
            fits = f", which is its {self._other.name}" if self._other else ""
            detail = f"the meter sent {digits.decode()}{fits}, its bytes give {crc:04X}"
            return RefusedTelegram(raw, RefusalReason.CHECKSUM, detail)
        self._other, self._fit_other = None, 0
        return Telegram(raw, end, checked=True)

    def _change_checksum(self, summed: bytes, sent: int) -> bool:
        """Return whether the meter sends another checksum, and expect that one from now on."""
        others = (each for each in VERIFIED if each is not self.checksum)
        other = next((each for each in others if each.of(summed) == sent), None)
        self._fit_other = self._fit_other + 1 if other is self._other else 1
        self._other = other
        if other is None or self._fit_other < TELEGRAMS_TO_CHANGE_CHECKSUM:
            return False
        self.checksum = other
        self._leave_telegram()
        return True

    def _refuse(self, size: int, reason: RefusalReason, detail: str) -> RefusedTelegram:
        return RefusedTelegram(self._take(size), reason, detail)

    def _take(self, size: int) -> bytes:
        raw = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._leave_telegram()
        return raw
