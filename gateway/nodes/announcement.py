"""Announcement: tells the local network by mDNS where a passthrough is, as ser2net does."""

from __future__ import annotations

import asyncio
import logging
import socket
from ipaddress import ip_address

import ifaddr
from zeroconf import InterfaceChoice, NonUniqueNameException
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from gateway.nodes.passthrough import Passthrough
from gateway.runtime.flow import Node
from gateway.runtime.status import Colour, Mark

SERVICE = "_iostream._tcp.local."
"""What ser2net announces itself as, so that what looks for one finds this."""
MAX_NAME_BYTES = 63
"""Of a service instance (RFC 6763, 4.1.1)."""


class Announcement(Node):
    """One announced port."""

    kind = "announcement"

    def __init__(self, name: str, passthrough: Passthrough) -> None:
        super().__init__(name)
        self._passthrough = passthrough

    async def run(self) -> None:
        """Announce until cancelled, then say goodbye."""
        self.ready.set()
        self.show(Colour.GREY, Mark.RING, "waiting-for-port")
        await self._passthrough.ready.wait()
        host = self._passthrough.settings.host
        addresses = await _addresses_of(host) if host else _addresses_of_this_machine()
        service = self._describe(addresses)
        network = AsyncZeroconf(interfaces=addresses if host else InterfaceChoice.All)
        try:
            await network.async_register_service(service, allow_name_change=True)
            self.show(Colour.GREEN, Mark.DOT, "plain", text=service.name.removesuffix(f".{SERVICE}"))
            self.log(logging.INFO, f"announced as {service.name}")
            await asyncio.get_running_loop().create_future()
        except NonUniqueNameException as error:
            raise OSError(f"{service.name} is taken") from error
        finally:
            await network.async_close()

    def _describe(self, addresses: list[str]) -> AsyncServiceInfo:
        machine = socket.gethostname().partition(".")[0]
        words = f"P1 {self._passthrough.meter_name} {self._passthrough.port} on {machine}".replace(".", " ")
        instance = words.encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore")
        return AsyncServiceInfo(
            SERVICE,
            f"{instance}.{SERVICE}",
            port=self._passthrough.port,
            properties={"gensiostack": "tcp", "provider": "dsmr-modbus-gateway"},
            server=f"{machine}.local.",
            parsed_addresses=addresses,
        )


async def _addresses_of(host: str) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _addresses_of_this_machine() -> list[str]:
    ips = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    return [ip for ip in ips if not ip_address(ip).is_loopback]
