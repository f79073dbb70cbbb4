"""Turns: pieces of work that take long for an event loop are done one at a time, with a pause after each.

A flood of such work would make every other client wait: a Modbus request, a telegram. With turns, the work of the
whole flood takes a bounded part of the time, and whoever waits for anything else waits for one piece at most. The
sources that wait are served in rotation (`addresses.source_of`), each in the order in which it asked, so that one that
floods makes only itself wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable

Work = Callable[[], bool]
"""A piece of work; it returns False if there was nothing to do, because the client that asked for it is gone."""


class Turns:
    """A queue of work for each source."""

    def __init__(self, pause_s: float) -> None:
        """Pause for `pause_s` seconds after each piece of work, in which others are served."""
        self._pause_s = pause_s
        self._waiting: dict[Hashable, deque[Work]] = {}
        self._next_turn: asyncio.Handle | None = None

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def ask(self, source: Hashable, work: Work) -> None:
        """Call `work` in its turn: soon, if nobody waits and the last pause is over."""
        self._waiting.setdefault(source, deque()).append(work)
        if self._next_turn is None:
            self._next_turn = asyncio.get_running_loop().call_soon(self._work)

    async def wait(self, source: Hashable, is_wanted: Callable[[], bool]) -> None:
        """Wait for a turn, or until it is no longer wanted."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def begin() -> bool:
            is_needed = is_wanted()
            if not turn.done():
                turn.set_result(None)
            return is_needed

        self.ask(source, begin)
        await turn

    def close(self) -> None:
        """Drop all work that waits."""
        self._waiting.clear()

    def _work(self) -> None:
        self._next_turn = None
        loop = asyncio.get_running_loop()
        while self._waiting:
            source, queue = next(iter(self._waiting.items()))
            del self._waiting[source]
            work = queue.popleft()
            if queue:
                self._waiting[source] = queue  # behind all others
            if self._next_turn is None:
                self._next_turn = loop.call_later(self._pause_s, self._work)
            if work():
                return
        if self._next_turn:
            self._next_turn.cancel()
            self._next_turn = None
