"""The application: which endpoint responds to which path. All endpoints are read-only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.nodes.status_page import download, model, registers, requests, telegram
from gateway.nodes.status_page.access import Access, Refusal
from gateway.nodes.status_page.files import Files
from gateway.nodes.status_page.fleet import MAX_LINES, sparklines
from gateway.nodes.status_page.frame import unix_time
from gateway.nodes.status_page.hosts import prepare_names
from gateway.nodes.status_page.json_text import to_json
from gateway.nodes.status_page.known_clients import known_clients
from gateway.nodes.status_page.now import series
from gateway.nodes.status_page.observation import Gateway
from gateway.nodes.status_page.openapi import describe
from gateway.nodes.status_page.overview import status
from gateway.nodes.status_page.query import Page, Query
from gateway.nodes.status_page.shared import Shared
from gateway.nodes.status_page.stream import Stream
from gateway.runtime.clock import now
from gateway.runtime.health import Health

OPEN_TO_ALL = ("/healthz",)
"""Paths that need no password: their responses contain nothing about the household."""
METHODS = ("GET", "HEAD")
JSON = "application/json"
METRICS = "text/plain; version=0.0.4"
"""Media type of the text format of Prometheus."""
CLOSING = (401, 403, 405, 413, 429)
"""Statuses after which the connection is closed: to serve another request of a stranger costs more than a new one."""
MAX_BODY_BYTES = 16_384
"""Largest body of a request that is read, and dropped. No request needs one."""
BODY_TIMEOUT_S = 5.0

Make = Callable[[], Awaitable[bytes]]
"""A function that makes a response."""


def make_app(page: Page, stream: Stream, access: Access, files: Files, framed_by: tuple[str, ...]) -> ASGIApp:
    """Return the application."""
    gateway, shared = page.gateway, Shared(page.signature)

    def route(path: str, respond: Callable[[Query], Response]) -> Route:
        # A coroutine runs in the event loop. Starlette would run a function in a thread, while values change.
        async def endpoint(request: Request) -> Response:
            return respond(Query(request, page))

        return Route(path, endpoint)

    def share(path: str, prepare: Callable[[Query], tuple[Hashable, Make]], media_type: str = JSON) -> Route:
        async def endpoint(request: Request) -> Response:
            key, make = prepare(Query(request, page))
            return Response(await shared.get((path, key), make), media_type=media_type)

        return Route(path, endpoint)

    routes = [
        Route("/", files.respond),
        Route("/static/{name:path}", files.respond),
        Route("/events", stream),
        share("/api/status", lambda _query: ((), lambda: status(gateway, page.started))),
        share("/api/registers", _registers),
        share("/api/hosts", lambda _query: ((), lambda: _hosts(page))),
        share("/api/changes", lambda _query: ((), at_once(page.journal.changes))),
        share("/api/sparklines", _sparklines),
        share("/api/requests", lambda query: _requests(query, gateway)),
        share("/api/telegram", _telegram),
        share("/api/history", _history),
        share("/api/series", _series),
        share("/api/clients", lambda _query: ((), lambda: asyncio.to_thread(known_clients))),
        route("/download/map", download.register_map),
        route("/download/export", download.export),
        route("/download/history", download.history),
        route("/openapi.json", lambda _query: JSONResponse(describe())),
        share("/metrics", lambda _query: ((), lambda: _metrics(page)), METRICS),
        route("/healthz", lambda query: _health(page, query)),
    ]
    return _Guard(Starlette(routes=routes, exception_handlers={HTTPException: _respond_with_error}), access, framed_by)


def _health(page: Page, query: Query) -> Response:
    gateway = page.gateway
    if query.given.get("meters") == "any":
        verdict = gateway.health(counts_meters=False)
        if verdict.is_good and not any(meter.is_fresh(now()) for meter in gateway.meters.values()):
            since = max((meter.fresh_until for meter in gateway.meters.values() if meter.served), default=verdict.since)
            verdict = Health("no meter is fresh", since)
    else:
        verdict = gateway.health(counts_meters=query.flag("meters", default=True))
    body = model.HealthView(verdict.is_good, verdict.reason, unix_time(verdict.since))
    return Response(to_json(body), 200 if verdict.is_good else 503, media_type=JSON)


def at_once(build: Callable[[], object]) -> Make:
    """Return a function that makes a response from an object of `model.py`."""

    async def make() -> bytes:
        return to_json(build())

    return make


def _registers(query: Query) -> tuple[Hashable, Make]:
    served, unit = query.unit()
    is_masked = query.is_masked

    async def make() -> bytes:
        return to_json(await registers.registers(served, unit, is_masked=is_masked))

    return (served.server.name, unit.unit_id, is_masked), make


def _requests(query: Query, gateway: Gateway) -> tuple[Hashable, Make]:
    limit = query.limit(requests.REQUESTS_SHOWN)

    async def make() -> bytes:
        return to_json(await requests.requests(gateway.served, limit))

    return limit, make


def _sparklines(query: Query) -> tuple[Hashable, Make]:
    names = query.meters(MAX_LINES)
    return names, at_once(lambda: sparklines(query.page, names))


async def _hosts(page: Page) -> bytes:
    await asyncio.to_thread(prepare_names)
    return to_json(await page.book.hosts_in_turns())


def _telegram(query: Query) -> tuple[Hashable, Make]:
    meter, history = query.meter_and_history()
    is_masked = query.is_masked
    return (meter.name, is_masked), at_once(lambda: telegram.telegram(meter, history, is_masked=is_masked))


def _history(query: Query) -> tuple[Hashable, Make]:
    meter, history = query.meter_and_history()
    return meter.name, at_once(lambda: telegram.history(meter, history))


def _series(query: Query) -> tuple[Hashable, Make]:
    meter, history = query.meter_and_history()
    is_day, since = query.is_day(), query.since()
    return (meter.name, is_day, since), at_once(lambda: series(meter, history, is_day=is_day, since=since))


async def _metrics(page: Page) -> bytes:
    from gateway.nodes.status_page.metrics import render  # noqa: PLC0415 - only where metrics are used

    text = render(page.gateway)
    if not page.gateway.exports_readings:
        return text
    from gateway.nodes.status_page.reading_metrics import render_readings  # noqa: PLC0415 - as above

    return text + await render_readings(page.gateway.meters.values())


async def _respond_with_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Response(to_json(model.ErrorBody(error.detail)), error.status_code, media_type=JSON)


TOO_LARGE = Refusal(413, "A request to this page needs no body.", {})


class _Guard:
    """Refuses requests without access, and adds the security headers to each response."""

    def __init__(self, app: ASGIApp, access: Access, framed_by: tuple[str, ...]) -> None:
        self._app = app
        self._access = access
        ancestors = " ".join("'self'" if origin == "self" else origin for origin in framed_by) or "'none'"
        self._headers = {
            "Content-Security-Policy": f"default-src 'self'; base-uri 'none'; form-action 'none'; "
            f"frame-ancestors {ancestors}",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        if not framed_by:
            self._headers["X-Frame-Options"] = "DENY"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_body = _has_body(scope)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers.setdefault("Cache-Control", "no-store" if scope["path"].startswith("/api/") else "no-cache")
                if has_body or message["status"] in CLOSING:
                    headers["Connection"] = "close"
            await send(message)

        refusal = TOO_LARGE if has_body and not await _drop_body(receive) else self._refuse(scope)
        if refusal is None:
            if scope["path"] not in OPEN_TO_ALL:
                scope.get("state", {}).get("recognise", bool)()
            await self._app(scope, receive, send_guarded)
            return
        if refusal.delayed_for:
            await self._access.guessing.delay(refusal.delayed_for)
        response = PlainTextResponse(refusal.why, refusal.status, dict(refusal.headers))
        await response(scope, receive, send_guarded)

    def _refuse(self, scope: Scope) -> Refusal | None:
        """Return the response to a request that is refused, None for one that the application responds to."""
        if scope["method"] not in METHODS:
            return Refusal(405, "This page is read-only.", {"Allow": ", ".join(METHODS)})
        if scope["path"] in OPEN_TO_ALL:
            return None
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return self._access.refuse(scope["client"], headers, now())


def _has_body(scope: Scope) -> bool:
    """Return whether a body follows the headers of a request."""
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip(b"0") != b""


async def _drop_body(receive: Receive) -> bool:
    """Read the body of a request; return False if it is too large or too slow."""
    size, has_more = 0, True
    with suppress(TimeoutError):
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while has_more and size <= MAX_BODY_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                has_more = message.get("more_body", False)
    return not has_more and size <= MAX_BODY_BYTES
