"""Values that several parts of the configuration have: durations, addresses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

MAX_CLIENTS_LIMIT = 500
"""Of one listener. Far under the number of open files that a system allows a process, 1024 on most."""

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, None: 1}
_ADDRESS = re.compile(r"(?:\[([^\]]*)\]|([^:]*)):([0-9]+)")


def _duration(value: Any) -> Any:
    match = _DURATION.fullmatch(str(value).strip()) if isinstance(value, (str, int, float)) else None
    if match is None:
        raise ValueError("is no duration | Write it like 30s, 500ms or 2m")
    return float(match[1]) * _SECONDS[match[2]]


def host_name(value: str) -> str:
    """`value`, if it can be looked up: Python itself refuses to, with an error of its own, where it cannot."""
    try:
        value.encode("idna")
    except UnicodeError:
        raise ValueError(f"{value!r} is no host | Write a name such as p1.local, or an address") from None
    return value


Host = Annotated[str, AfterValidator(host_name)]


class Listen(BaseModel):
    """An address to listen on."""

    model_config = ConfigDict(frozen=True)

    host: Host
    port: int = Field(ge=0, le=65535)

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def _listen(value: Any) -> Any:
    if isinstance(value, (Listen, dict)):
        return value
    text = f":{value}" if isinstance(value, int) else str(value)
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[3]) > 65535:
        raise ValueError("is no address to listen on | Write it like :502, 192.168.1.5:502 or [::1]:502")
    return {"host": match[1] or match[2] or "", "port": int(match[3])}


class TlsConfig(BaseModel):
    """TLS: PEM files, relative to the configuration."""

    model_config = ConfigDict(extra="forbid")

    certificate: Path
    key: Path
    client_ca: Path | None = None


_DURATION_SCHEMA = {"type": ["string", "number"], "pattern": _DURATION.pattern, "examples": ["30s", "500ms"]}
_LISTEN_SCHEMA = {"type": ["string", "integer"], "examples": [":502", "192.168.1.5:502", "[::1]:502"]}

Duration = Annotated[float, BeforeValidator(_duration), Field(gt=0, le=86_400), WithJsonSchema(_DURATION_SCHEMA)]
ListenAddress = Annotated[Listen, BeforeValidator(_listen), WithJsonSchema(_LISTEN_SCHEMA)]
