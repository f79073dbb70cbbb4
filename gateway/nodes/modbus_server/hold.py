"""Keep a request that is held back until its unit has a new telegram, or until its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.protocol.modbus.repeat import HeldRequest
from gateway.runtime.clock import now


class Hold:
    """The wait of one request; it ends once, with a call of `go_on`, or with `cancel`."""

    def __init__(self, held: HeldRequest, go_on: Callable[[], None]) -> None:
        """Wait for what `held` waits for, and call `go_on` to ask again."""
        self.held = held
        self._go_on = go_on
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Handle = self._loop.call_later(max(0.0, held.until - now()), self._expire)
        held.repeats.waiting[self] = self._wake

    def cancel(self) -> None:
        """Wait no longer: nobody needs the response any more."""
        self._next.cancel()
        self.held.repeats.waiting.pop(self, None)

    def _wake(self) -> None:
        # The telegram goes to all units and readers first.
        self._next.cancel()
        self._next = self._loop.call_soon(self._go_on)

    def _expire(self) -> None:
        self.held.repeats.waiting.pop(self, None)
        self.held.expire()
        self._go_on()
