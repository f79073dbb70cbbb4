"""Access to the page: allowed addresses, host names, and the password."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.problems.problem import ProblemError, problem_of
from gateway.transport.addresses import Address, Network, name_peer, place_of

MIN_PASSWORD_CHARACTERS = 8
MAX_PASSWORD_FILE_BYTES = 4096
MAX_WRONG_PASSWORDS = 10
"""Largest number of wrong passwords of one address in `WRONG_PASSWORD_WINDOW_S`. After that, it has to wait."""
WRONG_PASSWORD_WINDOW_S = 60.0
MAX_ADDRESSES = 1000
"""Largest number of addresses whose wrong passwords are counted. Beyond it, the oldest are removed."""

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_ASK = {"WWW-Authenticate": 'Basic realm="DSMR gateway", charset="UTF-8"'}


@dataclass(frozen=True, slots=True)
class StatusPageSettings:
    """The address of the page, and who may see it."""

    host: str
    """Address to listen on, empty for all."""
    port: int
    password_file: Path | None = None
    allow: tuple[Network, ...] = ()
    """Networks whose browsers are served; empty for all."""
    trust: tuple[Network, ...] = ()
    """Networks whose browsers need no password."""
    framed_by: tuple[str, ...] = ()
    """Origins whose pages may show this one in a frame; `self` for its own."""
    host_names: tuple[str, ...] = ()
    """Host names, besides localhost, under which browsers may open the page without a password."""

    def __str__(self) -> str:
        return place_of(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response that is sent instead of the page."""

    status: int
    why: str
    headers: Mapping[str, str]


def read_password(path: Path) -> bytes:
    """Return the digest of the password in the first line of a file.

    Raises:
        OSError: when the file cannot be read, or the password is too short.

    """
    with path.open("rb") as stream:
        lines = stream.read(MAX_PASSWORD_FILE_BYTES).splitlines()
    password = lines[0].strip() if lines else b""
    if len(password) < MIN_PASSWORD_CHARACTERS:
        hint = f"Use {MIN_PASSWORD_CHARACTERS} characters or more"
        raise ProblemError(problem_of("password-too-short", "the password is too short", hint))
    return hashlib.sha256(password).digest()


class Access:
    """Decides which requests the page responds to."""

    def __init__(self, settings: StatusPageSettings, password: bytes | None) -> None:
        """Require the password with the digest `password`; None for no password."""
        self._settings = settings
        self._password = password
        self._wrong: dict[Address, list[float]] = {}

    def renew_password(self, password: bytes) -> None:
        """Require the password with this digest from the next request on."""
        self._password = password

    def is_allowed(self, address: Address) -> bool:
        """Return whether connections from `address` are accepted."""
        return not self._settings.allow or any(address in network for network in self._settings.allow)

    def refuse(self, client: tuple[str, int] | None, headers: Mapping[str, str], now: float) -> Refusal | None:
        """Return the response to a request without access; None for a request that has access."""
        address, _ = name_peer(*(client or ("0.0.0.0", 0)))  # noqa: S104 - for a client without an address
        if any(address in network for network in self._settings.trust):
            return None
        if self._password is not None:
            return self._ask_password(address, headers.get("authorization", ""), now)
        if not address.is_loopback:
            return Refusal(403, "Access from other machines needs a password_file in the configuration.", {})
        # Against DNS rebinding: a page of another site whose name was made to resolve to this machine sends that name.
        name = headers.get("host", "").rsplit(":", 1)[0] if "]" not in headers.get("host", "") else "[::1]"
        if name not in (*LOCAL_NAMES, *self._settings.host_names):
            return Refusal(403, f"The host name {name!r} is not in host_names in the configuration.", {})
        return None

    def _ask_password(self, address: Address, authorization: str, now: float) -> Refusal | None:
        wrong = [at for at in self._wrong.get(address, ()) if now - at < WRONG_PASSWORD_WINDOW_S]
        if len(wrong) >= MAX_WRONG_PASSWORDS:
            retry = {"Retry-After": str(round(WRONG_PASSWORD_WINDOW_S - (now - wrong[0])) + 1)}
            return Refusal(429, "Too many wrong passwords.", retry)
        given = _password_in(authorization)
        if given is None:
            return Refusal(401, "A password is required.", _ASK)
        assert self._password is not None
        if hmac.compare_digest(hashlib.sha256(given).digest(), self._password):
            self._wrong.pop(address, None)
            return None
        self._wrong.pop(address, None)
        while len(self._wrong) >= MAX_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        self._wrong[address] = [*wrong, now]
        return Refusal(401, "The password is wrong.", _ASK)


def _password_in(authorization: str) -> bytes | None:
    """Return the password of any user (RFC 7617), or a bearer token (RFC 6750)."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode("latin-1", "replace")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
