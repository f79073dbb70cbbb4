"""The parts that lines over HTTP have in common: what is wrong with a host, its certificate or its response.

Imported only where there is such a line: aiohttp takes time and memory.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from contextlib import suppress
from types import SimpleNamespace
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.problems.problem import Problem, ProblemError, problem_of
from gateway.problems.quoting import cut, quoted
from gateway.problems.system import connection_problem, name_server_timeout
from gateway.transport.client_tls import tls_problem
from gateway.transport.connecting import is_looking_up, look_up, not_in_time

CLOSE_S = 0.5
"""Longest time in which the close of a WebSocket can be sent."""
WAITING = aiohttp.ClientWSTimeout(ws_close=0.0)
"""The other end's part of a close is not awaited: it could send frames without end in its place."""
_HINTS = {
    401: "It wants a token. If token_file is set, is that token of this device, and still valid?",
    403: "Is reading allowed in the settings of the device?",
    404: "Is the path right, and is the API switched on in the settings of the device?",
    429: "Other programs ask it too often: let one of them read it, and give the others a passthrough",
    503: "It has no telegram, or is busy. Is its cable in the P1 port, and is another program connected to it?",
}


def status_problem(status: int, where: str = "") -> Problem:
    """Return what is wrong where a host responds with another status than the expected one.

    Args:
        status: the status code.
        where: the address that a redirect leads to.

    """
    if where or 300 <= status < 400:
        what = f"the host redirects to {quoted(cut(where)) if where else 'another address'}, which is not followed"
        return problem_of("http-redirect", what, "Write the new address, if it is yours", short="redirects elsewhere")
    what = f"the host responds with HTTP status {status}"
    return problem_of("http-status", what, _HINTS.get(status, ""), short=f"HTTP status {status}", status=status)


def response_timeout(url: str, limit_s: float) -> Problem:
    """Return why a host has not responded completely within `limit_s` seconds."""
    if is_looking_up(_host_of(url)):
        return name_server_timeout(limit_s)
    what, short = f"no complete response within {limit_s:.0f} s", f"no response within {limit_s:.0f} s"
    return problem_of("no-response", what, "Is the device on, and is its Wi-Fi good?", short=short, seconds=limit_s)


def client_problem(error: BaseException, limit_s: float, url: str = "") -> ProblemError:
    """Return the error to raise for one that aiohttp, ssl or the system raised while connecting.

    Args:
        error: the error.
        limit_s: longest time in seconds that the attempt may take.
        url: the address, if `Names` looks up its host.

    """
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, aiohttp.WSServerHandshakeError) and error.status != 101:
        return ProblemError(status_problem(error.status))
    if isinstance(error, TimeoutError):
        return ProblemError(not_in_time(_host_of(url), limit_s), errno.ETIMEDOUT)
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(cause, ssl.SSLError | ssl.CertificateError):
        return ProblemError(tls_problem(cause))
    if isinstance(cause, OSError):
        return ProblemError(connection_problem(cause), cause.errno)
    reason = cut(getattr(error, "message", "") or str(error) or type(error).__name__)
    return ProblemError(problem_of("not-the-protocol", f"the host does not speak this protocol ({reason})"))


def _host_of(url: str) -> str:
    """Return the host of a URL, as aiohttp looks it up: an international name in ASCII."""
    return (urlsplit(url).hostname or "").encode("idna").decode()


class Names(AbstractResolver):
    """The look-ups that all lines share, so that those of aiohttp do not take all threads."""

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            OSError: the name is not found.

        """
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=_numeric(*address), port=port, family=kind, proto=protocol, flags=flags)
            for kind, _, protocol, _, address in await look_up(host)
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        """Do nothing: the look-ups are shared."""


def _numeric(address: str, _port: int, _flow: int = 0, scope: int = 0) -> str:
    return f"{address}%{scope}" if scope else address


def connector_to(tls: ssl.SSLContext | bool, *, limit: int, force_close: bool = False) -> aiohttp.TCPConnector:
    """Return a connector for at most `limit` connections to one host, whose name is looked up for each."""
    return aiohttp.TCPConnector(limit=limit, ssl=tls, resolver=Names(), use_dns_cache=False, force_close=force_close)


def websocket_session(tls: ssl.SSLContext | bool) -> aiohttp.ClientSession:
    """Return a session for one WebSocket, which follows no redirect and keeps no cookie."""
    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(_refuse_redirect)
    connector = connector_to(tls, limit=1, force_close=True)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trace_configs=[tracing])


async def _refuse_redirect(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, sent: aiohttp.TraceRequestRedirectParams
) -> None:
    raise ProblemError(status_problem(sent.response.status, sent.response.headers.get("Location", "")))


async def close_websocket(
    session: aiohttp.ClientSession, websocket: aiohttp.ClientWebSocketResponse[bool] | None
) -> None:
    """Close a WebSocket, if there is one, and its session, without waiting long for the other end."""
    if websocket is not None:
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_S):
                await websocket.close()
    await session.close()
