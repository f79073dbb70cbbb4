"""Addresses and their texts: where the gateway listens, and where its clients come from."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
SOURCE_BITS = 64
"""Length of the prefix that the IPv6 addresses of one source have in common."""


def place_of(host: str, port: int) -> str:
    """Return the address and port as text; `*` means all addresses of the machine."""
    return f"{f'[{host}]' if ':' in host else host or '*'}:{port}"


def own_address() -> str:
    """Return the address of this machine in its network, which other machines can connect to; empty without a network.

    It is the one that the machine would send from to an address elsewhere; nothing is sent.
    """
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):  # RFC 5737, RFC 3849
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((elsewhere, 9))
            return str(sock.getsockname()[0])
    return ""


def peer_of(transport: asyncio.Transport) -> tuple[Address, str]:
    """Return the address of the connected client, and its name."""
    return name_peer(*transport.get_extra_info("peername")[:2])


def name_peer(host: str, port: int) -> tuple[Address, str]:
    """Return a client's address and its name; an IPv4 client of an IPv6 socket has an IPv4 address."""
    address = ip_address(host.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    return address, f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def source_of(address: Address) -> str:
    """Return the source that an address belongs to: an IPv4 address, or the /64 network of an IPv6 address.

    One subscriber has at least as many IPv6 addresses as such a network.
    """
    return str(IPv6Network((address, SOURCE_BITS), strict=False)) if address.version == 6 else str(address)
