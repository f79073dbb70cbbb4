"""The line of a meter whose telegrams are posted."""

from __future__ import annotations

import asyncio

import pytest

from gateway.lines.push import PushLine

LIMIT_S = 60.0


async def test_the_line_is_open_from_the_first_post_until_it_is_closed() -> None:
    line, received = PushLine(), bytearray()
    line.close()
    assert not line.post(b"before it is opened")
    for _ in range(2):
        opening = asyncio.ensure_future(line.open(received.extend))
        await asyncio.sleep(0)
        assert not opening.done()
        assert line.post(b"first")
        closed = await asyncio.wait_for(opening, LIMIT_S)
        assert line.post(b"second")
        assert not line.write(b"x")
        line.close()
        assert not line.post(b"after it is closed")
        assert await asyncio.wait_for(closed, LIMIT_S) is None
    assert received == b"firstsecond" * 2


async def test_a_line_whose_opening_is_cancelled_takes_no_posts() -> None:
    line = PushLine()
    opening = asyncio.ensure_future(line.open(lambda _data: None))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not line.post(b"x")
