"""`meter:` and `meters:`, the sources of telegrams."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from gateway.config.types import Duration, Host, host_name
from gateway.files.validation import suggest
from gateway.protocol.p1.variants import ALIASES, VARIANTS

DEFAULT_DEVICE = "/dev/ttyUSB0"
AUTO = "auto"

_URL = re.compile(r"(?:socket|tcp)://(\[[^\]]+\]|[^:/]+):([0-9]+)/?")

_DUTCH = re.compile(r"(?:E?SMR|DSMR|V)? ?([45])(?:\.[0-9]+)*")
"""Pattern for DSMR 4.0 to 4.2.2 and 5.0 to 5.0.2, of which only the first number matters."""


def _version(value: Any) -> Any:
    text = str(value)
    known = {key.upper(): key for key in (*VARIANTS, *ALIASES, AUTO)}
    key = known.get(text.upper())
    if key is None:
        standard = _DUTCH.fullmatch(text.upper())
        hint = f"Did you mean {standard[1]}?" if standard else suggest(text, list(known.values()))
        raise ValueError(f"{text!r} is no DSMR version | {hint or 'There are: ' + ', '.join(known.values())}")
    return ALIASES.get(key, key)


_VERSION_SCHEMA = {"anyOf": [{"enum": [*VARIANTS, *ALIASES, AUTO]}, {"type": "number"}]}


def _port(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class MeterConfig(BaseModel):
    """The source of a meter's telegrams; `port`, `host` and `dsmr_version` are as in Home Assistant."""

    model_config = ConfigDict(extra="forbid")

    port: Annotated[str | None, BeforeValidator(_port), WithJsonSchema({"type": ["string", "integer"]})] = None
    host: Host | None = None
    dsmr_version: Annotated[str, BeforeValidator(_version), WithJsonSchema(_VERSION_SCHEMA)] = AUTO
    baudrate: int | None = Field(default=None, ge=300, le=4_000_000)
    bytesize: Literal[7, 8] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stopbits: Literal[1, 2] | None = None
    watchdog: Duration = 30.0
    stale_after: Duration | None = None
    simulate: bool = False

    @model_validator(mode="after")
    def _check_port(self) -> MeterConfig:
        url = _URL.fullmatch(self.port or "")
        if url:
            if self.host:
                raise ValueError("port is an address already | Leave host out")
            self.host, self.port = host_name(url[1].strip("[]")), url[2]
        is_number = (self.port or "").isdecimal()
        if self.host and not self.port:
            raise ValueError("host needs a port, the TCP port of the ser2net there | Such as port: 2001")
        if self.host and not (is_number and 0 < int(self.port or 0) < 65536):
            raise ValueError(f"with host, port is a TCP port (found {self.port!r}) | Such as port: 2001")
        if not self.host and is_number:
            raise ValueError(f"port {self.port} is a TCP port and needs a host | Or give a device such as /dev/ttyUSB0")
        serial_keys = {"baudrate", "bytesize", "parity", "stopbits"} & self.model_fields_set
        if self.host and serial_keys:
            raise ValueError(
                f"{', '.join(sorted(serial_keys))} cannot be set from here with host | Set it in the ser2net there"
            )
        return self

    @property
    def device(self) -> str:
        """Return the serial device of a meter without host."""
        return self.port or DEFAULT_DEVICE
