"""Pairs with a HomeWizard device: it gives a token to whoever requests one within 30 s after its button was pressed.

The device shows its serial number in its certificate. The maker's authority has signed it, so that no other device can
pretend to be this one, neither now nor later.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.lines.homewizard_identity import Pairing, serial_in, trust_maker
from gateway.lines.http_client import client_problem, status_problem
from gateway.problems.problem import Problem, ProblemError, problem_of
from gateway.problems.quoting import quoted
from gateway.runtime.clock import now

if TYPE_CHECKING:
    import ssl

    from aiohttp import ClientResponse

RESPONSE_S = 10.0
"""Longest time for one response, with its connection."""
ASK_EVERY_S = 2.0
"""Time between two requests for a token."""
MAX_RESPONSE_BYTES = 2000
MAX_NAME_CHARACTERS = 40
OK, FORBIDDEN, NOT_FOUND = 200, 403, 404
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_-]+")
_TOKEN = re.compile(r"[A-Fa-f0-9]{32}")

_NO_V2 = problem_of(
    "no-api-v2",
    "the device has no API v2",
    "Is it a HomeWizard P1 Meter with firmware 6.00 or newer? The HomeWizard app updates it."
    " Without API v2, it can be read without a token, if the local API is on",
)


def user_of(host: str) -> str:
    """Return the name that the device lists for the gateway on `host`, of the characters that it allows."""
    return f"dsmr-gateway-{_NOT_IN_A_NAME.sub('-', host)}"[:MAX_NAME_CHARACTERS].rstrip("-")


async def serial_at(host: str, port: int, ca: Path | None) -> str:
    """Return the serial number of the device at an address, after its certificate was checked.

    Raises:
        ProblemError: there is no P1 Meter of the maker.

    """
    context = await asyncio.to_thread(trust_maker, ca, checks_name=False)
    try:
        async with asyncio.timeout(RESPONSE_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ConnectionRefusedError as error:
        raise ProblemError(_NO_V2) from error
    except Exception as error:
        raise client_problem(error, RESPONSE_S) from error
    try:
        return serial_in(_common_name(writer.get_extra_info("peercert") or {}))
    finally:
        writer.transport.abort()


def _common_name(certificate: dict[str, object]) -> str:
    subject = certificate.get("subject")
    fields = [field for group in subject for field in group] if isinstance(subject, tuple) else []
    return str(dict(fields).get("commonName", ""))


async def pair(
    place: str, serial: str, ca: Path | None, user: str, wait: Callable[[], None], limit_s: float
) -> Pairing:
    """Request a token until the button is pressed.

    Args:
        place: host and port of the device.
        serial: its serial number, which is checked again with each connection.
        ca: PEM file of the authorities that may have signed its certificate; None for the maker's.
        user: the name that the device lists for the token. An older token of this name becomes invalid.
        wait: called once the device waits for its button.
        limit_s: longest time in seconds to wait for the button.

    Raises:
        ProblemError: the device gives no token.

    """
    context = await asyncio.to_thread(trust_maker, ca)
    end = now() + limit_s
    has_waited = False
    while (token := await _request_token(place, Pairing(serial, ""), context, user)) is None:
        if not has_waited:
            has_waited = True
            wait()
        if now() + ASK_EVERY_S > end:
            what = f"the button of the device was not pressed within {limit_s:.0f} s"
            raise ProblemError(problem_of("button-not-pressed", what, "Run the command again", seconds=limit_s))
        await asyncio.sleep(ASK_EVERY_S)
    return Pairing(serial, token)


async def _request_token(place: str, device: Pairing, context: ssl.SSLContext, user: str) -> str | None:
    """Return a token, or None as long as the button is not pressed."""
    import aiohttp  # noqa: PLC0415 - only where it is used

    try:
        async with (
            asyncio.timeout(RESPONSE_S),
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(
                f"https://{place}/api/user",
                allow_redirects=False,
                headers={"X-Api-Version": "2"},
                json={"name": f"local/{user}"},
                server_hostname=device.name,
                ssl=context,
            ) as response,
        ):
            return _token_in(response, await response.content.read(MAX_RESPONSE_BYTES))
    except Exception as error:
        raise client_problem(error, RESPONSE_S) from error


def _token_in(response: ClientResponse, body: bytes) -> str | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    fields = content if isinstance(content, dict) else {}
    token, code = fields.get("token"), fields.get("error")
    if response.status == OK and isinstance(token, str) and _TOKEN.fullmatch(token):
        return token
    if response.status == FORBIDDEN and code == "user:creation-not-enabled":
        return None
    raise ProblemError(_refusal(response, code))


def _refusal(response: ClientResponse, code: object) -> Problem:
    if response.status == NOT_FOUND:
        return _NO_V2
    if code == "user:no-storage":
        hint = "Remove another one: see DELETE /api/user in the documentation of the device"
        return problem_of("too-many-tokens", "the device cannot store another token", hint)
    if isinstance(code, str):
        return problem_of("pairing-refused", f"the device refuses to pair: {quoted(code)}", short="pairing is refused")
    if response.status == OK:
        return problem_of("pairing-refused", "the response of the device has no token", short="pairing is refused")
    return status_problem(response.status, response.headers.get("Location", ""))
