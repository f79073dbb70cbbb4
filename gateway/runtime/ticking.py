"""Regular looks at many things with few timers.

A node looks at itself each second or more often: is the line silent, is a telegram overdue, what is the status. A task
and a timer for each look would be most of the work of a gateway with thousands of meters. So all looks of a period
share a wheel: a circle of slots that are due one after the other, with one timer for the next slot that is in use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from gateway.runtime.clock import now

SLOTS = 20
"""Number of slots of a wheel: the looks of one slot are made together, and block the event loop for so long."""

T = TypeVar("T")

Look = Callable[[float], T | None]
"""A function of the present moment that returns None to go on, or the result with which the looks end."""


async def look_each(period_s: float, look: Look[T], wake: asyncio.Future[Any] | None = None) -> T:
    """Call `look` once per period until it returns a result, and return that.

    `look` is called after the event loop has read the bytes that have come, with the moment before that: a late event
    loop runs its timers before it reads. An exception of `look` is raised here.

    Args:
        period_s: seconds between two calls.
        look: the function.
        wake: a future; when it is done, `look` is called at once.

    """
    loop = asyncio.get_running_loop()
    watch = _Watch(look, loop.create_future())
    wheel = _wheel_of(loop, period_s)
    slot = wheel.add(watch)
    if wake is not None:
        wake.add_done_callback(watch.wake)
    try:
        result: T = await watch.result
        return result
    finally:
        wheel.remove(watch, slot)
        if wake is not None:
            wake.remove_done_callback(watch.wake)


class _Watch:
    """One function that is called regularly."""

    __slots__ = ("look", "result")

    def __init__(self, look: Look[Any], result: asyncio.Future[Any]) -> None:
        self.look = look
        self.result = result

    def run(self, moment: float) -> None:
        """Call the function, unless it has ended."""
        if self.result.done():
            return
        try:
            result = self.look(moment)
        except Exception as error:
            self.result.set_exception(error)
        else:
            if result is not None:
                self.result.set_result(result)

    def wake(self, _: object) -> None:
        """Call the function now."""
        self.run(now())


class _Wheel:
    """All functions that are called with one period."""

    def __init__(self, loop: asyncio.AbstractEventLoop, period_s: float) -> None:
        self._loop = loop
        self._step_s = period_s / SLOTS
        self._slots: list[dict[_Watch, None]] = [{} for _ in range(SLOTS)]
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._at = 0
        self._due = 0.0

    @property
    def is_empty(self) -> bool:
        return not any(self._slots)

    def add(self, watch: _Watch) -> int:
        """Add a function to the slot with the fewest, and return its index."""
        if self.is_empty:
            self._at, self._due = 0, now()
        # A function that is alone is first called after a whole period: in the slot that was due last.
        order = [(self._at - back) % SLOTS for back in range(SLOTS)]
        index = min(order, key=lambda each: len(self._slots[each]))
        self._slots[index][watch] = None
        self._plan()
        return index

    def remove(self, watch: _Watch, index: int) -> None:
        """Remove a function."""
        self._slots[index].pop(watch, None)
        if self.is_empty and self._timer:
            self._timer.cancel()
            self._timer = None
            _WHEELS.pop((self._loop, SLOTS * self._step_s), None)

    def _plan(self) -> None:
        """Set the timer for the next slot that is in use."""
        if self._timer is not None:
            return
        steps = next(step for step in range(1, SLOTS + 1) if self._slots[(self._at + step) % SLOTS])
        self._at = (self._at + steps) % SLOTS
        moment = now()
        self._due = max(self._due + steps * self._step_s, moment)
        self._timer = self._loop.call_later(self._due - moment, self._read_first, 2)

    def _read_first(self, turns: int, moment: float | None = None) -> None:
        """Let the event loop read what has come, which takes two more turns, and then call the functions."""
        moment = now() if moment is None else moment
        if turns:
            self._timer = self._loop.call_soon(self._read_first, turns - 1, moment)
            return
        self._timer = None
        for watch in list(self._slots[self._at]):
            watch.run(moment)
        if not self.is_empty:
            self._plan()


_WHEELS: dict[tuple[asyncio.AbstractEventLoop, float], _Wheel] = {}
"""Wheels by event loop and period; each exists while a function uses it."""


def _wheel_of(loop: asyncio.AbstractEventLoop, period_s: float) -> _Wheel:
    wheel = _WHEELS.get((loop, period_s))
    if wheel is None:
        wheel = _WHEELS[loop, period_s] = _Wheel(loop, period_s)
    return wheel
