"""Where in a running stream of P1 bytes a new reader may begin."""

from __future__ import annotations

SILENCE_S = 0.2
"""A meter pauses this long between two telegrams, and hardly inside one."""
CIPHERED = b"\xdb"
"""What is encrypted begins with this tag (DLMS general-glo-ciphering), and holds no `/` that means anything."""


class JoiningPoint:
    """Finds the beginnings of telegrams in a stream, however its bytes are grouped."""

    def __init__(self) -> None:
        self._at_line_start = True
        self._last_bytes = float("-inf")

    def find(self, data: bytes, arrived: float) -> int | None:
        """Where in these next bytes of the stream, if anywhere, a telegram begins.

        Args:
            data: the bytes.
            arrived: when they came, in seconds of a monotonic clock.

        """
        is_after_silence = arrived - self._last_bytes > SILENCE_S
        at_line_start = self._at_line_start
        self._last_bytes = arrived
        self._at_line_start = data[-1:] in (b"\r", b"\n")
        if is_after_silence and data[:1] == CIPHERED:
            return 0
        if at_line_start and data[:1] == b"/":
            return 0
        starts = [at + 1 for at in (data.find(b"\n/"), data.find(b"\r/")) if at >= 0]
        return min(starts, default=None)
