"""Looks for devices that announce themselves on the local network by mDNS (RFC 6762, RFC 6763).

Anybody on the network can announce anything. So their number is limited, names are cut, and what is announced is only
text here: `gateway.tools.candidates` decides what it means, and which addresses are tried.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Interface, ip_address
from typing import TYPE_CHECKING, NamedTuple

from gateway.problems.problem import ProblemError, problem_of
from gateway.problems.quoting import cut
from gateway.problems.system import reason_of

if TYPE_CHECKING:
    from zeroconf import ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceInfo

SEARCH_S = 5.0
"""Time for which announcements are awaited; a device on a Wi-Fi that sleeps responds within some seconds."""
MAX_PER_SERVICE = 32
"""Largest number of devices of one kind that are looked at."""
MAX_COUNTED = 1000
"""Largest number of devices beyond it that are counted."""
MAX_ADDRESSES = 8
"""Largest number of addresses of one device that are looked at."""
MAX_TEXTS = 32
"""Largest number of TXT records of one device that are looked at."""
RESOLVE_MS = 1000
"""Longest time in which a device that has been found reports its address, in milliseconds."""
DOMAIN = "local."
_INSTALL = "Run in the folder of the project: pip install '.[mdns]'"


class Announced(NamedTuple):
    """A device as it announces itself; every text may be anything."""

    service: str
    """Kind of device, such as `_hwenergy._tcp`."""
    name: str
    addresses: tuple[str, ...]
    port: int
    texts: Mapping[str, str]
    """TXT records, with their names in lower case."""


class Announcements(NamedTuple):
    """The result of a search."""

    devices: Sequence[Announced] = ()
    left_out: int = 0
    """Number of announcements beyond `MAX_PER_SERVICE`."""


def networks_here() -> list[IPv4Interface]:
    """Return the addresses of this machine with their networks, without those of the machine itself.

    Raises:
        ProblemError: the libraries for mDNS are not installed.

    """
    try:
        import ifaddr  # noqa: PLC0415 - only for a search
    except ImportError:
        raise _not_installed() from None
    found = [
        IPv4Interface((ip.ip, ip.network_prefix)) for each in ifaddr.get_adapters() for ip in each.ips if ip.is_IPv4
    ]
    return [each for each in found if not each.ip.is_loopback]


async def search(
    services: Iterable[str], seconds: float, networks: Sequence[IPv4Interface], is_wanted: Callable[[str, str], bool]
) -> Announcements:
    """Return the devices that announce one of these services within some seconds.

    Args:
        services: kinds of device, such as `_hwenergy._tcp`.
        seconds: time to wait for announcements.
        networks: the addresses of this machine in the networks to search.
        is_wanted: returns False for a service and a name that are left out.

    Raises:
        ProblemError: the network cannot be searched.

    """
    if not networks:
        raise ProblemError(problem_of("no-network", "this machine has no network address"))
    try:
        from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf  # noqa: PLC0415 - only for a search
    except ImportError:
        raise _not_installed() from None
    # It would log each packet that it cannot read, with what the packet contains.
    logging.getLogger("zeroconf").setLevel(logging.CRITICAL)
    kept = _Kept(is_wanted)
    types = [f"{service}.{DOMAIN}" for service in services]
    try:
        network = AsyncZeroconf(interfaces=[str(each.ip) for each in networks])
    except OSError as error:
        raise ProblemError(
            problem_of("no-multicast", f"the network cannot be searched ({reason_of(error)})")
        ) from error
    browser = AsyncServiceBrowser(network.zeroconf, types, handlers=[kept.note])
    try:
        await asyncio.sleep(seconds)
        found = await asyncio.gather(*(_resolve(network.zeroconf, *each) for each in kept.names))
    finally:
        await browser.async_cancel()
        await network.async_close()
    return Announcements([each for each in found if each], kept.left_out)


class _Kept:
    """The first announcements of each service."""

    def __init__(self, is_wanted: Callable[[str, str], bool]) -> None:
        self._is_wanted = is_wanted
        self.names: dict[tuple[str, str], None] = {}
        self._beyond = set[tuple[str, str]]()

    def note(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:  # noqa: ARG002
        """Take an announcement; zeroconf calls this with these names of arguments."""
        key = service_type, name
        is_gone = state_change.name == "Removed"
        if key in self.names or is_gone or not self._is_wanted(service_type.removesuffix(f".{DOMAIN}"), name):
            return
        if sum(each == service_type for each, _ in self.names) < MAX_PER_SERVICE:
            self.names[key] = None
        elif len(self._beyond) < MAX_COUNTED:
            self._beyond.add(key)

    @property
    def left_out(self) -> int:
        """Return the number of devices that are not kept."""
        return len(self._beyond)


async def _resolve(network: Zeroconf, service_type: str, name: str) -> Announced | None:
    """Return a device with its addresses, None where it reports none in time."""
    from zeroconf import Error  # noqa: PLC0415 - only for a search
    from zeroconf.asyncio import AsyncServiceInfo  # noqa: PLC0415

    with suppress(Error, OSError, ValueError):
        info = AsyncServiceInfo(service_type, name)
        if await info.async_request(network, RESOLVE_MS) and info.port:
            return _announced(info, service_type.removesuffix(f".{DOMAIN}"))
    return None


def _announced(info: AsyncServiceInfo, service: str) -> Announced:
    addresses = info.parsed_scoped_addresses()[:MAX_ADDRESSES]
    texts = {
        key.decode("utf-8", "replace").lower(): (value or b"").decode("utf-8", "replace")
        for key, value in list(info.properties.items())[:MAX_TEXTS]
    }
    name = cut(info.name.removesuffix(f".{service}.{DOMAIN}"))
    return Announced(service, name, tuple(sorted(addresses, key=_version)), info.port or 0, texts)


def _version(address: str) -> int:
    """Return 4 or 6: the address of version 4 is the one that people write into a configuration."""
    return ip_address(address).version


def _not_installed() -> ProblemError:
    return ProblemError(problem_of("mdns-not-installed", "the library for it is not installed", _INSTALL))
