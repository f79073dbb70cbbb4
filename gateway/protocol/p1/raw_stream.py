"""P1 bytes that are passed on without being read: encrypted telegrams, and where a new reader may join.

A passthrough sends the meter's bytes to several readers. A reader that connects in the middle of a telegram must not
get its second half, so `JoiningPoint` finds the next beginning. Luxembourg and Austria encrypt their telegrams. Their
content cannot be checked without the key, but where they begin and end can be found: `CipheredReader` does that.

An encrypted telegram is a DLMS general-glo-ciphering frame (Green Book, 9.2.7.2.4.8): the tag 0xDB, the length 8 and
eight bytes of system title, then a length in one byte or after 0x81 or 0x82, and as many bytes of security control,
frame counter, cipher text and authentication tag.
"""

from __future__ import annotations

import re

PAUSE_BETWEEN_TELEGRAMS_S = 0.2
"""Shortest pause between two telegrams; a meter rarely pauses this long inside one."""
MAX_PAUSE_IN_FRAME_S = 1.0
"""Longest pause inside an encrypted frame; after it, the rest of the frame will not come."""

CIPHERED_TAG = b"\xdb"
"""First byte of an encrypted telegram (DLMS general-glo-ciphering)."""
CIPHERED_START = CIPHERED_TAG + b"\x08"
"""First bytes of an encrypted telegram: the tag and the length of the system title."""
MAX_FRAME_BYTES = 8192
"""Largest encrypted frame."""
HEADER_BYTES = 13
"""Size of the tag, the system title with its length, and the longest form of the frame's length."""

FRAME_HEADER = re.compile(rb"\xdb\x08[\s\S]{8}(?:\x82([\s\S]{2})|\x81([\x80-\xff])|([\x12-\x7f]))[\x20\x30]")
"""Pattern of an encrypted telegram's start, up to the security control.

0x20 is encrypted, 0x30 is encrypted and authenticated.
"""
_PLAIN_START = re.compile(rb"(?<![ -~])/")
"""Pattern of a plain telegram's start: at a line start, or after the noise that a line may carry between telegrams."""


class JoiningPoint:
    """Finds the beginnings of telegrams in a stream, however its bytes are grouped."""

    def __init__(self) -> None:
        self._last_byte = b""
        self._last_bytes = float("-inf")
        self._is_ciphered = False

    def find(self, data: bytes, arrived: float) -> int | None:
        """Return the offset in `data` at which a telegram begins, or None.

        Args:
            data: the next bytes of the stream.
            arrived: when they arrived, in seconds of a monotonic clock.

        """
        is_after_pause = arrived - self._last_bytes > PAUSE_BETWEEN_TELEGRAMS_S
        before = b"" if is_after_pause else self._last_byte
        self._last_byte, self._last_bytes = data[-1:], arrived
        if is_after_pause:
            self._is_ciphered = data[:1] == CIPHERED_TAG
            if self._is_ciphered:
                return 0
        # A `/` inside cipher text has no meaning.
        if self._is_ciphered:
            return None
        match = _PLAIN_START.search(before + data, len(before))
        return match.start() - len(before) if match else None


class CipheredReader:
    """Cuts a stream of bytes into encrypted telegrams, however the bytes are grouped."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._last_bytes = float("-inf")

    def feed(self, data: bytes, arrived: float) -> list[bytes]:
        """Read the next bytes and return the frames that end in them.

        Args:
            data: the next bytes of the stream.
            arrived: when they arrived, in seconds of a monotonic clock.

        """
        if arrived - self._last_bytes > MAX_PAUSE_IN_FRAME_S:
            self._buffer.clear()
        self._last_bytes = arrived
        if not self._buffer and CIPHERED_TAG not in data:
            return []
        self._buffer += data
        frames: list[bytes] = []
        while match := FRAME_HEADER.search(self._buffer):
            long, middle, short = match.groups()
            end = match.end() - 1 + int.from_bytes(long or middle or short, "big")
            if end - match.start() > MAX_FRAME_BYTES:
                del self._buffer[: match.start() + 1]
                continue
            if end > len(self._buffer):
                del self._buffer[: match.start()]
                return frames
            frames.append(bytes(self._buffer[match.start() : end]))
            del self._buffer[:end]
        # The last bytes may contain the beginning of a header.
        begun = self._buffer.find(CIPHERED_TAG, max(0, len(self._buffer) - HEADER_BYTES))
        del self._buffer[: begun if begun >= 0 else len(self._buffer)]
        return frames
