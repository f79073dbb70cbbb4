"""A device that responds to GET with its newest telegram as text, and is polled: see `changes`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.lines.changes import Changes, Pace
from gateway.lines.line import Line, Receive
from gateway.problems.problem import Place, Problem, ProblemError, problem_of
from gateway.problems.quoting import cut
from gateway.problems.system import file_problem
from gateway.runtime.clock import now
from gateway.transport.secret_file import read_first_line
from gateway.transport.timed_reading import read_in_time

if TYPE_CHECKING:
    import ssl
    from contextlib import AbstractAsyncContextManager

    from aiohttp import ClientResponse, ClientSession

FIRST_RESPONSE_S = 10.0
"""Longest time for the first response, in which the connection is made."""
RESPONSE_S = 5.0
"""Longest time for each later response, to its last byte."""
MAX_BODY_BYTES = 8192
"""Largest body: the longest telegram that the parser accepts."""
CHUNK_BYTES = 1024
LEAST_PAUSE_S = 0.05
"""Time that a slow device has between a response and the next request."""
MAX_RETRY_AFTER_S = 60.0
"""Longest time for which a `Retry-After` is followed."""
MAX_TOKEN_CHARACTERS = 500

OK, UNAVAILABLE = 200, 503
REDIRECTS = range(300, 400)

_NEVER_ANY = problem_of(
    "source-without-telegram",
    "the source has not received a telegram since it started",
    "Is its cable in the P1 port of the meter, and is that port switched on?",
    short="the source has no telegram yet",
)
_COMPRESSED = problem_of("compressed-response", "the response is compressed, although this is not accepted")
_TOO_LARGE = problem_of(
    "response-too-large",
    f"the response has more than {MAX_BODY_BYTES} bytes",
    "Write the address of the newest telegram as text",
    short="the response is too large",
)
_PATH_HINT = "Write the path of the newest telegram as text, such as /api/v1/telegram"


class HttpLine(Line):
    """The newest telegram of a device, polled."""

    def __init__(
        self, url: str, poll_s: float | None = None, ca: Path | None = None, token_file: Path | None = None
    ) -> None:
        """Poll `url`.

        Args:
            url: the address, which begins with `http://` or `https://`.
            poll_s: seconds between two requests; None to follow the cadence of the meter.
            ca: PEM file of the authorities of an `https://` host; None for those of the system.
            token_file: file with the token that is sent as `Authorization: Bearer`; None for no token.

        """
        self._url, self._poll_s, self._ca, self._token_file = url, poll_s, ca, token_file
        self._changes = Changes()
        self._not_before = 0.0
        self._requests = 0
        self._polling: asyncio.Task[None] | None = None

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Connect, and read the first telegram, which is not passed on."""
        await asyncio.sleep(max(0.0, self._not_before - now()))
        session = await self._make_session()
        try:
            self._changes, pace = Changes(), Pace(self._poll_s)
            asked = now()
            self._changes.take(await self._get(session, FIRST_RESPONSE_S), asked, now(), pace.poll_s)
            closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
            self._polling = asyncio.create_task(
                self._poll_until_closed(session, pace, receive, closed), name="poll over HTTP"
            )
            await asyncio.sleep(0)  # a task that is cancelled before it begins would not close the session
        except BaseException:
            self.close()
            await session.close()
            raise
        return closed

    async def _make_session(self) -> ClientSession:
        import aiohttp  # noqa: PLC0415 - only where there is such a line

        from gateway.lines.http_client import connector_to  # noqa: PLC0415

        headers = {"Accept": "text/plain", "Accept-Encoding": "identity"} | await self._login()
        connector = connector_to(await self._tls(), limit=2)
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=headers, auto_decompress=False
        )

    async def _login(self) -> dict[str, str]:
        """Return the headers that let the gateway in."""
        if self._token_file is None:
            return {}
        return {"Authorization": f"Bearer {await read_in_time(read_bearer_token, self._token_file)}"}

    async def _tls(self) -> ssl.SSLContext | bool:
        """Return the authorities to trust, or False for a device without TLS."""
        if not self._url.startswith("https:"):
            return False
        from gateway.transport.client_tls import trust  # noqa: PLC0415 - only where there is TLS

        return await read_in_time(trust, self._ca)

    async def _get(self, session: ClientSession, limit_s: float) -> bytes:
        """Return the telegram of one response.

        Raises:
            ProblemError: there is no response, or it is not a telegram.

        """
        from gateway.lines.http_client import client_problem, response_timeout  # noqa: PLC0415 - only if needed

        self._requests += 1
        try:
            async with asyncio.timeout(limit_s), self._request(session) as response:
                body = await _body_of(response)
        except TimeoutError as error:
            raise ProblemError(response_timeout(self._url, limit_s)) from error
        except Exception as error:
            raise client_problem(error, limit_s, self._url) from error
        if problem := self._refusal(response, body):
            self._not_before = now() + retry_after(response)
            raise ProblemError(problem)
        return telegram_in(body)

    def _refusal(self, response: ClientResponse, body: bytes) -> Problem | None:
        """Return why a response cannot hold a telegram."""
        from gateway.lines.http_client import status_problem  # noqa: PLC0415 - only where there is such a line

        if response.status in REDIRECTS:
            return status_problem(response.status, cut(response.headers.get("Location", "")))
        if response.status == UNAVAILABLE and b"no-telegram-received" in body:
            return _NEVER_ANY
        if response.status != OK:
            return status_problem(response.status)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            return _COMPRESSED
        return _TOO_LARGE if len(body) > MAX_BODY_BYTES else None

    def _request(self, session: ClientSession) -> AbstractAsyncContextManager[ClientResponse]:
        return session.get(self._url, allow_redirects=False)

    async def _poll_until_closed(
        self, session: ClientSession, pace: Pace, receive: Receive, closed: asyncio.Future[Exception | None]
    ) -> None:
        """Poll until the line ends; then set the result of `closed` to the error that ended it, or to None."""
        error: Exception | None = None
        try:
            await self._poll(session, pace, receive)
        except asyncio.CancelledError:
            pass  # the line was closed here, which is the only way to cancel
        except Exception as reason:  # whatever it is, the line has ended
            error = reason
        finally:
            await session.close()
            if not closed.done():
                closed.set_result(error)

    async def _poll(self, session: ClientSession, pace: Pace, receive: Receive) -> None:
        asked = now()
        while True:
            await self._pause(asked, pace.poll_s)
            asked = now()
            try:
                telegram = await self._get(session, RESPONSE_S)
            except NotATelegramError as error:
                self._changes.silence = error.problem
                continue
            if self._changes.take(telegram, asked, now(), pace.poll_s):
                pace.note_change(now())
                receive(telegram + b"\r\n")

    async def _pause(self, asked: float, poll_s: float) -> None:
        """Wait until the next request is due."""
        await asyncio.sleep(max(LEAST_PAUSE_S, asked + poll_s - now()))

    def silence(self) -> Problem | None:
        """Return why the responses are not new telegrams."""
        return self._changes.silence

    def details(self) -> Mapping[str, str | int]:
        """Return the number of requests."""
        return {"requests_sent": self._requests}

    def close(self) -> None:
        """Close the connection."""
        if self._polling:
            self._polling.cancel()


