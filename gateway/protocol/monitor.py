"""What clients asked for and what they were answered."""

from __future__ import annotations

from collections import Counter, deque
from itertools import islice
from typing import NamedTuple

RECENT_REQUESTS = 1000
MAX_COUNTERS = 1000
"""Of one kind. Past it, what a scanner asks is counted in one sum."""
OTHER = -1
"""Stands for the unit ids, functions and exceptions of that sum."""
MAX_CLIENTS = 1000
"""Of which answers are counted, those active last."""


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
        self.answers: dict[str, int] = {}
        """By client, the one silent longest first."""

    def note(self, at: float, client: str, unit_id: int, request: bytes, answer: bytes | None) -> None:
        """Take down one exchange."""
        self.recent.append((at, client, unit_id, request, answer))
        asked = (unit_id, request[0])
        self.requests[asked if asked in self.requests or len(self.requests) < MAX_COUNTERS else (OTHER, OTHER)] += 1
        if answer is not None and answer[0] & 0x80:
            refused = (*asked, answer[1])
            is_counted = refused in self.exceptions or len(self.exceptions) < MAX_COUNTERS
            self.exceptions[refused if is_counted else (OTHER, OTHER, OTHER)] += 1

    def note_client(self, client: str, answers: int) -> None:
        """Count answers to a client; of the one silent longest, the count is given up for a new one."""
        before = self.answers.pop(client, None)
        if before is None:
            before = 0
            if len(self.answers) >= MAX_CLIENTS:
                del self.answers[next(iter(self.answers))]
        self.answers[client] = before + answers

    @property
    def noted(self) -> int:
        """Requests so far."""
        return self.requests.total()

    def since(self, noted: int) -> list[Exchange]:
        """The exchanges after the first `noted` ones, oldest first, as far as they are kept."""
        kept = len(self.recent)
        skipped = max(0, kept - (self.noted - noted))
        return [Exchange(*entry) for entry in islice(self.recent, skipped, kept)]
