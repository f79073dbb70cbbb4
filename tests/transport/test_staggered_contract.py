"""`asyncio.staggered` is not documented: these are the properties that connections rely on.

If one of these tests fails with a new version of Python, `gateway/transport/connecting.py` has to be changed with it.
"""

from __future__ import annotations

import asyncio
import inspect
from asyncio.staggered import staggered_race
from collections.abc import Awaitable, Callable

DELAY_S = 0.01
CHANGED = "asyncio.staggered has changed: adapt connect_socket in gateway/transport/connecting.py"


async def race(*attempts: Callable[[], Awaitable[str]], delay_s: float = DELAY_S) -> tuple[object, ...]:
    async with asyncio.timeout(5):
        return tuple(await staggered_race(attempts, delay_s))


async def fail() -> str:
    raise OSError("refused")


async def never() -> str:
    await asyncio.Event().wait()
    return "never"


def answering(text: str) -> Callable[[], Awaitable[str]]:
    async def answer() -> str:
        return text

    return answer


def test_it_takes_the_attempts_and_the_delay_in_this_order() -> None:
    names = list(inspect.signature(staggered_race).parameters)
    assert names[:2] == ["coro_fns", "delay"], CHANGED


async def test_it_returns_the_first_result_with_its_number_and_the_errors_before_it() -> None:
    result, number, errors = await race(fail, answering("second"), never)
    assert (result, number) == ("second", 1), CHANGED
    assert isinstance(errors, list), CHANGED
    assert isinstance(errors[0], OSError), CHANGED


async def test_it_returns_none_with_all_errors_where_every_attempt_fails() -> None:
    result, number, errors = await race(fail, fail)
    assert (result, number) == (None, None), CHANGED
    assert isinstance(errors, list), CHANGED
    assert [type(error) for error in errors] == [OSError, OSError], CHANGED


async def test_it_returns_none_where_there_is_no_attempt() -> None:
    assert await race() == (None, None, []), CHANGED


async def test_it_starts_the_next_attempt_after_the_delay_and_cancels_the_loser() -> None:
    ended: list[str] = []

    async def slow() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("slow")
        return "slow"

    result, number, _ = await race(slow, answering("second"))
    assert (result, number) == ("second", 1), CHANGED
    assert ended == ["slow"], CHANGED


async def test_it_does_not_wait_for_the_delay_after_an_attempt_that_fails() -> None:
    result, number, _ = await race(fail, answering("second"), delay_s=60)
    assert (result, number) == ("second", 1), CHANGED
