"""Announcement: announces a passthrough on the local network by mDNS, as ser2net does.

In: the host and port where the passthrough listens.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from ipaddress import ip_address

import ifaddr
from zeroconf import InterfaceChoice, NonUniqueNameException
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from gateway.runtime.flow import Node
from gateway.runtime.status import Colour, Mark

SERVICE = "_iostream._tcp.local."
"""The service type of ser2net, so that a program that looks for a ser2net finds the gateway."""
MAX_NAME_BYTES = 63
"""Longest name of a service instance (RFC 6763, 4.1.1)."""


class Announcement(Node):
    """The announcement of one port."""

    kind = "announcement"

    def __init__(self, name: str, meter_name: str, stack: str = "tcp") -> None:
        """Announce a port with the telegrams of the meter `meter_name`, and the layers of its connections."""
        super().__init__(name)
        self._stack = stack
        self._meter_name = meter_name
        self._host, self._port = "", 0
        self._is_open = asyncio.Event()

    def port_opened(self, host: str, port: int) -> None:
        """Take the place to announce; an empty host means all addresses of this machine."""
        self._host, self._port = host, port
        self._is_open.set()

    async def run(self) -> None:
        """Announce the port once it is open, until cancelled; then withdraw the announcement."""
        self.ready.set()
        self.show(Colour.GREY, Mark.RING, "waiting-for-port")
        await self._is_open.wait()
        host = self._host
        addresses = await _addresses_of(host) if host else _addresses_of_this_machine()
        service = self._describe(addresses)
        network = AsyncZeroconf(interfaces=addresses if host else InterfaceChoice.All)
        try:
            await network.async_register_service(service, allow_name_change=True)
            self.show(Colour.GREEN, Mark.DOT, "announced", port=self._port)
            self.log(logging.INFO, f"announced as {service.name}")
            await asyncio.get_running_loop().create_future()
        except NonUniqueNameException as error:
            raise OSError(f"the name {service.name} is used by another device") from error
        finally:
            await network.async_close()

    def _describe(self, addresses: list[str]) -> AsyncServiceInfo:
        machine = socket.gethostname().partition(".")[0]
        label = f"P1 {self._meter_name} {self._port} on {machine}".replace(".", " ")
        instance = label.encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore")
        return AsyncServiceInfo(
            SERVICE,
            f"{instance}.{SERVICE}",
            port=self._port,
            properties={"gensiostack": self._stack, "provider": "dsmr-modbus-gateway"},
            server=f"{machine}.local.",
            parsed_addresses=addresses,
        )


async def _addresses_of(host: str) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _addresses_of_this_machine() -> list[str]:
    ips = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    return [ip for ip in ips if not ip_address(ip).is_loopback]
