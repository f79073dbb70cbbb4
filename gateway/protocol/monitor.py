"""What clients asked for and what they were answered."""

from __future__ import annotations

from collections import Counter, deque
from itertools import islice
from typing import NamedTuple

RECENT_REQUESTS = 1000


class Exchange(NamedTuple):
    """One request and its answer."""

    at: float
    """On the monotonic clock, in seconds."""
    client: str
    unit_id: int
    request: bytes
    """The PDU."""
    answer: bytes | None
    """The PDU, None where none was given."""

    def __str__(self) -> str:
        function_code = self.request[0]
        asked = f"FC{function_code:02}"
        if function_code in (3, 4) and len(self.request) == 5:
            address, count = (int.from_bytes(self.request[i : i + 2], "big") for i in (1, 3))
            asked += f" address {address} ({address + 1 + (40_000 if function_code == 3 else 30_000)}) count {count}"
        return f"{self.client} unit {self.unit_id} {asked}: {_outcome(self.answer)}"


def _outcome(answer: bytes | None) -> str:
    if answer is None:
        return "no answer"
    return f"exception 0x{answer[1]:02X}" if answer[0] & 0x80 else f"{len(answer)} bytes {answer[2:].hex(' ', 2)}"


class Monitor:
    """Counts requests and keeps the newest; cheap enough to be always on."""

    def __init__(self) -> None:
        self.recent: deque[tuple[float, str, int, bytes, bytes | None]] = deque(maxlen=RECENT_REQUESTS)
        """The fields of `Exchange`, oldest first."""
        self.requests: Counter[tuple[int, int]] = Counter()
        """By unit id and function code."""
        self.exceptions: Counter[tuple[int, int, int]] = Counter()
        """By unit id, function code and exception code."""

    def note(self, at: float, client: str, unit_id: int, request: bytes, answer: bytes | None) -> None:
        """Take down one exchange."""
        self.recent.append((at, client, unit_id, request, answer))
        self.requests[unit_id, request[0]] += 1
        if answer is not None and answer[0] & 0x80:
            self.exceptions[unit_id, request[0], answer[1]] += 1

    @property
    def noted(self) -> int:
        """Requests so far."""
        return self.requests.total()

    def since(self, noted: int) -> list[Exchange]:
        """The exchanges after the first `noted` ones, oldest first, as far as they are kept."""
        kept = len(self.recent)
        skipped = max(0, kept - (self.noted - noted))
        return [Exchange(*entry) for entry in islice(self.recent, skipped, kept)]
