"""Encrypted telegrams pass as they came, though the gateway cannot read them."""

from __future__ import annotations

import pytest

from tests.nodes.passthrough_bench import MODES, Bench, Mode, connect
from tests.waiting import running

FRAME = b"\xdb\x08SIM00001\x82\x01\x00\x30" + bytes(range(255))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("piece_bytes", [1, 64, 4096])
async def test_encrypted_telegrams_pass_whole(mode: Mode, piece_bytes: int) -> None:
    bench = Bench()
    passthrough = bench.offer(mode)
    async with running(*bench.passthroughs):
        reader = await connect(passthrough)
        for _ in range(3):
            bench.feed(FRAME, piece_bytes)
            assert await reader.gets(FRAME)
    assert bench.meter.accepted == 0


async def test_the_rest_of_an_encrypted_telegram_reaches_nobody_in_the_mode_of_whole_ones() -> None:
    bench = Bench()
    passthrough = bench.offer(Mode.TELEGRAMS)
    async with running(*bench.passthroughs):
        reader = await connect(passthrough)
        bench.feed(FRAME[100:])
        bench.lose_line()
        bench.feed(FRAME[:100])
        bench.lose_line()
        bench.feed(FRAME)
        assert await reader.gets(FRAME)
    assert passthrough.telegrams_sent == 1
