"""Masks a configuration for publication: secrets, host names and serial numbers."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel

from gateway.protocol.p1.redaction import redact_text

REMOVED = "(removed)"
_SECRET = re.compile(r"password|passphrase|secret|token|credential|user_?name|user_application_name")
_PLAIN_HOST = re.compile(r"localhost|[0-9.]+|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*|")
"""Hosts that need no mask: addresses and this machine. A name may identify its owner."""


def masked(config: BaseModel) -> Any:
    """Return the configuration as plain data, masked and without defaults."""
    return _masked("", json.loads(config.model_dump_json(exclude_unset=True)))


def _masked(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _masked(str(name), each) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(key, each) for each in value]
    if isinstance(value, str):
        is_name = key == "host" and not _PLAIN_HOST.fullmatch(value)
        return REMOVED if is_name or _SECRET.search(key) else redact_text(value)
    return REMOVED if _SECRET.search(key) and value is not None else value
