"""`meter:` and `meters:`, the sources of telegrams."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from gateway.config.address import host_name, split_address, split_url, tcp_port
from gateway.config.source import BROKERS, PUSH, SCHEMES, Source, check_source, has_password, split_source
from gateway.config.types import Duration, Host
from gateway.files.validation import invalid, suggest
from gateway.problems.quoting import cut, quoted
from gateway.protocol.p1.variants import ALIASES, VARIANTS

DEFAULT_DEVICE = "/dev/ttyUSB0"
AUTO = "auto"

SERIAL_KEYS = frozenset({"baudrate", "bytesize", "parity", "stopbits"})
SOURCE_KEYS = frozenset[str]().union(*(kind.keys for kind in SCHEMES.values()))
"""Keys that only some kinds of source have."""

MAX_USER_CHARACTERS = 256
MAX_IDENTIFIER_CHARACTERS = 96
"""Longest equipment identifier, in the hexadecimal digits of its line (DSMR 5.0.2 P1, 6.12)."""
MIN_POLL_S, MAX_POLL_S = 0.1, 5.0
"""Bounds of `poll`: a small device bears no more requests, and the age of a telegram is not known better."""

_URL_HINT = "Write it like socket://p1.local:2001"
_DUTCH = re.compile(r"(?:E?SMR|DSMR|V)? ?([45])(?:\.[0-9]+)*")
"""Pattern for DSMR 4.0 to 4.2.2 and 5.0 to 5.0.2, of which only the first number matters."""


def _version(value: Any) -> Any:
    text = str(value)
    known = {key.upper(): key for key in (*VARIANTS, *ALIASES, AUTO)}
    key = known.get(text.upper())
    if key is None:
        standard = _DUTCH.fullmatch(text.upper())
        hint = f"Did you mean {standard[1]}?" if standard else suggest(text, list(known.values()))
        hint = hint or f"There are: {', '.join(known.values())}"
        raise invalid("unknown-dsmr-version", f"{quoted(text)} is not a DSMR version", hint, version=cut(text))
    return ALIASES.get(key, key)


_VERSION_SCHEMA = {"anyOf": [{"enum": [*VARIANTS, *ALIASES, AUTO]}, {"type": "number"}]}


def _port(value: Any) -> Any:
    if value in (None, ""):
        # Otherwise the default device would be read, and nothing would show it.
        raise invalid("value-missing", "a value is expected", "Write the device or the TCP port, or remove the key")
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _host(value: Any) -> Any:
    """Return the text of a number, which may be the port."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _check_device(port: str) -> None:
    address = split_address(port)
    if address:
        hint = f"Write host: {cut(address[0])} and port: {address[1]}"
        raise invalid("host-in-port", f"port {quoted(port)} is a host with a port", hint)
    if port.startswith(("socket://", "tcp://")):
        raise invalid("not-an-url", f"{quoted(port)} does not name a host and a port", _URL_HINT)
    try:
        host = ip_address(port)
    except ValueError:
        return
    hint = f"Write host: {host} and port: with the TCP port of the ser2net there, such as port: 2001"
    raise invalid("host-in-port", f"port {quoted(port)} is the address of a host", hint)


def _check_tcp_port(host: str, port: str) -> None:
    """Check host and port of a meter behind a ser2net."""
    if not port:
        what = "host needs a port: the TCP port of the ser2net there"
        raise invalid("port-missing", what, "Add a port, such as port: 2001")
    is_tcp_port = tcp_port(port) is not None
    if tcp_port(host) is not None:
        if is_tcp_port or port.startswith("/"):
            hint = "Write a name such as p1.local, or an address"
            raise invalid("not-a-host", f"host {quoted(host)} is a number and not a host", hint)
        hint = f"Write host: {cut(port)} and port: {host}"
        raise invalid("host-and-port-exchanged", "host and port are exchanged", hint)
    if not is_tcp_port:
        what = f"with host, port is a TCP port (found {quoted(port)})"
        raise invalid("not-a-tcp-port", what, "Write a number from 1 to 65535, such as port: 2001")


class DecryptionConfig(BaseModel):
    """The keys of a meter that encrypts its telegrams."""

    model_config = ConfigDict(extra="forbid")

    key_file: Path
    authentication_key_file: Path | None = None


