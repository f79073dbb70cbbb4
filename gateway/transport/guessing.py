"""Wrong passwords: counted for each source and for all together, and their responses delayed.

The password is compared before anything is counted, so that the right one is accepted whoever else guesses: from the
same address, which a household or a proxy shares, or from many addresses at once. A wrong one costs its sender time:
once there are too many in a minute, each response waits. The number of responses that wait is bounded, also for one
source, so that guesses do not pile up connections. Beyond that number the response comes at once and closes the
connection.

A source is an IPv4 address, or the /64 network of an IPv6 address: one subscriber has at least that many addresses.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress

MAX_WRONG_PASSWORDS = 10
"""Largest number of wrong passwords of one source in `WINDOW_S` whose responses are not delayed."""
MAX_WRONG_TOTAL = 100
"""Largest number of wrong passwords of all sources in `WINDOW_S` whose responses are not delayed."""
WINDOW_S = 60.0
MAX_SOURCES = 1000
"""Largest number of sources whose wrong passwords are counted. Beyond it, the oldest are removed."""
DELAY_S = 1.0
"""Time that a response waits."""
MAX_DELAYED, MAX_DELAYED_PER_SOURCE = 16, 2
"""Largest number of responses that wait at a time."""


class Guessing:
    """The wrong passwords of the last minute."""

    def __init__(self, note_burst: Callable[[str], None] = lambda _text: None) -> None:
        """Call `note_burst` with a text for the log when too many wrong passwords come."""
        self.total = 0
        """Number of wrong passwords since the start."""
        self._note_burst = note_burst
        self._sources: dict[str, deque[float]] = {}
        self._all = deque[float](maxlen=MAX_WRONG_TOTAL)
        self._delayed = Counter[str]()
        self._closing = asyncio.Event()

    def __len__(self) -> int:
        return len(self._sources)

    def note(self, source: str, now: float) -> float | None:
        """Count a wrong password; return the seconds until there is no delay any more, None if there is none now."""
        self.total += 1
        times = self._sources.pop(source, None) or deque(maxlen=MAX_WRONG_PASSWORDS)
        while len(self._sources) >= MAX_SOURCES:
            del self._sources[next(iter(self._sources))]
        self._sources[source] = times
        until_all, until_own = _count(self._all, now), _count(times, now)
        if until_all is not None:
            self._note_burst(f"more than {MAX_WRONG_TOTAL} wrong passwords in a minute: their responses are delayed")
        elif until_own is not None:
            self._note_burst(f"wrong passwords from {source}: their responses are delayed")
        waits = [each for each in (until_all, until_own) if each is not None]
        return max(waits) if waits else None

    async def delay(self, source: str) -> None:
        """Wait before the response to a wrong password, unless too many wait already."""
        if self._delayed.total() >= MAX_DELAYED or self._delayed[source] >= MAX_DELAYED_PER_SOURCE:
            return
        self._delayed[source] += 1
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), DELAY_S)
        finally:
            self._delayed[source] -= 1
            if not self._delayed[source]:
                del self._delayed[source]

    def close(self) -> None:
        """Let all responses that wait go out."""
        self._closing.set()


def _count(times: deque[float], now: float) -> float | None:
    """Add a wrong password at `now`; return the seconds until fewer than the limit remain, None if they do now."""
    is_full = len(times) == times.maxlen and now - times[0] < WINDOW_S
    times.append(now)
    return WINDOW_S - (now - times[0]) if is_full else None
