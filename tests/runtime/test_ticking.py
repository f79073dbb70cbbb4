"""Many looks share few timers, each is made once per period, and one that fails or ends does not affect the others."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest

from gateway.runtime import ticking
from gateway.runtime.ticking import LONG_PAUSE_S, SELDOM_S, SLOTS, TURN_S, Rest, look_each, pause

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
        assert set(looks.values()) == {10}
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


@pytest.mark.parametrize("pause_s", [0.0, 0.01, 0.049, 0.05, 0.5, 0.951, 0.999])
def test_the_first_look_is_made_within_a_period_and_does_not_delay_those_of_others(pause_s: float) -> None:
    first: list[float] = []
    second: list[float] = []

    async def main(loop: VirtualLoop) -> None:
        tasks = [asyncio.create_task(look_each(PERIOD_S, lambda _: first.append(loop.moment)))]
        await asyncio.sleep(PERIOD_S + pause_s)
        tasks.append(asyncio.create_task(look_each(PERIOD_S, lambda _: second.append(loop.moment))))
        await asyncio.sleep(3.5 * PERIOD_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    in_virtual_time(main)
    assert first[:4] == pytest.approx([1, 2, 3, 4])
    assert 0 < second[0] - (PERIOD_S + pause_s) <= PERIOD_S + 1e-9
    assert second[:3] == pytest.approx([second[0], second[0] + 1, second[0] + 2])


@pytest.mark.parametrize("how", ["raises CancelledError", "cancels its task", "cancels its task and fails"])
def test_a_look_that_is_cancelled_does_not_stop_the_others(how: str) -> None:
    at: list[float] = []
    tasks: list[asyncio.Task[Any]] = []

    def look(_: float) -> str:
        if how == "raises CancelledError":
            raise asyncio.CancelledError
        tasks[0].cancel()
        if how == "cancels its task and fails":
            raise OSError("gone")
        return "done"

    async def main(loop: VirtualLoop) -> None:
        tasks.append(asyncio.create_task(look_each(PERIOD_S, look)))
        tasks.append(asyncio.create_task(look_each(PERIOD_S, lambda _: at.append(loop.moment))))
        await asyncio.sleep(4 * PERIOD_S)
        assert tasks[0].cancelled()
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    in_virtual_time(main)
    assert len(at) == 4


def test_looks_that_come_and_go_are_made_once_per_period() -> None:
    choose = random.Random(1)
    gaps: list[float] = []
    first: list[float] = []

    async def main(loop: VirtualLoop) -> None:
        tasks: list[asyncio.Task[Any]] = []

        def begin() -> None:
            last = loop.moment
            is_first = True

            def look(_: float) -> bool | None:
                nonlocal last, is_first
                (first if is_first else gaps).append(loop.moment - last)
                last, is_first = loop.moment, False
                return choose.random() < 0.05 or None

            tasks.append(asyncio.create_task(look_each(PERIOD_S, look)))

        for _ in range(1000):
            if choose.random() < 0.6 or not tasks:
                begin()
            else:
                tasks.pop(choose.randrange(len(tasks))).cancel()
            await asyncio.sleep(choose.choice([0, 0.001, 0.01, 0.1, 0.5, 1.3]))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    in_virtual_time(main)
    assert max(first) <= PERIOD_S + 1e-9
    assert min(gaps) >= PERIOD_S - 1e-9
    assert max(gaps) <= PERIOD_S + 1e-9


@pytest.mark.parametrize("period_s", [0.0, 0.021, 0.3, 1 / 3])
def test_a_wheel_ends_with_its_last_look_whatever_its_period(period_s: float) -> None:
    async def main(loop: VirtualLoop) -> None:
        looks = iter(range(30))
        assert await look_each(period_s, lambda _: next(looks) == 29 or None)
        assert loop.moment == pytest.approx(30 * period_s)

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


@pytest.mark.parametrize("count", [1, 3, 50])
def test_a_node_that_rests_is_looked_at_seldom_until_its_rest_ends(count: int) -> None:
    moments: list[float] = []
    wake: set[Callable[[], None]] = set()

    async def main(loop: VirtualLoop) -> None:
        rests = [Rest(wake) for _ in range(count)]
        rests[0].begin()  # nothing looks yet
        tasks = [
            asyncio.create_task(look_each(PERIOD_S, lambda _: moments.append(loop.moment), rest=rest)) for rest in rests
        ]
        await asyncio.sleep(5 * PERIOD_S + 0.001)
        assert len(moments) == 5 * count
        for rest in (*rests, *rests):
            rest.begin()
        await asyncio.sleep(3 * SELDOM_S + 0.001)
        assert len(moments) == (5 + 3) * count
        for end in wake:
            end()
        moments.clear()
        await asyncio.sleep(PERIOD_S + 0.001)
        assert len(moments) == count
        rests[0].begin()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        rests[0].end()  # nothing looks any more

    in_virtual_time(main)
    assert not wake


def test_a_node_may_begin_and_end_its_rest_while_it_is_looked_at() -> None:
    moments: list[float] = []
    rest = Rest(set())

    async def main(loop: VirtualLoop) -> None:
        def look(_: float) -> bool | None:
            moments.append(loop.moment)
            (rest.end if rest.is_on else rest.begin)()
            return len(moments) == 5 or None

        await look_each(PERIOD_S, look, rest=rest)

    in_virtual_time(main)
    gaps = [round(later - earlier, 6) for earlier, later in pairwise(moments)]
    assert gaps == [SELDOM_S, PERIOD_S, SELDOM_S, PERIOD_S]


def test_long_pauses_end_together_and_never_late() -> None:
    choose = random.Random(1)
    ended: Counter[float] = Counter()

    async def main(loop: VirtualLoop) -> None:
        async def wait(seconds: float) -> None:
            await pause(seconds)
            assert seconds - TURN_S - 1e-9 <= loop.moment <= seconds + 1e-9
            ended[loop.moment] += 1

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(wait(choose.uniform(LONG_PAUSE_S, LONG_PAUSE_S + 1))) for _ in range(500)]
            tasks[0].cancel()
        assert loop.timers <= 1 / TURN_S + 2

    in_virtual_time(main)
    assert ended.total() == 499
    assert len(ended) <= 1 / TURN_S + 1
    assert not ticking._PAUSES


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.5, LONG_PAUSE_S - 0.01])
def test_a_short_pause_ends_at_its_time(seconds: float) -> None:
    async def main(loop: VirtualLoop) -> None:
        await pause(seconds)
        assert loop.moment == pytest.approx(seconds)

    in_virtual_time(main)
