"""Regular looks at many things with few timers.

A node looks at itself each second or more often: is the line silent, is a telegram overdue, what is the status. A task
and a timer for each look would be most of the work of a gateway with thousands of meters. So all looks of a period
share a wheel: a circle of slots that are due one after the other, with one timer for the next slot that is in use.

A look never stops the others: the timer of the next slot is set before the looks of a slot are made.

A node that waits for something outside the gateway, such as a meter that is offline, has nothing to look at but the
seconds that it shows. It rests: it is looked at seldom until someone ends its rest.

A pause before a new attempt may end a little early, together with the pauses of others: the attempts of one turn cost
much less than each on its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from gateway.runtime.clock import now

SLOTS = 20
"""Number of slots of a wheel: the looks of one slot are made together, and block the event loop for so long."""

READ_TURNS = 2
"""Number of turns in which an event loop reads what had come when a timer was due."""

SELDOM_S = 10.0
"""Seconds between two looks at a node that rests."""

TURN_S = 0.1
"""Seconds between the moments at which long pauses end."""
LONG_PAUSE_S = 1.0
"""Shortest pause that ends together with others."""

T = TypeVar("T")

Look = Callable[[float], T | None]
"""A function of the present moment that returns None to go on, or the result with which the looks end."""


class Rest:
    """A switch between the regular looks at a node and seldom ones."""

    __slots__ = ("_period_s", "_wake", "_watch", "is_on")

    def __init__(self, wake: set[Callable[[], None]]) -> None:
        """Switch back to regular looks when the functions in `wake` are called."""
        self._wake = wake
        self.is_on = False
        """True while the node is looked at seldom."""
        self._watch: _Watch | None = None
        self._period_s = 0.0

    def begin(self) -> None:
        """Look seldom from now on."""
        if self._watch and not self.is_on:
            self.is_on = True
            self._watch.move(SELDOM_S)

    def end(self) -> None:
        """Look regularly again; the first look is within a period."""
        if self._watch and self.is_on:
            self.is_on = False
            self._watch.move(self._period_s)

    def use(self, watch: _Watch | None, period_s: float = 0.0) -> None:
        """Switch these looks, which are regular now; None if there are no more looks."""
        self._watch, self._period_s, self.is_on = watch, period_s, False
        (self._wake.add if watch else self._wake.discard)(self.end)


async def look_each(
    period_s: float, look: Look[T], wake: asyncio.Future[Any] | None = None, rest: Rest | None = None
) -> T:
    """Call `look` once per period until it returns a result, and return that; the first call is within a period.

    `look` is called after the event loop has read the bytes that have come, with the moment before that: a late event
    loop runs its timers before it reads. An exception of `look` is raised here.

    Args:
        period_s: seconds between two calls.
        look: the function.
        wake: a future; when it is done, `look` is called at once.
        rest: switches to seldom calls and back.

    """
    loop = asyncio.get_running_loop()
    watch = _Watch(look, loop.create_future(), period_s)
    if rest is not None:
        rest.use(watch, period_s)
    if wake is not None:
        wake.add_done_callback(watch.wake)
    try:
        result: T = await watch.result
        return result
    finally:
        watch.end()
        if rest is not None:
            rest.use(None)
        if wake is not None:
            wake.remove_done_callback(watch.wake)


class _Watch:
    """One function that is called regularly."""

    __slots__ = ("_slot", "_wheel", "look", "result")

    def __init__(self, look: Look[Any], result: asyncio.Future[Any], period_s: float) -> None:
        self.look = look
        self.result = result
        self._begin(period_s)

    def _begin(self, period_s: float) -> None:
        self._wheel = _wheel_of(self.result.get_loop(), period_s)
        self._slot = self._wheel.add(self)

    def move(self, period_s: float) -> None:
        """Call the function with another period from now on."""
        self.end()
        self._begin(period_s)

    def end(self) -> None:
        """Call the function no more."""
        self._wheel.remove(self, self._slot)

    def run(self, moment: float) -> None:
        """Call the function, unless it has ended."""
        if self.result.done():
            return
        try:
            result = self.look(moment)
        except asyncio.CancelledError:
            self.result.cancel()
        except Exception as error:
            # The function may have cancelled its own task.
            if not self.result.done():
                self.result.set_exception(error)
        else:
            if result is not None and not self.result.done():
                self.result.set_result(result)

    def wake(self, _: object) -> None:
        """Call the function now."""
        self.run(now())


class _Wheel:
    """All functions that are called with one period."""

    def __init__(self, loop: asyncio.AbstractEventLoop, period_s: float) -> None:
        self._loop = loop
        self._period_s = period_s
        self._step_s = period_s / SLOTS
        self._slots: list[dict[_Watch, None]] = [{} for _ in range(SLOTS)]
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0
        """The slot that was due last."""
        self._due = now()
        """The moment at which it was due."""
        self._steps = SLOTS
        """Number of steps from it to the slot that the timer is set for."""

    def add(self, watch: _Watch) -> int:
        """Add a function to the slot with the fewest, and return its index."""
        self._pass_empty_slots()
        # A function that is alone is first called after a whole period: in the slot that was due last.
        order = [(self._at - back) % SLOTS for back in range(SLOTS)]
        index = min(order, key=lambda each: len(self._slots[each]))
        self._slots[index][watch] = None
        self._plan()
        return index

    def remove(self, watch: _Watch, index: int) -> None:
        """Remove a function."""
        self._slots[index].pop(watch, None)
        if self._timer and not any(self._slots):
            self._timer.cancel()
            self._timer = None
            del _WHEELS[self._loop, self._period_s]

    def _pass_empty_slots(self) -> None:
        """Go on to the slot that is due by now, as far as the slots up to it are empty and have no timer."""
        if self._timer and self._step_s:
            passed = min(int((now() - self._due) / self._step_s), self._steps - 1)
            self._at = (self._at + passed) % SLOTS
            self._due += passed * self._step_s
            self._steps -= passed

    def _plan(self) -> None:
        """Set the timer for the next slot that is in use, unless it is set for that."""
        steps = next(step for step in range(1, SLOTS + 1) if self._slots[(self._at + step) % SLOTS])
        if self._timer:
            if steps >= self._steps:
                return
            self._timer.cancel()
        self._steps = steps
        pause_s = self._due + steps * self._step_s - now()
        self._timer = self._loop.call_later(max(0.0, pause_s), self._turn)

    def _turn(self) -> None:
        """Go on to the slot that is due, and call its functions soon."""
        moment = now()
        self._at = (self._at + self._steps) % SLOTS
        # After a standstill, the slots that were due in it are not made up for.
        self._due = max(self._due + self._steps * self._step_s, moment - self._step_s)
        self._timer = None
        self._plan()
        _read_first(self._loop, READ_TURNS, list(self._slots[self._at]), moment)


def _read_first(loop: asyncio.AbstractEventLoop, turns: int, watches: list[_Watch], moment: float) -> None:
    """Let the event loop read what has come, and then call the functions."""
    if turns:
        loop.call_soon(_read_first, loop, turns - 1, watches, moment)
        return
    for watch in watches:
        watch.run(moment)


_WHEELS: dict[tuple[asyncio.AbstractEventLoop, float], _Wheel] = {}
"""Wheels by event loop and period; each exists while a function uses it."""


def _wheel_of(loop: asyncio.AbstractEventLoop, period_s: float) -> _Wheel:
    wheel = _WHEELS.get((loop, period_s))
    if wheel is None:
        wheel = _WHEELS[loop, period_s] = _Wheel(loop, period_s)
    return wheel


async def pause(seconds: float) -> None:
    """Wait for that time; a long pause ends up to `TURN_S` earlier, together with others."""
    if seconds < LONG_PAUSE_S:
        await asyncio.sleep(seconds)
        return
    loop = asyncio.get_running_loop()
    moment = now()
    turn = int((moment + seconds) / TURN_S)
    waiting = _PAUSES.get((loop, turn))
    if waiting is None:
        waiting = _PAUSES[loop, turn] = []
        loop.call_later(turn * TURN_S - moment, _end_pauses, loop, turn)
    future = loop.create_future()
    waiting.append(future)
    await future


_PAUSES: dict[tuple[asyncio.AbstractEventLoop, int], list[asyncio.Future[None]]] = {}
"""Futures of long pauses by event loop and the turn in which they end, counted in `TURN_S`."""


def _end_pauses(loop: asyncio.AbstractEventLoop, turn: int) -> None:
    for future in _PAUSES.pop((loop, turn)):
        if not future.done():
            future.set_result(None)
