"""Responses that are made once, and shared by all who ask for them until there is something new.

A response is made again when a telegram came or a status changed, or after `SHARED_S`. Whoever asks while it is being
made waits for the same one. So the work of the page does not grow with the number of its viewers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from gateway.runtime.clock import now

SHARED_S = 0.25
"""Longest time for which a response is shared. Ages in it are older by that time."""
MAX_SHARED = 32
"""Largest number of responses that are kept; the oldest is dropped for another one."""


@dataclass(frozen=True, slots=True)
class _Made:
    body: asyncio.Task[bytes]
    signature: object
    at: float


class Shared:
    """The newest responses."""

    def __init__(self, signature: Callable[[], object]) -> None:
        """Share responses until the result of `signature` changes."""
        self._signature = signature
        self._made: dict[Hashable, _Made] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return the response for `key`, which `make` returns if there is none or it is old."""
        made, signature, moment = self._made.get(key), self._signature(), now()
        if made is None or made.signature != signature or moment - made.at > SHARED_S:
            self._made.pop(key, None)
            if len(self._made) >= MAX_SHARED:
                del self._made[next(iter(self._made))]
            made = self._made[key] = _Made(
                asyncio.create_task(_awaited(make), name=f"response {key}"), signature, moment
            )
        return await asyncio.shield(made.body)


async def _awaited(make: Callable[[], Awaitable[bytes]]) -> bytes:
    return await make()