class NotATelegramError(ProblemError):
    """A response that is something else than a telegram."""


def read_bearer_token(path: Path) -> str:
    """Return the token in the first line of a file.

    Raises:
        ProblemError: the file cannot be read, or does not begin with a token.

    """
    try:
        return bearer_token(read_first_line(path))
    except OSError as error:
        raise ProblemError(file_problem(error, Place(str(path))), error.errno) from error


def bearer_token(line: bytes) -> str:
    """Return the token in the first line of a file.

    Raises:
        ProblemError: it is not a token.

    """
    token = line.decode("ascii", "replace")
    if not token or len(token) > MAX_TOKEN_CHARACTERS or not all("!" <= each <= "~" for each in token):
        hint = "Write the token into its first line, and nothing else"
        raise ProblemError(problem_of("token-unusable", "the token file does not hold a token", hint))
    return token


def telegram_in(body: bytes) -> bytes:
    """Return the newest telegram in a body, without white space around it.

    Raises:
        NotATelegramError: there is none.

    """
    text = body.strip()
    telegram = text[text.rfind(b"\n/") + 1 :]
    if telegram.startswith(b"/") and b"\n!" in telegram:
        return telegram
    if text.startswith(b"<"):
        raise NotATelegramError(problem_of("web-page", "the response is a web page, not a telegram", _PATH_HINT))
    if text.startswith((b"{", b"[")):
        what, short = "the response is JSON, not a telegram as text", "the response is JSON"
        raise NotATelegramError(problem_of("json-response", what, _PATH_HINT, short=short))
    what, short = "the response is not a whole telegram", "the response is not a telegram"
    raise NotATelegramError(problem_of("response-not-a-telegram", what, _PATH_HINT, short=short))


def retry_after(response: ClientResponse) -> float:
    """Return the seconds for which a device asks to be left alone, within limits."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), MAX_RETRY_AFTER_S) if text.isascii() and text.isdecimal() else 0.0


async def _body_of(response: ClientResponse) -> bytes:
    """Return the body, or as much of it as shows that it is too large."""
    body = bytearray()
    while chunk := await response.content.read(CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            response.close()
            break
    return bytes(body)
