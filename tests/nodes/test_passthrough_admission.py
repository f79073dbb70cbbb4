"""Who may read from a passthrough, over which addresses, and who goes when."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network

import pytest

from gateway.nodes.passthrough import Mode
from gateway.nodes.passthrough import node as module
from gateway.transport.clients import Admission, Eviction
from tests.conftest import own_telegram
from tests.nodes.passthrough_bench import LIMIT_S, MODES, Bench, connect
from tests.peers.harness import free_port
from tests.waiting import running, until

FIRST, SECOND = own_telegram("v50_sagemcom-t210d"), own_telegram("v50_iskra-am550-solar")


@pytest.mark.parametrize("mode", MODES)
async def test_one_too_many_is_closed_without_a_word(mode: Mode) -> None:
    bench = Bench()
    passthrough = bench.offer(mode, admission=Admission(max_clients=2, eviction=Eviction.NOBODY))
    async with running(*bench.passthroughs):
        readers = [await connect(passthrough) for _ in range(2)]
        third = await connect(passthrough, is_served=False)
        assert await third.rest() == b""
        readers.pop().reset()
        await until(lambda: len(passthrough.clients) == 1, "room")
        readers.append(await connect(passthrough))
        bench.feed(FIRST)
        for reader in readers:
            assert await reader.gets(FIRST)
        assert passthrough.clients.refused == 1


async def test_the_oldest_goes_where_that_is_configured() -> None:
    bench = Bench()
    passthrough = bench.offer(admission=Admission(max_clients=2, eviction=Eviction.OLDEST))
    async with running(*bench.passthroughs):
        first, second = await connect(passthrough), await connect(passthrough)
        first.writer.write(b"active, and yet the oldest")
        await until(lambda: passthrough.bytes_swallowed, "what it writes")
        third = await connect(passthrough, is_served=False)
        assert await first.rest() == b""
        bench.feed(FIRST)
        assert await second.gets(FIRST)
        assert await third.gets(FIRST)
        assert len(passthrough.clients) == 2


async def test_only_allowed_networks_are_served() -> None:
    bench = Bench()
    allowed = bench.offer(admission=Admission(allow=(ip_network("127.0.0.0/8"),)))
    refused = bench.offer(admission=Admission(allow=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))))
    async with running(*bench.passthroughs):
        stranger = await connect(refused, is_served=False)
        assert await stranger.rest() == b""
        reader = await connect(allowed)
        bench.feed(FIRST)
        assert await reader.gets(FIRST)
        assert (allowed.clients.refused, refused.clients.refused) == (0, 1)


async def test_who_exchanges_nothing_for_too_long_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.02)
    bench = Bench()
    passthrough = bench.offer(admission=Admission(idle_timeout_s=0.6))
    patient = bench.offer()
    async with running(*bench.passthroughs):
        begun = module.now()
        idle, keeping = await connect(passthrough), await connect(patient)
        reading, served = asyncio.create_task(idle.rest()), 0
        while module.now() - begun < 1:
            bench.feed(FIRST)
            served += 1
            await asyncio.sleep(0.05)
        assert not reading.done()
        last = module.now()
        assert await reading == served * FIRST
        assert 0.5 < module.now() - last < LIMIT_S
        assert await keeping.gets(served * FIRST)
        bench.feed(SECOND)
        assert await keeping.gets(SECOND)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_empty_address_serves_both_families(host: str) -> None:
    bench = Bench()
    passthrough = bench.offer(port=free_port(), host="")
    async with running(*bench.passthroughs):
        reader = await connect(passthrough, host=host)
        assert [str(client.address) for client in passthrough.clients] == [host]
        bench.feed(FIRST)
        assert await reader.gets(FIRST)


async def test_an_ipv6_address_is_served_and_shown_as_one() -> None:
    bench = Bench()
    passthrough = bench.offer(host="::1", admission=Admission(allow=(ip_network("::1/128"),)))
    async with running(*bench.passthroughs):
        reader = await connect(passthrough)
        assert [client.name for client in passthrough.clients] == [f"[::1]:{reader.socket.getsockname()[1]}"]
        bench.feed(FIRST)
        assert await reader.gets(FIRST)


async def test_a_port_that_is_taken_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    passthrough = bench.offer()
    async with running(*bench.passthroughs):
        other = Bench()
        other.offer(port=passthrough.port)
        with pytest.raises(OSError, match=f"127.0.0.1:{passthrough.port} is in use by another program"):
            await other.passthroughs[0].run()
        assert str(other.passthroughs[0].status) == f"red ring: port {passthrough.port} in use"


async def test_the_number_of_readers_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    bench = Bench()
    passthrough = bench.offer()
    async with running(*bench.passthroughs):
        assert str(passthrough.status) == "green ring: no reader"
        first = await connect(passthrough)
        await until(lambda: str(passthrough.status) == "green dot: 1 reader", "its status")
        second = await connect(passthrough)
        await until(lambda: str(passthrough.status) == "green dot: 2 readers", "its status")
        first.reset()
        await until(lambda: str(passthrough.status) == "green dot: 1 reader", "its status")
        second.reset()
        await until(lambda: str(passthrough.status) == "green ring: no reader", "its status")


async def test_readers_are_let_go_when_the_gateway_ends() -> None:
    bench = Bench()
    passthroughs = [bench.offer(mode) for mode in MODES]
    async with running(*bench.passthroughs):
        readers = [await connect(passthrough) for passthrough in passthroughs]
        bench.feed(FIRST)
        begun = module.now()
    for reader in readers:
        assert await reader.rest() == FIRST
    assert module.now() - begun < 5, "less than the server waits for a slow reader"
