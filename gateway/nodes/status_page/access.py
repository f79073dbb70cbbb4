"""Who may see the page: addresses, names, and the password."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.nodes.status_page.settings import StatusPageSettings
from gateway.transport.listening import Address, name_peer

MIN_PASSWORD_CHARACTERS = 8
MAX_PASSWORD_FILE_BYTES = 4096
MAX_WRONG_PASSWORDS = 10
"""Of one address in `WRONG_PASSWORD_WINDOW_S`; after them, even the right one has to wait."""
WRONG_PASSWORD_WINDOW_S = 60.0
MAX_ADDRESSES = 1000
"""Whose wrong passwords are counted; past it, those counted first are forgotten."""

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_ASK = {"WWW-Authenticate": 'Basic realm="DSMR gateway", charset="UTF-8"'}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer in place of the page."""

    status: int
    why: str
    headers: Mapping[str, str]


def read_password(path: Path) -> bytes:
    """The digest of the password in a file: its first line.

    Raises:
        OSError: when it cannot be read, or is no password.

    """
    with path.open("rb") as stream:
        lines = stream.read(MAX_PASSWORD_FILE_BYTES).splitlines()
    password = lines[0].strip() if lines else b""
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise OSError(f"{path}: a password has {MIN_PASSWORD_CHARACTERS} characters or more")
    return hashlib.sha256(password).digest()


class Access:
    """Judges requests."""

    def __init__(self, settings: StatusPageSettings, password: bytes | None) -> None:
        """Ask for the password with the digest `password`, if there is one."""
        self._settings = settings
        self._password = password
        self._wrong: dict[Address, list[float]] = {}

    def is_allowed(self, address: Address) -> bool:
        """Whether anything is said to `address` at all."""
        return not self._settings.allow or any(address in network for network in self._settings.allow)

    def refuse(self, client: tuple[str, int] | None, headers: Mapping[str, str], now: float) -> Refusal | None:
        """Why a request is not answered with the page; None when it is."""
        address, _ = name_peer(*(client or ("0.0.0.0", 0)))  # noqa: S104 - stands for no address
        if any(address in network for network in self._settings.trust):
            return None
        if self._password is not None:
            return self._ask_password(address, headers.get("authorization", ""), now)
        if not address.is_loopback:
            return Refusal(403, "There is no password_file for other machines.", {})
        # A page of another site that a browser is made to take for this machine's would say that site's name.
        name = headers.get("host", "").rsplit(":", 1)[0] if "]" not in headers.get("host", "") else "[::1]"
        if name not in (*LOCAL_NAMES, *self._settings.host_names):
            return Refusal(403, f"{name!r} is none of the host_names in the configuration.", {})
        return None

    def _ask_password(self, address: Address, authorization: str, now: float) -> Refusal | None:
        wrong = [at for at in self._wrong.get(address, ()) if now - at < WRONG_PASSWORD_WINDOW_S]
        if len(wrong) >= MAX_WRONG_PASSWORDS:
            retry = {"Retry-After": str(round(WRONG_PASSWORD_WINDOW_S - (now - wrong[0])) + 1)}
            return Refusal(429, "Too many wrong passwords.", retry)
        given = _password_in(authorization)
        if given is None:
            return Refusal(401, "A password is needed.", _ASK)
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
    """The password of any user name (RFC 7617), or a bearer token (RFC 6750)."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode("latin-1", "replace")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""
