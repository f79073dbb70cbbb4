"""Encrypted telegrams in a stream of bytes, as Luxembourg and Austria send them: framing alone, without the key.

A frame is DLMS general-glo-ciphering (Green Book, 9.2.7.2.4.8): the tag 0xDB, the length 8 and eight bytes of system
title, a length in one byte or after 0x81 or 0x82, and so many bytes: security control, frame counter, cipher text and
tag. What is in it cannot be checked without the key; where it begins and ends can.
"""

from __future__ import annotations

import re

MAX_FRAME_BYTES = 8192
HEADER_BYTES = 13
"""Tag, system title with its length, and the longest form of the length."""
_START = re.compile(rb"\xdb\x08[\s\S]{8}(?:\x82([\s\S]{2})|\x81([\x80-\xff])|([\x12-\x7f]))[\x20\x30]")
"""Up to the security control: 0x20 encrypted, 0x30 encrypted and authenticated."""
SILENCE_S = 1.0
"""A meter does not pause this long inside a frame."""


class CipheredReader:
    """Cuts a stream of bytes into encrypted telegrams, however the bytes are grouped."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._last_bytes = float("-inf")

    def feed(self, data: bytes, arrived: float) -> list[bytes]:
        """Take the next bytes, with the moment of their arrival in seconds; give the frames that end in them."""
        if arrived - self._last_bytes > SILENCE_S:
            self._buffer.clear()
        self._last_bytes = arrived
        if not self._buffer and b"\xdb" not in data:
            return []
        self._buffer += data
        frames: list[bytes] = []
        while match := _START.search(self._buffer):
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
        # The beginning of a header may be among the last bytes.
        begun = self._buffer.find(b"\xdb", max(0, len(self._buffer) - HEADER_BYTES))
        del self._buffer[: begun if begun >= 0 else len(self._buffer)]
        return frames
