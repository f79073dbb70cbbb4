"""Masks a configuration for publication: only what is known to be harmless stays.

Numbers, choices, private addresses and the names of built-in maps stay. Every other text, such as the name of a meter,
a host or a path, becomes a placeholder. The same text has the same placeholder, so that it can be seen which unit
serves which meter. A key that is added later is therefore masked until it is listed here.
"""

from __future__ import annotations

import json
import re
from ipaddress import ip_address, ip_network
from typing import Any

from pydantic import BaseModel

from gateway.maps.load import map_names

REMOVED = "(removed)"
_SECRET = re.compile(r"password|passphrase|secret|token|credential|user_?name")
_CHOICES = frozenset(
    (
        "dsmr_version",
        "parity",
        "transport",
        "on_stale",
        "repeat",
        "mode",
        "content",
        "on_meter_loss",
        "greet",
        "level",
        "format",
        "publish",
        "revision",
    )
)
"""Keys whose values are chosen from a list, or are a version."""
_PATHS = frozenset(
    (
        "port",
        "password_file",
        "token_file",
        "key_file",
        "authentication_key_file",
        "certificate",
        "key",
        "client_ca",
        "ca",
        "map",
        "audit",
        "state_dir",
    )
)
_DEVICE = re.compile(r"/dev/tty[A-Za-z]{1,4}[0-9]{1,3}|[0-9]{1,5}")
"""Devices that a system names, and ports of TCP."""
_CHOICE = re.compile(r"[A-Za-z0-9._+-]{1,20}")


def masked(config: BaseModel) -> Any:
    """Return the configuration as plain data, masked and without defaults."""
    return _Masking().value("", json.loads(config.model_dump_json(exclude_unset=True)))


class _Masking:
    """Replaces texts by placeholders, and remembers them."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {}

    def value(self, key: str, value: Any) -> Any:
        """Return the value of a key, masked."""
        if isinstance(value, dict):
            return {
                self._text("meter", name) if key == "meters" else name: self.value(str(name), each)
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [self.value(key, each) for each in value]
        if value is not None and _SECRET.search(key):
            return REMOVED
        if not isinstance(value, str) or _is_harmless(key, value):
            return value
        return self._text("path" if key in _PATHS else key, value)

    def _text(self, kind: str, text: str) -> str:
        known = self._known.setdefault(kind, {})
        return known.setdefault(text, f"({kind} {len(known) + 1})")


def _is_harmless(key: str, text: str) -> bool:
    if key in _CHOICES:
        return _CHOICE.fullmatch(text) is not None
    if key == "map":
        return text in map_names()
    if key == "port":
        return _DEVICE.fullmatch(text) is not None
    if key == "host":
        return text in ("", "localhost") or _is_private(text)
    return key in ("allow", "priority", "trust") and _is_private(text)


def _is_private(text: str) -> bool:
    """Return whether a text is an address or network that many others have too."""
    try:
        return not (ip_network(text, strict=False) if "/" in text else ip_address(text)).is_global
    except ValueError:
        return False
