"""The application: which endpoint responds to which path. All endpoints are read-only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.nodes.status_page import download, model, registers, requests, telegram
from gateway.nodes.status_page.access import Access, Refusal
from gateway.nodes.status_page.openapi import describe
from gateway.nodes.status_page.overview import status, unix_time
from gateway.nodes.status_page.query import Page, Query
from gateway.nodes.status_page.stream import Stream
from gateway.runtime.clock import now

STATIC = Path(__file__).parent / "static"
OPEN_TO_ALL = ("/healthz",)
"""Paths that need no password: their responses contain nothing about the household."""
METHODS = ("GET", "HEAD")
JSON = "application/json"


_adapters: dict[type, TypeAdapter[Any]] = {}


def to_json(value: object) -> bytes:
    """Return an object of `model.py` as JSON."""
    kind = type(value)
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind].dump_json(value)


def make_app(page: Page, stream: Stream, access: Access, framed_by: tuple[str, ...]) -> ASGIApp:
    """Return the application."""
    gateway = page.gateway

    def route(path: str, respond: Callable[[Query], Response]) -> Route:
        # A coroutine runs in the event loop. Starlette would run a function in a thread, while values change.
        async def endpoint(request: Request) -> Response:
            return respond(Query(request, page))

        return Route(path, endpoint)

    def data(path: str, build: Callable[[Query], object]) -> Route:
        return route(path, lambda query: Response(to_json(build(query)), media_type=JSON))

    routes = [
        route("/", lambda _query: FileResponse(STATIC / "index.html")),
        Mount("/static", StaticFiles(directory=STATIC)),
        Route("/events", stream),
        data("/api/status", lambda _query: status(gateway, page.started)),
        data("/api/registers", lambda query: registers.registers(*query.unit(), is_masked=query.is_masked)),
        data("/api/requests", lambda query: requests.requests(gateway.served, query.limit(requests.REQUESTS_SHOWN))),
        data("/api/telegram", lambda query: telegram.telegram(*query.meter_and_history(), is_masked=query.is_masked)),
        data("/api/history", lambda query: telegram.history(*query.meter_and_history())),
        route("/download/map", download.register_map),
        route("/download/export", download.export),
        route("/openapi.json", lambda _query: JSONResponse(describe())),
        route("/metrics", lambda _query: _metrics(page)),
        route("/healthz", lambda query: _health(page, counts_meters=query.flag("meters", default=True))),
    ]
    return _Guard(Starlette(routes=routes, exception_handlers={HTTPException: _respond_with_error}), access, framed_by)


def _health(page: Page, *, counts_meters: bool) -> Response:
    verdict = page.gateway.health(counts_meters=counts_meters)
    body = model.HealthView(verdict.is_good, verdict.reason, unix_time(verdict.since))
    return Response(to_json(body), 200 if verdict.is_good else 503, media_type=JSON)


def _metrics(page: Page) -> Response:
    from gateway.nodes.status_page.metrics import CONTENT_TYPE, render  # noqa: PLC0415 - only where metrics are used

    return Response(render(page.gateway), headers={"Content-Type": CONTENT_TYPE})


async def _respond_with_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Response(to_json(model.ErrorBody(error.detail)), error.status_code, media_type=JSON)


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
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        refusal = self._refuse(scope)
        if refusal is None:
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
