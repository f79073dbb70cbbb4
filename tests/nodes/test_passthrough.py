"""What readers of a passthrough get, byte for byte, and who is let in."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from gateway.lines.serial import SerialLine
from gateway.nodes.p1_port import P1Port
from gateway.nodes.passthrough import Mode
from gateway.nodes.passthrough import node as module
from gateway.protocol.p1.variants import FAST_LINE
from tests.conftest import own_telegram
from tests.nodes.parsing import ripen
from tests.nodes.passthrough_bench import MODES, Bench, connect, numbered
from tests.waiting import running, until

FIRST, SECOND, THIRD = own_telegram("v50_sagemcom-t210d"), own_telegram("v50_iskra-am550-solar"), numbered(3)
PIECES = (1, 7, 64, 1000, 4096)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("piece_bytes", PIECES)
async def test_telegrams_arrive_byte_for_byte_however_they_came(mode: Mode, piece_bytes: int) -> None:
    bench = Bench()
    passthrough = bench.offer(mode)
    async with running(*bench.passthroughs):
        readers = [await connect(passthrough) for _ in range(3)]
        for telegram in (FIRST, SECOND, own_telegram("odd_text-2048-digits"), THIRD):
            bench.feed(telegram, piece_bytes)
            for reader in readers:
                assert await reader.gets(telegram)
        assert passthrough.telegrams_sent == (12 if mode is Mode.TELEGRAMS else 0)


@pytest.mark.parametrize(
    ("mode", "segments"), [(Mode.TELEGRAMS, 1), (Mode.RAW, 8)], ids=["telegrams-in-one", "raw-piece-by-piece"]
)
async def test_a_telegram_goes_out_in_one_write_and_raw_bytes_at_once(mode: Mode, segments: int) -> None:
    bench = Bench()
    passthrough = bench.offer(mode)
    async with running(*bench.passthroughs):
        reader = await connect(passthrough)
        for count in range(1, 4):
            bench.feed(FIRST, piece_bytes=len(FIRST) // 7)
            assert await reader.gets(FIRST)
            assert reader.segments() == count * segments


async def test_telegrams_that_are_refused_reach_raw_readers_alone() -> None:
    bench = Bench()
    telegrams, raw = bench.offer(), bench.offer(Mode.RAW)
    bad = own_telegram("bad_checksum")
    async with running(*bench.passthroughs):
        believing, taking_all = await connect(telegrams), await connect(raw)
        bench.feed(FIRST + bad + b"\xff\0noise\r\n" + SECOND)
        assert await believing.gets(FIRST + SECOND)
        assert await taking_all.gets(FIRST + bad + b"\xff\0noise\r\n" + SECOND)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("piece_bytes", PIECES)
async def test_a_new_reader_begins_where_a_telegram_does(mode: Mode, piece_bytes: int) -> None:
    bench = Bench()
    passthrough = bench.offer(mode)
    async with running(*bench.passthroughs):
        early = await connect(passthrough)
        for cut in (1, 400, len(FIRST) - 7, len(FIRST) - 1):
            bench.feed(FIRST[:cut], piece_bytes)
            late = await connect(passthrough)
            bench.feed(FIRST[cut:] + SECOND, piece_bytes)
            assert await early.gets(FIRST + SECOND)
            # Who gets whole telegrams gets the running one too.
            assert await late.gets(SECOND if mode is Mode.RAW else FIRST + SECOND)
            bench.feed(THIRD)
            assert await late.gets(THIRD)
            assert await early.gets(THIRD)
            late.reset()
            await until(lambda: len(passthrough.clients) == 1, "a reader to be gone")


@pytest.mark.parametrize("piece_bytes", PIECES)
async def test_an_encrypted_stream_passes_as_it_came(piece_bytes: int) -> None:
    bench = Bench()
    raw, telegrams = bench.offer(Mode.RAW), bench.offer()
    ciphered = [b"\xdb\x08" + Random(seed).randbytes(500) + b"\n/ISK5\x11\x13\r\n" for seed in range(4)]
    async with running(*bench.passthroughs):
        early, believing = await connect(raw), await connect(telegrams)
        bench.feed(ciphered[0], piece_bytes, arrived=0.0)
        bench.feed(ciphered[1][:100], piece_bytes, arrived=1.0)
        late = await connect(raw)
        bench.feed(ciphered[1][100:], piece_bytes, arrived=1.1)
        bench.feed(ciphered[2], piece_bytes, arrived=2.0)
        bench.feed(ciphered[3], piece_bytes, arrived=3.0)
        assert await early.gets(b"".join(ciphered))
        assert await late.gets(ciphered[2] + ciphered[3])
        bench.feed(FIRST, arrived=4.0)
        assert await believing.gets(FIRST)


@pytest.mark.parametrize("mode", MODES)
async def test_who_is_greeted_gets_the_newest_telegram_only_while_it_is_fresh(mode: Mode) -> None:
    bench = Bench(stale_after_s=0.5)
    passthrough = bench.offer(mode, greets_with_newest=True)
    async with running(*bench.passthroughs):
        before_any = await connect(passthrough)
        bench.feed(FIRST)
        assert await before_any.gets(FIRST)
        ripen(bench.parser, module.now())
        fresh = await connect(passthrough)
        assert await fresh.gets(FIRST)
        await until(lambda: not bench.meter.is_fresh(module.now()), "the telegram to be stale")
        late = await connect(passthrough)
        bench.feed(SECOND)
        assert await fresh.gets(SECOND)
        assert await late.gets(SECOND)


async def test_who_is_not_greeted_waits_for_the_next_telegram() -> None:
    bench = Bench()
    passthrough = bench.offer()
    async with running(*bench.passthroughs):
        bench.feed(FIRST)
        reader = await connect(passthrough)
        bench.feed(SECOND)
        assert await reader.gets(SECOND)


@pytest.mark.parametrize("mode", MODES)
async def test_readers_are_kept_while_the_meter_is_away(mode: Mode) -> None:
    bench = Bench()
    passthrough = bench.offer(mode)
    async with running(*bench.passthroughs):
        reader = await connect(passthrough)
        bench.feed(FIRST[:500])
        bench.lose_line()
        meanwhile = await connect(passthrough)
        # What comes first after it is the end of a telegram whose beginning is lost.
        bench.feed(SECOND[500:] + THIRD)
        assert await meanwhile.gets(THIRD)
        assert await reader.gets(FIRST[:500] + THIRD if mode is Mode.RAW else THIRD)


@pytest.mark.parametrize("mode", MODES)
async def test_readers_are_closed_when_the_meter_is_lost_where_that_is_configured(mode: Mode) -> None:
    bench = Bench()
    passthrough = bench.offer(mode, closes_on_meter_loss=True)
    async with running(*bench.passthroughs):
        reader = await connect(passthrough)
        bench.feed(FIRST)
        bench.lose_line()
        assert await reader.rest() == FIRST
        again = await connect(passthrough)
        bench.feed(SECOND)
        assert await again.gets(SECOND)


async def test_several_listeners_offer_one_meter_side_by_side() -> None:
    bench = Bench()
    for mode in 3 * MODES:
        bench.offer(mode)
    async with running(*bench.passthroughs):
        readers = [await connect(passthrough) for passthrough in bench.passthroughs]
        for telegram in (FIRST, SECOND, THIRD):
            bench.feed(telegram, piece_bytes=100)
            for reader in readers:
                assert await reader.gets(telegram)


class PtyMeter:
    """A meter at the far end of a serial line."""

    def __init__(self) -> None:
        self.end, slave = os.openpty()
        tty.setraw(slave)
        self.device = os.ttyname(slave)
        self._slave = slave
        os.set_blocking(self.end, False)
        self.heard = b""

    def hears(self, expected: bytes) -> Callable[[], bool]:
        """Whether it has been told this, all in all."""

        def look() -> bool:
            with suppress(BlockingIOError):
                self.heard += os.read(self.end, 4096)
            assert expected.startswith(self.heard)
            return self.heard == expected

        return look

    def close(self) -> None:
        os.close(self.end)
        os.close(self._slave)


async def test_one_reader_at_a_time_writes_to_the_meter_where_that_is_configured(tmp_path: Path) -> None:
    bench, meter = Bench(), PtyMeter()
    port = P1Port("port", bench.meter, [("pty", SerialLine(meter.device, FAST_LINE))], 30.0)
    writable = bench.offer(is_writable=True, line=port)
    port.line_bytes.connect(writable, writable)
    port.line_bytes.connect(bench.parser, bench.parser)
    listening = asyncio.create_task(port.run())
    try:
        async with running(*bench.passthroughs):
            await until(lambda: bench.meter.is_connected, "the line to be open")
            first, second = await connect(writable), await connect(writable)
            first.writer.write(b"/?!\r\n")
            await until(meter.hears(b"/?!\r\n"), "what the first says")
            second.writer.write(b"me too")
            await until(lambda: writable.bytes_swallowed == 6, "what the second says")
            os.write(meter.end, FIRST)
            assert await first.gets(FIRST)
            assert await second.gets(FIRST)
            first.writer.write(b"\x060")
            await until(meter.hears(b"/?!\r\n\x060"), "the first again")
            first.reset()
            await until(lambda: len(writable.clients) == 1, "the first to leave")
            second.writer.write(b"now me")
            await until(meter.hears(b"/?!\r\n\x060now me"), "the second")
            assert writable.bytes_swallowed == 6
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        meter.close()


async def test_nothing_is_written_to_an_offline_meter() -> None:
    bench = Bench()
    port = P1Port("port", bench.meter, [("none", SerialLine("/dev/null/none", FAST_LINE))], 30.0)
    writable = bench.offer(is_writable=True, line=port)
    async with running(*bench.passthroughs):
        reader = await connect(writable)
        reader.writer.write(b"is anybody there")
        await until(lambda: writable.bytes_swallowed == 16, "what it says")
