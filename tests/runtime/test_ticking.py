"""Many looks share few timers, each is made once per period, and one that fails or ends does not affect the others."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from unittest.mock import patch

import pytest

from gateway.runtime import ticking
from gateway.runtime.ticking import SLOTS, look_each

PERIOD_S = 1.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when nothing is left to do, and that counts its timers."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = 0.0
        self.timers = 0

    def time(self) -> float:
        return self.moment

    def call_at(self, when: float, callback: Any, *args: Any, **keys: Any) -> asyncio.TimerHandle:
        self.timers += 1
        return super().call_at(when, callback, *args, **keys)

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.moment = max(self.moment, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def in_virtual_time(main: Any) -> VirtualLoop:
    loop = VirtualLoop()
    with patch.object(ticking, "now", loop.time), asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main(loop))
    assert not ticking._WHEELS
    return loop


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 500])
def test_each_look_is_made_once_per_period_and_few_timers_are_needed(count: int) -> None:
    looks: Counter[int] = Counter()

    async def main(loop: VirtualLoop) -> None:
        tasks = [
            asyncio.create_task(look_each(PERIOD_S, lambda _, each=number: looks.update([each])))
            for number in range(count)
        ]
        await asyncio.sleep(10 * PERIOD_S + 0.001)
        assert set(looks.values()) <= {9, 10}
        assert loop.timers <= 11 * min(count, SLOTS) + 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    in_virtual_time(main)
    assert len(looks) == count


def test_looks_are_spread_over_the_period() -> None:
    at: Counter[float] = Counter()

    async def main(loop: VirtualLoop) -> None:
        tasks = [asyncio.create_task(look_each(PERIOD_S, lambda _: at.update([loop.moment]))) for _ in range(1000)]
        await asyncio.sleep(3.5 * PERIOD_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    in_virtual_time(main)
    assert max(at.values()) == 1000 / SLOTS


def test_a_look_ends_with_its_result_or_its_error_and_the_others_go_on() -> None:
    count = 0

    def failing(_: float) -> None:
        raise OSError("gone")

    def counting(_: float) -> str | None:
        nonlocal count
        count += 1
        return "five" if count == 5 else None

    async def main(loop: VirtualLoop) -> None:
        tasks = [asyncio.create_task(look_each(PERIOD_S, look)) for look in (failing, counting)]
        with pytest.raises(OSError, match="gone"):
            await tasks[0]
        assert await tasks[1] == "five"
        assert 4 * PERIOD_S <= loop.moment <= 6 * PERIOD_S

    in_virtual_time(main)


def test_a_look_is_made_at_once_when_its_future_is_done() -> None:
    async def main(loop: VirtualLoop) -> None:
        closed = loop.create_future()
        loop.call_later(0.125, closed.set_result, None)
        assert await look_each(PERIOD_S, lambda _: loop.moment if closed.done() else None, closed) == 0.125

    in_virtual_time(main)


def test_bytes_that_have_come_are_read_before_a_look() -> None:
    order: list[str] = []

    async def main(loop: VirtualLoop) -> None:
        def late() -> None:
            # As after a standstill: the timer is due, and bytes have come.
            loop.moment += 5 * PERIOD_S
            loop.call_soon(order.append, "bytes")

        loop.call_later(0.5 * PERIOD_S, late)
        await look_each(PERIOD_S, lambda _: order.append("look") or True)

    in_virtual_time(main)
    assert order == ["bytes", "look"]


def test_after_a_standstill_looks_are_made_once_and_not_made_up_for() -> None:
    moments: list[float] = []

    async def main(loop: VirtualLoop) -> None:
        def stand_still() -> None:
            loop.moment += 60 * PERIOD_S

        loop.call_later(2.5 * PERIOD_S, stand_still)
        task = asyncio.create_task(look_each(PERIOD_S, lambda _: moments.append(loop.moment)))
        await asyncio.sleep(65 * PERIOD_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    in_virtual_time(main)
    assert 4 <= len(moments) <= 6
