"""Where in a running stream of P1 bytes a new reader may begin."""

from __future__ import annotations

import re

SILENCE_S = 0.2
"""A meter pauses this long between two telegrams, and hardly inside one."""
CIPHERED = b"\xdb"
"""What is encrypted begins with this tag (DLMS general-glo-ciphering), and holds no `/` that means anything."""
_START = re.compile(rb"(?<![ -~])/")
"""At a line start, or behind the noise that a line makes where a meter pauses."""


class JoiningPoint:
    """Finds the beginnings of telegrams in a stream, however its bytes are grouped."""

    def __init__(self) -> None:
        self._last_byte = b""
        self._last_bytes = float("-inf")
        self._is_ciphered = False

    def find(self, data: bytes, arrived: float) -> int | None:
        """Where in these next bytes of the stream, if anywhere, a telegram begins.

        Args:
            data: the bytes.
            arrived: when they came, in seconds of a monotonic clock.

        """
        is_after_silence = arrived - self._last_bytes > SILENCE_S
        before = b"" if is_after_silence else self._last_byte
        self._last_byte, self._last_bytes = data[-1:], arrived
        if is_after_silence:
            self._is_ciphered = data[:1] == CIPHERED
            if self._is_ciphered:
                return 0
        if self._is_ciphered:
            return None
        match = _START.search(before + data, len(before))
        return match.start() - len(before) if match else None
