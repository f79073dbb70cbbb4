"""Types of values in several parts of the configuration: durations, addresses."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from gateway.config.address import MAX_PORT, host_name, split_address, tcp_port
from gateway.files.validation import invalid
from gateway.problems.quoting import cut

MAX_CLIENTS_LIMIT = 500
"""Largest `max_clients` of a listener, far below the usual limit of 1024 open files per process."""

MAX_NETWORKS = 200
"""Largest number of networks, origins or names in one list: each connection is compared with all of them."""
MAX_LISTENERS = 10_000
"""Largest number of entries in `meters:`, `modbus:` and `passthrough:`: each meter may have ports of its own."""

MAX_DURATION_S = 86_400

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, None: 1}
_MAPPED_BITS = 96
"""Bits of an IPv6 address before the IPv4 address in it (RFC 4291, 2.5.5.2)."""


def _duration(value: Any) -> Any:
    match = _DURATION.fullmatch(str(value).strip()) if isinstance(value, (str, int, float)) else None
    if match is None:
        raise invalid("not-a-duration", "this is not a duration", "Write it like 30s, 500ms or 2m")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if not 0 < seconds <= MAX_DURATION_S:
        raise invalid("duration-out-of-range", "a duration is more than 0s and at most 24h", "Write it like 30s or 2m")
    return seconds


Host = Annotated[str, AfterValidator(host_name)]


class Listen(BaseModel):
    """An address to listen on."""

    model_config = ConfigDict(frozen=True)

    host: Host
    port: int = Field(ge=0, le=65535)

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def listen_of(value: Any) -> Any:
    """Return the address in a value of `listen`; a value of another type as it is, for its model to check.

    Raises:
        PydanticCustomError: it is not an address.

    """
    if isinstance(value, (Listen, dict)):
        return value
    text = f":{value}" if isinstance(value, int) else str(value)
    address = split_address(text)
    if address is None or address[1] > MAX_PORT:
        first, _, rest = text.partition(":")
        is_exchanged = tcp_port(first) is not None and rest and ":" not in rest and not rest.isdecimal()
        hint = f"Write {cut(rest)}:{first}" if is_exchanged else "Write it like :502, 192.168.1.5:502 or [::1]:502"
        raise invalid("not-an-address", "this is not an address to listen on", hint)
    host, port = address
    return Listen(host=host_name(host), port=port)


def _network(value: Any) -> Any:
    if isinstance(value, (IPv4Network, IPv6Network)):
        return value
    text = str(value).strip()
    try:
        network = ip_network(text, strict=False)
        is_first = network.network_address == ip_address(text.partition("/")[0])
    except ValueError:
        hint = "Write it like 192.168.1.0/24, or 192.168.1.5 for one address"
        raise invalid("not-a-network", "this is not a network", hint) from None
    if not is_first:
        hint = f"For the whole network, write {_as_ipv4(network)}"
        raise invalid("address-in-network", "this is one address in a network", hint)
    return _as_ipv4(network)


def _as_ipv4(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """Return the IPv4 network in one such as ::ffff:192.168.1.0/120, because IPv4 clients have IPv4 addresses."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


class CertificateConfig(BaseModel):
    """The certificate and key of a TLS listener in PEM form; relative paths begin at the configuration file."""

    model_config = ConfigDict(extra="forbid")

    certificate: Path
    key: Path


class TlsConfig(CertificateConfig):
    """The files of a TLS listener that may ask its clients for a certificate."""

    client_ca: Path | None = None


_DURATION_SCHEMA = {"type": ["string", "number"], "pattern": _DURATION.pattern, "examples": ["30s", "500ms"]}
_LISTEN_SCHEMA = {"type": ["string", "integer"], "examples": [":502", "192.168.1.5:502", "[::1]:502"]}
_NETWORK_SCHEMA = {"type": "string", "examples": ["192.168.1.0/24", "192.168.1.5", "2001:db8::/32"]}

Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
ListenAddress = Annotated[Listen, BeforeValidator(listen_of), WithJsonSchema(_LISTEN_SCHEMA)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network), WithJsonSchema(_NETWORK_SCHEMA)]
