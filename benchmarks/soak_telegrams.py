"""Telegrams of one meter with the clock of this machine, thousands per second, each with values of its own.

Only the time stamp and the values change. The checksum is linear: that of the part after the time stamp is computed
once for each set of values, and what the part before adds to it once for each second.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone

from benchmarks.feed import telegrams
from gateway.protocol.crc16 import crc16

VALUES = 20_000
"""Number of different sets of values; then they begin again."""
WINTER = timezone(timedelta(hours=1))


def values_of(number: int) -> dict[bytes, bytes]:
    """Return the values of a set by their OBIS codes: the phases are thirds of the power."""
    watts = number % VALUES
    third = watts // 3
    phases = (third, third, watts - 2 * third)
    found = {b"1-0:1.7.0": watts, b"1-0:2.7.0": 0}
    found |= {b"1-0:%d1.7.0" % code: value for code, value in zip((2, 4, 6), phases, strict=True)}
    found |= {b"1-0:%d2.7.0" % code: 0 for code in (2, 4, 6)}
    return {code: b"%02d.%03d*kW" % divmod(value, 1000) for code, value in found.items()}


class Telegrams:
    """The telegrams of the meter."""

    def __init__(self) -> None:
        (template,) = telegrams(1)
        body = template[: template.rindex(b"!") + 1]
        at = body.index(b"0-0:1.0.0(") + 10
        self._head, plain = body[:at], body[at + 13 :]
        self._tails = [self._tail(plain, number) for number in range(VALUES)]
        self._checksums = [crc16(tail) for tail in self._tails]
        self._silence = bytes(len(self._tails[0]))
        self.size = len(template)
        self.count = 0
        """Number of telegrams so far."""
        self._second, self._start, self._added = 0, b"", 0

    @staticmethod
    def _tail(plain: bytes, number: int) -> bytes:
        for code, value in values_of(number).items():
            plain = re.sub(b"(?<=\n%s\\()[^)]*" % re.escape(code), value, plain)
        return plain

    def next(self) -> bytes:
        """Return the next telegram, as the meter writes it now."""
        second = int(time.time())
        if second != self._second:
            self._second, self._start = second, self._head + stamp(second)
            self._added = crc16(self._silence, crc16(self._start))
        index = self.count % VALUES
        self.count += 1
        return b"%s%s%04X\r\n" % (self._start, self._tails[index], self._checksums[index] ^ self._added)

    def telegram(self, number: int, text: bytes) -> bytes:
        """Return the telegram of a set of values and a time stamp."""
        body = self._head + text + self._tails[number % VALUES]
        return b"%s%04X\r\n" % (body, crc16(body))


def stamp(second: float) -> bytes:
    """Return the time stamp of a moment in unix seconds."""
    return datetime.fromtimestamp(second, WINTER).strftime("%y%m%d%H%M%SW").encode()
