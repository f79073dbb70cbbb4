"""Access to the page: allowed addresses, host names, and the password."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from gateway.problems.problem import problem_of
from gateway.problems.quoting import quoted
from gateway.runtime.audit import ACCEPTED, REFUSED, Event, strangers
from gateway.transport.addresses import Address, Network, name_peer, place_of, source_of
from gateway.transport.guessing import Guessing
from gateway.transport.secret_file import read_digest

MIN_PASSWORD_CHARACTERS = 8

LOCAL_NAME = "localhost"
ANY_NAME = "*"
"""Entry of `host_names` for a page that browsers reach through a proxy only."""
_ASK = {"WWW-Authenticate": 'Basic realm="DSMR gateway", charset="UTF-8"'}


@dataclass(frozen=True, slots=True)
class StatusPageSettings:
    """The address of the page, and who may see it."""

    host: str
    """Address to listen on, empty for all."""
    port: int
    is_local: bool = False
    """True if only this machine can connect to the address."""
    password_file: Path | None = None
    allow: tuple[Network, ...] = ()
    """Networks whose browsers are served; empty for all."""
    trust: tuple[Network, ...] = ()
    """Networks whose browsers need no password."""
    framed_by: tuple[str, ...] = ()
    """Origins whose pages may show this one in a frame; `self` for its own."""
    host_names: tuple[str, ...] = ()
    """Host names, besides localhost, under which browsers may open the page without a password; `*` for any."""

    def __str__(self) -> str:
        return place_of(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response that is sent instead of the page."""

    status: int
    why: str
    headers: Mapping[str, str]
    delayed_for: str = ""
    """The source of wrong passwords whose responses are delayed; empty for a response without delay."""


def read_password(path: Path) -> bytes:
    """Return the digest of the password in a file, as `read_digest` does."""
    hint = f"Use {MIN_PASSWORD_CHARACTERS} characters or more"
    too_short = problem_of("password-too-short", "the password is too short", hint)
    return read_digest(path, MIN_PASSWORD_CHARACTERS, too_short)


class Access:
    """Decides which requests the page responds to."""

    def __init__(
        self,
        settings: StatusPageSettings,
        password: bytes | None,
        note_burst: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """Require the password with the digest `password`; None for no password.

        Args:
            settings: the addresses and names of the page.
            password: the digest.
            note_burst: called with a text for the log when too many wrong passwords come.

        """
        self._settings = settings
        self._password = password
        self._node = f"status page {settings}"
        self._names = tuple(name.lower() for name in settings.host_names)
        self.guessing = Guessing(note_burst)

    def renew_password(self, password: bytes) -> None:
        """Require the password with this digest from the next request on."""
        self._password = password

    def is_allowed(self, address: Address) -> bool:
        """Return whether connections from `address` are accepted."""
        is_allowed = not self._settings.allow or any(address in network for network in self._settings.allow)
        if not is_allowed:
            strangers.record(Event.CONNECTION, REFUSED, address=str(address), node=self._node, detail="not in allow")
        return is_allowed

    def needs_password(self, address: Address) -> bool:
        """Return whether requests from `address` need the password, or have no access at all."""
        if any(address in network for network in self._settings.trust):
            return False
        return self._password is not None or not address.is_loopback

    def refuse(self, client: tuple[str, int] | None, headers: Mapping[str, str], now: float) -> Refusal | None:
        """Return the response to a request without access; None for a request that has access."""
        address, _ = name_peer(*(client or ("0.0.0.0", 0)))  # noqa: S104 - for a client without an address
        is_trusted = any(address in network for network in self._settings.trust)
        name = _host_name(headers.get("host", ""))
        if is_trusted and self._is_own(name):
            return None
        if self._password is not None:
            return self._ask_password(address, headers.get("authorization", ""), now)
        why = ""
        if not (is_trusted or address.is_loopback):
            why = "Access from other machines needs a password_file in the configuration."
        elif not self._is_own(name):
            why = f"The host name {quoted(name)} is not in host_names in the configuration."
        if why:
            strangers.record(Event.CONNECTION, REFUSED, address=str(address), node=self._node, detail=why)
        return Refusal(403, why, {}) if why else None

    def _is_own(self, name: str) -> bool:
        """Return whether a browser means this page by `name`.

        Against DNS rebinding: a page of another site whose name was made to resolve to this machine sends that name. An
        address is no name, and cannot be made to lead elsewhere.
        """
        return name == LOCAL_NAME or _is_address(name) or any(each in (name, ANY_NAME) for each in self._names)

    def _ask_password(self, address: Address, authorization: str, now: float) -> Refusal | None:
        given = _password_in(authorization)
        if given is None:
            return Refusal(401, "A password is required.", _ASK)
        assert self._password is not None
        # First of all: the right password is accepted however many wrong ones come.
        is_right = hmac.compare_digest(hashlib.sha256(given).digest(), self._password)
        strangers.record(Event.LOGIN, ACCEPTED if is_right else REFUSED, address=str(address), node=self._node)
        if is_right:
            return None
        source = source_of(address)
        wait_s = self.guessing.note(source, now)
        if wait_s is None:
            return Refusal(401, "The password is wrong.", _ASK)
        headers = {"Retry-After": str(math.ceil(wait_s)), "Connection": "close"}
        return Refusal(429, "Too many wrong passwords.", headers, source)


def _host_name(host: str) -> str:
    """Return the name or address in a Host header, without its port and the brackets of IPv6."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return name.lower()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


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
