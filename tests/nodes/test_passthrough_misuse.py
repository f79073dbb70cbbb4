"""Readers that are slow, dead, rude or hostile: the others miss nothing, and what is held for one is bounded."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.nodes.passthrough import Mode
from gateway.nodes.passthrough import node as module
from gateway.nodes.passthrough.reader import QUEUE_BYTES, SEND_BUFFER_BYTES
from gateway.transport.clients import Admission, Eviction
from tests.certificates import client_context, make_certificates
from tests.nodes.passthrough_bench import (
    MODES,
    SMALL_BUFFER_BYTES,
    Bench,
    Reader,
    connect,
    feed_each,
    number_of,
    numbered,
)
from tests.waiting import running, until

KERNEL_BYTES = 2 * SEND_BUFFER_BYTES + 2 * SMALL_BUFFER_BYTES
"""Between gateway and reader; the kernel keeps up to twice what it is asked for."""
TELEGRAM_BYTES = len(numbered(0))
HELD_BYTES = QUEUE_BYTES + KERNEL_BYTES + 4 * SMALL_BUFFER_BYTES + 2 * TELEGRAM_BYTES
"""The most that a reader which reads nothing is behind; its own program holds some too."""


def whole_telegrams(data: bytes) -> list[int]:
    """The numbers of telegrams that must be whole."""
    assert len(data) % TELEGRAM_BYTES == 0
    telegrams = [data[at : at + TELEGRAM_BYTES] for at in range(0, len(data), TELEGRAM_BYTES)]
    numbers = [number_of(telegram) for telegram in telegrams]
    assert telegrams == [numbered(number) for number in numbers]
    return numbers


@pytest.mark.parametrize("has_tls", [False, True], ids=["plain", "tls"])
async def test_a_slow_reader_misses_whole_telegrams_and_nobody_else_any(tmp_path: Path, has_tls: bool) -> None:
    bench, count = Bench(), 400
    tls = make_certificates(tmp_path) if has_tls else None
    context = client_context(tmp_path) if has_tls else None
    passthrough = bench.offer(admission=Admission(tls=tls))
    async with running(*bench.passthroughs):
        healthy, slow = await connect(passthrough, context), await connect(passthrough, context, small=True)
        slow.pause()
        assert await feed_each(bench, healthy, range(count)) < 1
        missed = passthrough.telegrams_missed
        assert (count - missed) * TELEGRAM_BYTES <= HELD_BYTES
        slow.resume()
        got = whole_telegrams(await slow.read((count - missed) * TELEGRAM_BYTES))
        assert got == list(range(len(got)))
        await feed_each(bench, healthy, range(count, count + 10))
        assert whole_telegrams(await slow.read(10 * TELEGRAM_BYTES)) == list(range(count, count + 10))
        assert passthrough.telegrams_missed == missed
        assert passthrough.telegrams_sent == 2 * (count + 10) - missed


@pytest.mark.parametrize("has_tls", [False, True], ids=["plain", "tls"])
async def test_a_slow_raw_reader_is_cut_off_and_nobody_else(tmp_path: Path, has_tls: bool) -> None:
    bench, count = Bench(), 400
    tls = make_certificates(tmp_path) if has_tls else None
    context = client_context(tmp_path) if has_tls else None
    passthrough = bench.offer(Mode.RAW, admission=Admission(tls=tls))
    async with running(*bench.passthroughs):
        healthy, slow = await connect(passthrough, context), await connect(passthrough, context, small=True)
        slow.pause()
        assert await feed_each(bench, healthy, range(count)) < 1
        assert len(passthrough.clients) == 1
        slow.resume()
        got = await slow.rest()
        assert len(got) <= HELD_BYTES
        assert b"".join(map(numbered, range(count))).startswith(got)
        again = await connect(passthrough, context)
        bench.feed(numbered(count))
        assert await again.gets(numbered(count))


async def test_a_raw_reader_that_keeps_up_gets_a_burst_whole() -> None:
    bench = Bench()
    passthrough = bench.offer(Mode.RAW)
    burst = b"".join(map(numbered, range(3 * QUEUE_BYTES // TELEGRAM_BYTES)))
    async with running(*bench.passthroughs):
        reader = await connect(passthrough)
        bench.feed(burst, piece_bytes=len(burst))
        assert await reader.gets(burst)
        bench.feed(numbered(0))
        assert await reader.gets(numbered(0))


@pytest.mark.parametrize("mode", MODES)
async def test_thirty_that_reset_in_midstream_disturb_nobody(mode: Mode, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    passthrough = bench.offer(mode)
    async with running(*bench.passthroughs):
        healthy = await connect(passthrough)
        resetting = [await connect(passthrough) for _ in range(30)]
        for number, reader in enumerate(resetting):
            telegram = numbered(number)
            bench.feed(telegram[:500], piece_bytes=50)
            if number % 2:
                await reader.stream.read(1 + 10 * number)
            reader.reset()
            bench.feed(telegram[500:], piece_bytes=50)
            assert await healthy.gets(telegram)
        await until(lambda: len(passthrough.clients) == 1, "those that reset to be gone")
        await feed_each(bench, healthy, range(30, 40))
    assert not caplog.records


@pytest.mark.parametrize("mode", MODES)
async def test_what_a_reader_writes_is_swallowed_and_counted(mode: Mode) -> None:
    bench = Bench()
    passthrough = bench.offer(mode)
    async with running(*bench.passthroughs):
        healthy, writing = await connect(passthrough), await connect(passthrough)
        sending = asyncio.create_task(writing.stream.read(1))
        for _ in range(10):
            writing.writer.write(bytes(10_000))
            await writing.writer.drain()
        await until(lambda: passthrough.bytes_swallowed == 100_000, "all that was written")
        assert not sending.done()
        telegram = numbered(1)
        bench.feed(telegram)
        assert await healthy.gets(telegram)
        assert await sending + await writing.read(len(telegram) - 1) == telegram


async def test_one_that_writes_without_end_holds_nobody_up() -> None:
    bench = Bench()
    passthrough = bench.offer()
    async with running(*bench.passthroughs):
        healthy, writing = await connect(passthrough), await connect(passthrough)

        async def write() -> None:
            while True:
                writing.writer.write(bytes(65536))
                await writing.writer.drain()

        task = asyncio.create_task(write())
        assert await feed_each(bench, healthy, range(200)) < 1
        assert passthrough.bytes_swallowed > 1_000_000
        task.cancel()


@pytest.mark.parametrize("mode", MODES)
async def test_a_reader_that_closes_its_half_reads_on(mode: Mode) -> None:
    bench = Bench()
    passthrough = bench.offer(mode)
    async with running(*bench.passthroughs):
        healthy, halved = await connect(passthrough), await connect(passthrough)
        halved.writer.write_eof()
        await until(lambda: any(client.has_ended for client in passthrough.clients), "its end")
        await feed_each(bench, healthy, range(20))
        assert whole_telegrams(await halved.read(20 * TELEGRAM_BYTES)) == list(range(20))


async def test_a_reader_that_closes_its_half_makes_room_first_and_writes_no_more() -> None:
    bench = Bench()
    line = Notes()
    passthrough = bench.offer(line=line, is_writable=True, admission=Admission(max_clients=3, eviction=Eviction.NOBODY))
    async with running(*bench.passthroughs):
        oldest, halved, other = [await connect(passthrough) for _ in range(3)]
        halved.writer.write(b"first")
        await until(lambda: line.heard == b"first", "the first writer")
        halved.writer.write_eof()
        await until(lambda: any(client.has_ended for client in passthrough.clients), "its end")
        other.writer.write(b", second")
        await until(lambda: line.heard == b"first, second", "the second writer")
        newcomer = await connect(passthrough, is_served=False)
        assert await halved.rest() == b""
        bench.feed(numbered(1))
        for reader in (oldest, other, newcomer):
            assert await reader.gets(numbered(1))


class Notes:
    """A meter that takes what it is told."""

    def __init__(self) -> None:
        self.heard = b""

    def write(self, data: bytes) -> bool:
        self.heard += data
        return True


async def test_readers_that_come_and_go_while_the_meter_is_silent_leave_room_for_others() -> None:
    bench = Bench()
    passthrough = bench.offer(admission=Admission(max_clients=3, eviction=Eviction.NOBODY))
    async with running(*bench.passthroughs):
        staying = await connect(passthrough)
        for _ in range(20):
            visitor = await connect(passthrough, is_served=False)
            await until(lambda v=visitor: is_listed(passthrough, v), "a visitor to be let in")
            visitor.close()
            await until(lambda: all(c.has_ended for c in list(passthrough.clients)[1:]), "its end")
        bench.feed(numbered(1))
        assert await staying.gets(numbered(1))
        assert passthrough.clients.refused == 0


async def test_the_kernel_is_set_to_notice_a_dead_reader_and_to_keep_little_for_it() -> None:
    bench = Bench()
    passthrough = bench.offer()
    async with running(*bench.passthroughs):
        reader = await connect(passthrough)
        (client,) = passthrough.clients
        sock = client._transport.get_extra_info("socket")
        tcp = {name: sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in TCP_OPTIONS}
        assert tcp == TCP_OPTIONS
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * SEND_BUFFER_BYTES
        reader.close()


TCP_OPTIONS = {
    "TCP_NODELAY": 1,
    "TCP_USER_TIMEOUT": 20_000,
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
}


def is_listed(passthrough: module.Passthrough, reader: Reader) -> bool:
    """Whether the gateway counts a reader among its clients."""
    host, port = reader.socket.getsockname()
    return any(client.name == f"{host}:{port}" for client in passthrough.clients)


async def test_a_reader_that_left_is_noticed_when_telegrams_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.02)
    bench = Bench()
    passthrough = bench.offer()
    async with running(*bench.passthroughs):
        healthy, leaving = await connect(passthrough), await connect(passthrough)
        leaving.close()
        await until(lambda: any(client.has_ended for client in passthrough.clients), "its end")
        await feed_each(bench, healthy, range(1))
        await until(lambda: len(passthrough.clients) == 1, "it to be gone after one telegram")


@pytest.mark.parametrize("has_tls", [False, True], ids=["plain", "tls"])
async def test_a_flood_of_connections_disturbs_nobody(tmp_path: Path, has_tls: bool) -> None:
    bench = Bench()
    tls = make_certificates(tmp_path) if has_tls else None
    context = client_context(tmp_path) if has_tls else None
    passthrough = bench.offer(admission=Admission(max_clients=8, eviction=Eviction.NOBODY, tls=tls))
    async with running(*bench.passthroughs):
        healthy = await connect(passthrough, context)
        for batch in range(20):
            flood = []
            for at in range(25):
                sock = socket.socket()
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", passthrough.port))
                if at % 3 == 1:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if at % 3 == 2:
                    with suppress(OSError):
                        sock.send(b"\x16\x03\x01\x02\x00\x01")
                flood.append(sock)
            assert await feed_each(bench, healthy, range(batch, batch + 1)) < 1
            assert len(passthrough.clients) <= 8
            for sock in flood:
                sock.close()
        await feed_each(bench, healthy, range(100, 110))
        await until(lambda: len(passthrough.clients) == 1 or feed(bench), "the flood to be gone")


def feed(bench: Bench) -> bool:
    """A telegram, so that who is gone is noticed."""
    bench.feed(numbered(0))
    return False
