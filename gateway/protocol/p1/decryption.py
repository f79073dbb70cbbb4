"""Encrypted telegrams: finds them in a stream of bytes, and opens each with a key.

`gateway.protocol.p1.raw_stream` describes the frame. Its cipher text is AES-128 in Galois/Counter Mode; the nonce is
the system title and the invocation counter (Green Book, 9.2.3.3.7). With an authentication key, the tag at the end of
the frame is verified. Without one, only a telegram whose P1 checksum fits is passed on.

A header may be a stray one, or its frame may be cut off. Therefore no frame waits for another one: each header that is
found is tried as soon as as many bytes as it announces are there. A frame that can be opened ends all that began before
its end. The invocation counter rises with each telegram of a meter. One that does not is a copy or a replay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

from gateway.protocol.crc16 import crc16
from gateway.protocol.p1.raw_stream import FRAME_HEADER, HEADER_BYTES, MAX_FRAME_BYTES, MAX_PAUSE_IN_FRAME_S

TAG_BYTES = 12
MAX_BEGUN = 8
"""Largest number of headers whose frames have not ended. Beyond it, the oldest is a stray one."""
MAX_TITLES = 8
"""Largest number of system titles whose counters are kept."""
FAILURES_OF_WRONG_KEY = 3
"""Number of frames in a row that fail before a key that has worked counts as wrong."""

_TITLE = slice(2, 10)
_COUNTER_BYTES = 4
_LEAST_CONTENT_BYTES = 1 + _COUNTER_BYTES + TAG_BYTES
"""Least number of bytes of security control, counter, text and tag. A header that announces fewer is a stray one."""
_TAGGED = 0x30
"""Security control of a frame with encryption and a tag, of security suite 0 (Green Book, 9.2.7.2.4.1)."""
_CHECKSUM = re.compile(rb"[0-9A-Fa-f]{4}\s*")
_PLAIN_END = re.compile(rb"\n![0-9A-Fa-f]{4}\r?\n")
_PLAIN_END_BYTES = 8


class Fault(StrEnum):
    """Reason why there is no telegram; each is the code of a status."""

    WRONG_KEY = "decryption-key-wrong"
    WRONG_AUTHENTICATION_KEY = "authentication-key-wrong"
    """The key fits, and the tag does not."""
    NO_TAG = "telegram-without-tag"
    """An authentication key is given, and the frame has no tag."""
    DAMAGED = "telegram-damaged"
    TRUNCATED = "telegram-cut-off"
    """The end of a frame is missing, or a stray header began one."""
    REPEATED = "telegram-repeated"
    """The invocation counter is that of the telegram before."""
    COUNTER_FELL = "invocation-counter-fell"
    NOT_ENCRYPTED = "telegram-not-encrypted"


class Cipher(Protocol):
    """AES-128 in Galois/Counter Mode, with the keys of a meter."""

    @property
    def verifies(self) -> bool:
        """Return whether there is an authentication key."""

    def decrypt(self, nonce: bytes, text: bytes) -> bytes:
        """Return the decrypted text, whatever it is."""

    def is_authentic(self, nonce: bytes, control: bytes, text: bytes, tag: bytes) -> bool:
        """Return whether the tag fits a frame with this security control."""


class _Begun(NamedTuple):
    """A frame whose header was found; offsets into the buffer."""

    start: int
    content: int
    """Offset of the security control, with which the content begins."""
    end: int


class DecryptingReader:
    """Cuts a stream of bytes into encrypted telegrams, however the bytes are grouped, and decrypts them."""

    def __init__(self, cipher: Cipher, counters: Mapping[bytes, int] = {}) -> None:
        """Begin with the highest invocation counters so far, by system title; empty where none is known."""
        self._cipher = cipher
        self._buffer = bytearray()
        self._begun: list[_Begun] = []
        self._searched = 0
        self._last_bytes = float("-inf")
        self._plain_tail = b""
        self.counters = dict(counters)
        """Highest invocation counter of each system title."""
        self._failures = FAILURES_OF_WRONG_KEY

    def feed(self, data: bytes, arrived: float) -> list[bytes | Fault]:
        """Read the next bytes; return the telegrams that end in them, and the faults of those that cannot be read.

        Args:
            data: the next bytes of the stream.
            arrived: when they arrived, in seconds of a monotonic clock.

        """
        found: list[bytes | Fault] = []
        if arrived - self._last_bytes > MAX_PAUSE_IN_FRAME_S and self._begun:
            found.append(Fault.TRUNCATED)
            self.reset()
        self._last_bytes = arrived
        if self._ends_plain_telegram(data):
            found.append(Fault.NOT_ENCRYPTED)
        self._buffer += data
        found += self._search()
        found += self._open_complete(len(self._buffer))
        self._drop_read()
        return found

    def reset(self) -> None:
        """Drop a frame that has begun; the counters stay, so that a replay after a reconnection is seen."""
        self._buffer.clear()
        self._begun.clear()
        self._searched = 0
        self._plain_tail = b""

    def _ends_plain_telegram(self, data: bytes) -> bool:
        text, known = self._plain_tail + data, len(self._plain_tail)
        self._plain_tail = text[-_PLAIN_END_BYTES + 1 :]
        ends = [match.end() for match in _PLAIN_END.finditer(text)]
        return not self._begun and bool(ends) and ends[-1] > known

    def _search(self) -> list[bytes | Fault]:
        """Note the headers; return what the frames give that end before the last of them."""
        found: list[bytes | Fault] = []
        while match := FRAME_HEADER.search(self._buffer, self._searched):
            long, middle, short = match.groups()
            content = match.end() - 1
            end = content + int.from_bytes(long or middle or short, "big")
            if end - content >= _LEAST_CONTENT_BYTES and end - match.start() <= MAX_FRAME_BYTES:
                # A frame that ended before is opened first: it must not be the oldest one that makes room.
                found += self._open_complete(match.end() - 1)
                self._begun.append(_Begun(match.start(), content, end))
                del self._begun[:-MAX_BEGUN]
            self._searched = match.start() + 1
        # The last bytes may contain the beginning of a header.
        self._searched = max(self._searched, len(self._buffer) - HEADER_BYTES)
        return found

    def _open_complete(self, limit: int) -> list[bytes | Fault]:
        """Return what the frames give that end at `limit` or before, in the order in which they end."""
        found: list[bytes | Fault] = []
        while complete := [each for each in self._begun if each.end <= limit]:
            frame = min(complete, key=lambda each: each.end)
            self._begun.remove(frame)
            item = self._open(frame)
            if not isinstance(item, Fault) or item in (Fault.REPEATED, Fault.COUNTER_FELL):
                # It is a frame of a meter: what began before its end is none. Its tag may be cut off by the next one.
                if any(each.start < frame.start for each in self._begun):
                    found.append(Fault.TRUNCATED)
                self._begun = [each for each in self._begun if each.start >= frame.end - TAG_BYTES]
            found.append(item)
        return found

    def _drop_read(self) -> None:
        """Remove the bytes that no frame needs any more."""
        done = min([self._searched, *(each.start for each in self._begun)])
        del self._buffer[:done]
        self._searched -= done
        self._begun = [_Begun(*(offset - done for offset in each)) for each in self._begun]

    def _open(self, frame: _Begun) -> bytes | Fault:
        title = bytes(self._buffer[frame.start : frame.end][_TITLE])
        content = bytes(self._buffer[frame.content : frame.end])
        control, counter = content[:1], content[1 : 1 + _COUNTER_BYTES]
        size = len(content) - (TAG_BYTES if control[0] == _TAGGED else 0)
        text = self._text_of(title + counter, control, content[1 + _COUNTER_BYTES : size], content[size:])
        if isinstance(text, Fault):
            return self._note_failure(text)
        self._failures = 0
        number, last = int.from_bytes(counter, "big"), self.counters.pop(title, -1)
        self.counters[title] = max(number, last)
        while len(self.counters) > MAX_TITLES:
            del self.counters[next(iter(self.counters))]
        if number > last:
            return text
        return Fault.REPEATED if number == last else Fault.COUNTER_FELL

    def _text_of(self, nonce: bytes, control: bytes, text: bytes, tag: bytes) -> bytes | Fault:
        """Return the telegram in a frame, or why it cannot be trusted."""
        plain = self._cipher.decrypt(nonce, text)
        if not self._cipher.verifies:
            return plain if _is_intact(plain) else _failure_of(plain)
        if not tag:
            return Fault.NO_TAG
        if not self._cipher.is_authentic(nonce, control, text, tag):
            return Fault.WRONG_AUTHENTICATION_KEY if _is_intact(plain) else _failure_of(plain)
        return plain

    def _note_failure(self, fault: Fault) -> Fault:
        """Return what a failure shows: one frame that a key does not fit is damaged if that key has worked."""
        self._failures += 1
        if fault in (Fault.WRONG_KEY, Fault.WRONG_AUTHENTICATION_KEY) and self._failures < FAILURES_OF_WRONG_KEY:
            return Fault.DAMAGED
        return fault


def _is_intact(text: bytes) -> bool:
    """Return whether a text is a telegram with its P1 checksum."""
    end = text.rfind(b"!") + 1
    if text[:1] != b"/" or not _CHECKSUM.fullmatch(text, end):
        return False
    return crc16(text[:end]) == int(text[end : end + 4], 16)


def _failure_of(text: bytes) -> Fault:
    return Fault.DAMAGED if text[:1] == b"/" else Fault.WRONG_KEY
