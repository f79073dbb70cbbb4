"""A passthrough over TLS: who is served, and handshakes that are slow, wrong or broken off."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import pytest

import gateway.transport.tls
from gateway.nodes.passthrough import Mode
from gateway.transport.clients import Admission, Eviction
from tests.certificates import client_context, make_certificates
from tests.nodes.passthrough_bench import MODES, Bench, connect, feed_each, numbered
from tests.waiting import running, until


async def test_slow_handshakes_hold_nobody_up_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.transport.tls, "HANDSHAKE_TIMEOUT_S", 0.3)
    bench = Bench()
    passthrough = bench.offer(
        admission=Admission(max_clients=12, eviction=Eviction.NOBODY, tls=make_certificates(tmp_path))
    )
    async with running(*bench.passthroughs):
        healthy = await connect(passthrough, client_context(tmp_path))
        slow = [await connect(passthrough, is_served=False) for _ in range(10)]
        for reader in slow[::2]:
            reader.writer.write(b"\x16\x03\x01\x02\x00\x01\x00")
        await until(lambda: len(passthrough.clients) == 11, "the slow ones")
        before = passthrough.telegrams_sent
        assert await feed_each(bench, healthy, range(50)) < 1
        assert passthrough.telegrams_sent == before + 50
        for reader in slow:
            assert b"/" not in await reader.rest()
        await until(lambda: len(passthrough.clients) == 1, "the slow ones to be gone")
        await feed_each(bench, healthy, range(50, 60))


@pytest.mark.parametrize("mode", MODES)
async def test_only_clients_with_a_certificate_are_served_over_tls(tmp_path: Path, mode: Mode) -> None:
    bench = Bench()
    passthrough = bench.offer(mode, admission=Admission(tls=make_certificates(tmp_path)))
    async with running(*bench.passthroughs):
        known = await connect(passthrough, client_context(tmp_path))
        with suppress(ssl.SSLError):
            stranger = await connect(passthrough, client_context(tmp_path, with_certificate=False), is_served=False)
            bench.feed(numbered(0))
            assert await stranger.rest() == b""
        assert await known.gets(numbered(0))
        plain = await connect(passthrough, is_served=False)
        plain.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert b"/" not in await plain.rest()
        await feed_each(bench, known, range(5))
        assert len(passthrough.clients) == 1
        assert passthrough.clients.refused == 2


async def test_a_certificate_is_asked_of_clients_only_where_there_is_an_authority(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    bench = Bench()
    passthrough = bench.offer(
        admission=Admission(tls=gateway.transport.tls.TlsFiles(files.certificate, files.key, None))
    )
    async with running(*bench.passthroughs):
        reader = await connect(passthrough, client_context(tmp_path, with_certificate=False))
        await feed_each(bench, reader, range(5))
        # What is let go while it says goodbye is gone for good.
        reader.close()
        await until(lambda: not passthrough.clients, "it to be gone")


async def test_a_reader_may_be_asked_whether_it_is_gone_at_any_time(tmp_path: Path) -> None:
    bench = Bench()
    passthrough = bench.offer(admission=Admission(tls=make_certificates(tmp_path)))
    async with running(*bench.passthroughs):
        reader = await connect(passthrough, client_context(tmp_path))
        (client,) = passthrough.clients
        reader.close()
        await until(lambda: not client.is_gone() and not passthrough.clients, "it to be gone")


async def test_readers_that_vanish_right_after_the_handshake_leave_nothing_behind(tmp_path: Path) -> None:
    bench = Bench()
    passthrough = bench.offer(Mode.RAW, admission=Admission(tls=make_certificates(tmp_path)))
    context = client_context(tmp_path)
    async with running(*bench.passthroughs):
        healthy = await connect(passthrough, context)
        for at in range(30):
            reader = await connect(passthrough, context, is_served=False)
            reader.reset() if at % 2 else reader.writer.transport.abort()
        await until(lambda: len(passthrough.clients) == 1, "them to be gone")
        await feed_each(bench, healthy, range(3))
        assert not passthrough._waiting
