"""A device that serves its newest telegram over HTTP, in this process."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count

from aiohttp import web

from gateway.runtime.clock import unix_now
from tests.conftest import own_telegram
from tests.protocol.p1.stream import stamped

TELEGRAM = own_telegram("v50_sagemcom-t210d")

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Device:
    """A device that serves a text at /telegram, as DSMR-logger and the P1 Dongle do."""

    def __init__(self) -> None:
        self.body = TELEGRAM
        self.status = 200
        self.headers: dict[str, str] = {}
        self.requests: list[web.Request] = []
        self.connections: set[object] = set()
        self.under_way = 0
        self.most_at_once = 0
        self.slow_s = 0.0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/telegram"

    async def respond(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.connections.add(request.transport)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await asyncio.sleep(self.slow_s)
        finally:
            self.under_way -= 1
        headers = {"Content-Type": "text/plain"} | self.headers
        return web.Response(status=self.status, headers=headers, body=self.body)

    async def follow_a_meter(self, every_s: float = 0.3) -> None:
        """Get a new telegram again and again."""
        start = unix_now()
        for number in count():
            self.body = stamped(TELEGRAM, start + number)
            await asyncio.sleep(every_s)


@asynccontextmanager
async def serving(*routes: web.RouteDef, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def device(tls: ssl.SSLContext | None = None) -> AsyncIterator[Device]:
    served = Device()
    async with serving(web.get("/telegram", served.respond), tls=tls) as served.port:
        yield served