class MeterKeys(BaseModel):
    """The keys of a meter, each valid by itself; `port`, `host` and `dsmr_version` are as in Home Assistant."""

    model_config = ConfigDict(extra="forbid")

    port: Annotated[str | None, BeforeValidator(_port), WithJsonSchema({"type": ["string", "integer"]})] = None
    host: Annotated[Host, BeforeValidator(_host)] | None = None
    source: Annotated[str | None, BeforeValidator(check_source)] = None
    ca: Path | None = None
    user: Annotated[str, Field(max_length=MAX_USER_CHARACTERS)] | None = None
    password_file: Path | None = None
    token_file: Path | None = None
    poll: Duration | None = None
    decryption: DecryptionConfig | None = None
    equipment_identifier: Annotated[str, Field(min_length=1, max_length=MAX_IDENTIFIER_CHARACTERS)] | None = None
    dsmr_version: Annotated[str, BeforeValidator(_version), WithJsonSchema(_VERSION_SCHEMA)] = AUTO
    baudrate: int | None = Field(default=None, ge=300, le=4_000_000)
    bytesize: Literal[7, 8] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stopbits: Literal[1, 2] | None = None
    watchdog: Duration = 30.0
    stale_after: Duration | None = None
    main_fuse: int | None = Field(default=None, ge=1, le=1000)
    simulate: bool = False


class MeterConfig(MeterKeys):
    """The source of a meter's telegrams."""

    @model_validator(mode="after")
    def _check_source(self) -> MeterConfig:
        if has_password(self.source or ""):
            what = "a source contains no user and no password"
            raise invalid("password-in-source", what, "It would be shown in logs and on the page. Remove it")
        source = self.parsed_source
        used = source.kind.keys if source else SERIAL_KEYS
        unused = {*SERIAL_KEYS, *SOURCE_KEYS, *(("port", "host") if source else ())} - used
        if kept := [key for key in type(self).model_fields if key in self.model_fields_set & unused]:
            where = f"with a source of {source.title}" if source else "without a source"
            raise invalid("key-not-of-source", f"{', '.join(kept)} cannot be set {where}", "Remove it")
        if self.password_file and self.user is None:
            raise invalid("user-missing", "password_file has no user", "Add user: with the name at the broker")
        return self

    @model_validator(mode="after")
    def _check_token(self) -> MeterConfig:
        if self.is_pushed and self.token_file is None:
            what = "a meter whose telegrams are posted needs a token, which says whose they are"
            raise invalid("token-missing", what, "Add token_file: with a file that holds it")
        return self

    @model_validator(mode="after")
    def _check_poll(self) -> MeterConfig:
        if self.poll is not None and not MIN_POLL_S <= self.poll <= MAX_POLL_S:
            what = f"poll is from {MIN_POLL_S:g}s to {MAX_POLL_S:g}s"
            raise invalid("poll-out-of-range", what, "Remove it to follow the meter")
        return self

    @model_validator(mode="after")
    def _check_port(self) -> MeterConfig:
        url = split_url(self.port or "")
        if url:
            if self.host:
                raise invalid("host-twice", "port is an address with a host already", "Remove host")
            self.host, self.port = host_name(url[0]), str(url[1])
        port = self.port or ""
        if self.host:
            _check_tcp_port(self.host, port)
        else:
            _check_device(port)
        if not self.host and port.isdecimal():
            what = f"port {cut(port)} is a TCP port, and there is no host"
            raise invalid("host-missing", what, "Add host, or write a device such as /dev/ttyUSB0")
        serial_keys = SERIAL_KEYS & self.model_fields_set
        if self.host and serial_keys:
            what = f"{', '.join(sorted(serial_keys))} cannot be set for a meter behind a host"
            raise invalid("serial-keys-with-host", what, "Set it in the ser2net there")
        return self

    @property
    def parsed_source(self) -> Source | None:
        """Return the parts of `source`; None for a meter with a serial port or behind a ser2net."""
        return split_source(self.source) if self.source else None

    @property
    def is_serial(self) -> bool:
        """Return whether the telegrams come from a serial port of this machine."""
        return not (self.host or self.source)

    @property
    def is_pushed(self) -> bool:
        """Return whether another program posts the telegrams."""
        return self.source == PUSH

    @property
    def is_from_brokers(self) -> bool:
        """Return whether the telegrams come over the brokers of `mqtt:`."""
        source = self.parsed_source
        return source is not None and source.scheme == BROKERS

    @property
    def device(self) -> str:
        """Return the serial device of a meter without host."""
        return self.port or DEFAULT_DEVICE
