"""Listening on a port: the words for where, for who comes, and for what keeps the gateway from it."""

from __future__ import annotations

import asyncio
import errno
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from gateway.runtime.status import Label, label

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def place_of(host: str, port: int) -> str:
    """Return the address and port as text; `*` means all addresses of the machine."""
    return f"{f'[{host}]' if ':' in host else host or '*'}:{port}"


def peer_of(transport: asyncio.Transport) -> tuple[Address, str]:
    """Return the address of the connected client, and its name."""
    return name_peer(*transport.get_extra_info("peername")[:2])


def name_peer(host: str, port: int) -> tuple[Address, str]:
    """Return a client's address and its name; an IPv4 client of an IPv6 socket has an IPv4 address."""
    address = ip_address(host.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    return address, f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def trouble_listening(error: OSError, place: int | str) -> Label:
    """Return the label for what prevents listening on `place`: a port, or the path of a serial device."""
    where = label("port", port=place) if isinstance(place, int) else place
    if error.errno in (errno.EADDRINUSE, errno.EBUSY):
        return label("in-use", place=where)
    if error.errno in (errno.EACCES, errno.EPERM):
        return label("no-permission", place=where)
    return label("cannot-listen", place=where, reason=(error.strerror or str(error)).partition(";")[0])


def why_not_listening(error: OSError, where: str, *, port: int) -> str:
    """Return why the gateway cannot listen, and what to do; `port` is one that needs no rights."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"no right to listen on {where}: ports below 1024 are reserved. Choose another port such as {port},"
            " or allow it with setcap cap_net_bind_service=+ep on python, AmbientCapabilities="
            "CAP_NET_BIND_SERVICE in systemd, or sysctl net.ipv4.ip_unprivileged_port_start=502"
        )
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program (ss -ltnp shows which); trying again until it is free"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where} is no address of this machine (ip address shows which are); trying again"
    return f"cannot listen on {where}: {error.strerror or error}; trying again"
