"""A passthrough is announced by mDNS, as a foreign browser of the network sees it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.nodes.passthrough import Passthrough, PassthroughSettings
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.flow import Flow

zeroconf = pytest.importorskip("zeroconf", reason="zeroconf is not installed; try: pip install zeroconf")

from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf  # noqa: E402

from gateway.nodes.announcement import SERVICE, Announcement  # noqa: E402

FOUND_WITHIN_S = 10


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_browser_finds_the_port_and_hears_the_goodbye(host: str) -> None:
    found: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def note(zeroconf: object, service_type: str, name: str, state_change: object) -> None:
        if "barn" in name:
            found.put_nowait((str(getattr(state_change, "name", state_change)), name))

    passthrough = Passthrough("passthrough", PassthroughSettings(host, 0), MeterState("barn", None))
    announcement = Announcement("announcement", "barn", "telnet(rfc2217),tcp")
    passthrough.listening.connect(announcement, announcement.port_opened)
    stop = asyncio.Event()
    network = AsyncZeroconf(interfaces=["127.0.0.1"])
    browser = AsyncServiceBrowser(network.zeroconf, SERVICE, handlers=[note])
    flow = asyncio.create_task(Flow([passthrough, announcement]).run(stop))
    try:
        change, name = await asyncio.wait_for(found.get(), FOUND_WITHIN_S)
        assert change == "Added"
        service = AsyncServiceInfo(SERVICE, name)
        assert await service.async_request(network.zeroconf, 1000 * FOUND_WITHIN_S)
        assert service.port == passthrough.port
        assert "127.0.0.1" in service.parsed_addresses()
        assert service.properties[b"gensiostack"] == b"telnet(rfc2217),tcp"
        assert service.properties[b"provider"] == b"dsmr-modbus-gateway"
        stop.set()
        change, gone = await asyncio.wait_for(found.get(), FOUND_WITHIN_S)
        assert (change, gone) == ("Removed", name)
    finally:
        stop.set()
        await flow
        await browser.async_cancel()
        await network.async_close()
