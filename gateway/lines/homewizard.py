"""The HomeWizard P1 Meter, over API v2 where it can be read, else over API v1.

API v2 has TLS, a token and a WebSocket. The WebSocket rings when there is a new telegram, which is then requested, so
that a telegram is taken at once with about one request for each. API v1 is plain HTTP without a token, and is polled.
It is used while API v2 cannot be read, except where the certificate of the device is refused: then the device at that
address may be another one, and API v1 could not show it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.lines.changes import REPEATS, Pace
from gateway.lines.homewizard_bell import Bell
from gateway.lines.homewizard_identity import Pairing, read_pairing, trust_maker
from gateway.lines.http import FIRST_RESPONSE_S, LEAST_PAUSE_S, HttpLine, NotATelegramError
from gateway.lines.line import Receive
from gateway.problems.problem import Problem, ProblemError, problem_of
from gateway.runtime.clock import now
from gateway.transport.timed_reading import read_in_time

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

ADVISED_POLL_S = 0.5
"""Shortest time between two requests without a bell, as the maker advises (Getting Started, Data Update Frequency)."""
LEAST_BETWEEN_S = 0.25
"""Shortest time between two requests, however often it rings. A telegram that is not there yet is requested then."""
LONGEST_WITH_BELL_S = 1.25
"""Longest time between two requests while it rings: a ring may be lost."""
LOOK_FOR_V2_S = 600.0
"""Time between two looks whether API v2 can be read again."""
_CERTIFICATE = "certificate-refused"

_HINT_V2 = "Is it a HomeWizard P1 Meter with firmware 6.00 or newer? The HomeWizard app updates it"
_HINTS = {
    _CERTIFICATE: "Is another device at this address now? Then pair with it again, if it is yours. Is the clock right?",
    "connection-refused": _HINT_V2,
}
"""Code of a problem to its hint where it is about API v2."""
_V2_PROBLEMS = {
    401: problem_of(
        "token-refused",
        "the device refuses the token",
        "Pair with it again: dsmr-gateway pair HOST --token-file FILE",
    ),
    404: problem_of("no-api-v2", "the device has no telegram in API v2", _HINT_V2, short="no telegram in API v2"),
}
_V1_PROBLEMS = {
    403: problem_of(
        "local-api-off",
        "the local API of the device is switched off",
        "In the HomeWizard app: Settings, Meters, your meter, switch on Local API. Or pair with the device for API v2",
        short="local API is switched off",
    ),
}
_V2_WORKS = problem_of("api-v2-works", "API v2 of the device can be read", "It is used from now on")


class _HomeWizardLine(HttpLine):
    """A line that requests no more often than the maker advises, unless that is configured."""

    problems: Mapping[int, Problem] = {}
    """Problem for a status of a response that has its own meaning here."""

    def _refusal(self, response: ClientResponse, body: bytes) -> Problem | None:
        return self.problems.get(response.status) or super()._refusal(response, body)

    async def _pause(self, asked: float, poll_s: float) -> None:
        await super()._pause(asked, self._poll_s or max(poll_s, ADVISED_POLL_S))


class HomeWizardV2Line(_HomeWizardLine):
    """The newest telegram of a P1 Meter over API v2, requested when the WebSocket rings."""

    problems = _V2_PROBLEMS

    def __init__(self, place: str, poll_s: float | None, ca: Path | None, token_file: Path) -> None:
        """Read the device at `place`.

        Args:
            place: host and port.
            poll_s: longest time in seconds between two requests; None to follow the WebSocket and the meter.
            ca: PEM file of the authorities that may have signed the device's certificate; None for the maker's.
            token_file: file with the token and the serial number of the device.

        """
        super().__init__(f"https://{place}/api/telegram", poll_s, ca, token_file)
        self._pairing_file = token_file
        self._bell = Bell(f"wss://{place}/api/ws")
        self._pairing = Pairing("", "")
        self._context: ssl.SSLContext | None = None
        self._has_rung = False
        self.problem: Problem | None = None
        """Reason why the last request failed, None after one that did not."""

    async def check(self) -> None:
        """Request a telegram once, over a connection of its own.

        Raises:
            ProblemError: there is none.

        """
        session = await self._make_session()
        try:
            await self._get(session, FIRST_RESPONSE_S)
        finally:
            await session.close()

    async def _login(self) -> dict[str, str]:
        self._pairing = await read_in_time(read_pairing, self._pairing_file)
        return {"Authorization": f"Bearer {self._pairing.token}", "X-Api-Version": "2"}

    async def _tls(self) -> ssl.SSLContext | bool:
        self._context = await read_in_time(trust_maker, self._ca)
        return self._context

    def _request(self, session: ClientSession) -> AbstractAsyncContextManager[ClientResponse]:
        return session.get(self._url, allow_redirects=False, server_hostname=self._pairing.name)

    async def _get(self, session: ClientSession, limit_s: float) -> bytes:
        self.problem = None
        try:
            return await super()._get(session, limit_s)
        except ProblemError as error:
            self.problem = replace(error.problem, hint=_HINTS.get(error.problem.code, error.problem.hint))
            if isinstance(error, NotATelegramError):
                raise
            raise ProblemError(self.problem, error.errno) from error

    async def _poll(self, session: ClientSession, pace: Pace, receive: Receive) -> None:
        assert self._context is not None
        await _beside(super()._poll(session, pace, receive), self._bell.keep_open(self._context, self._pairing))

    async def _pause(self, asked: float, poll_s: float) -> None:
        """Wait until it rings, or for a time that a lost ring may cost."""
        await asyncio.sleep(max(LEAST_PAUSE_S, asked + LEAST_BETWEEN_S - now()))
        if self._has_rung and self._changes.silence is REPEATS:
            self._has_rung = False  # the telegram may come a moment after the ring
            return
        longest_s = self._poll_s or max(poll_s, LONGEST_WITH_BELL_S if self._bell.is_expected else ADVISED_POLL_S)
        self._has_rung = await self._bell.wait(asked + longest_s - now())

    def details(self) -> Mapping[str, str | int]:
        """Return the state of the WebSocket as well."""
        return {**super().details(), "websocket": self._bell.state}


class HomeWizardV1Line(_HomeWizardLine):
    """The newest telegram of a P1 Meter over API v1, polled."""

    problems = _V1_PROBLEMS

    def __init__(self, place: str, poll_s: float | None = None, v2: HomeWizardV2Line | None = None) -> None:
        """Read the device at `place`.

        Args:
            place: host and port.
            poll_s: seconds between two requests; None to follow the meter.
            v2: the line over API v2 of the same device, which comes first; None if there is no token.

        """
        super().__init__(f"http://{place}/api/v1/telegram", poll_s)
        self._v2 = v2

    async def open(self, receive: Receive) -> asyncio.Future[Exception | None]:
        """Connect, unless the device may be another one."""
        if self._v2 and self._v2.problem and self._v2.problem.code == _CERTIFICATE:
            what = f"not used, because it has no certificate, and over API v2 {self._v2.problem.what}"
            raise ProblemError(replace(self._v2.problem, what=what))
        return await super().open(receive)

    async def _poll(self, session: ClientSession, pace: Pace, receive: Receive) -> None:
        polling = super()._poll(session, pace, receive)
        await (_beside(polling, _look_for(self._v2)) if self._v2 else polling)

    def details(self) -> Mapping[str, str | int]:
        """Return that there is no WebSocket as well."""
        return {**super().details(), "websocket": "none in API v1"}

    @property
    def gives_way(self) -> bool:
        """Return True if API v2 is to be tried first whenever this line is lost."""
        return self._v2 is not None


async def _look_for(v2: HomeWizardV2Line) -> None:
    """Wait until API v2 can be read, or shows that the device may be another one.

    Raises:
        ProblemError: that is so.

    """
    while True:
        await asyncio.sleep(LOOK_FOR_V2_S)
        try:
            await v2.check()
        except ProblemError as error:
            if error.problem.code == _CERTIFICATE:
                raise
        else:
            raise ProblemError(_V2_WORKS)


async def _beside(work: Coroutine[None, None, None], companion: Coroutine[None, None, None]) -> None:
    """Run two coroutines until the first of them ends, and raise its error."""
    tasks = [asyncio.create_task(work, name="work"), asyncio.create_task(companion, name="companion")]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
