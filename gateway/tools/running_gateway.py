"""The places that the running gateway of this machine reads, as it says itself over its control socket."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.transport.control_socket import SOURCES, ask, running_sockets

ASK_LIMIT_S = 3.0
"""Longest time for its response, and for the look-up of the names in its configuration."""


class OwnMeter(NamedTuple):
    """A meter that the running gateway reads."""

    name: str
    place: str
    """Device, HOST:PORT or URL."""
    title: str = ""
    """Version; empty where no telegram has come."""
    pseudonym: str = ""
    age_s: float | None = None
    """Age of its telegram in seconds; None where there is none."""


@dataclass(slots=True)
class RunningGateway:
    """The places that the running gateway reads; none where this user has access to no running gateway."""

    meters: Sequence[OwnMeter] = ()
    passthroughs: frozenset[int] = frozenset()
    """TCP ports of its passthroughs."""
    _devices: set[str] = field(default_factory=set)
    _places: set[tuple[str, int]] = field(default_factory=set)

    def reads_device(self, device: str) -> bool:
        """Return whether it reads a serial port, which may have another name here."""
        return os.path.realpath(device) in self._devices

    def reads(self, host: str, port: int) -> bool:
        """Return whether it reads a port of a host, by the same name or by its address."""
        return (host, port) in self._places

    def take(self, line: bytes) -> list[tuple[str, int]]:
        """Take its response; return the hosts and ports that it reads.

        Raises:
            ValueError, KeyError, TypeError: it is not the response of a gateway of this version.

        """
        data = json.loads(line)
        self.passthroughs = frozenset(data["passthroughs"])
        self.meters = [
            OwnMeter(each["name"], each["place"], each.get("title", ""), each.get("meter", ""), each.get("age_s"))
            for each in data["meters"]
        ]
        self._devices = {os.path.realpath(each["device"]) for each in data["meters"] if "device" in each}
        hosts = [(str(each["host"]), int(each["port"])) for each in data["meters"] if "host" in each]
        self._places = set(hosts)
        return hosts

    async def look_up(self, host: str, port: int) -> None:
        """Note the addresses of a host that it reads."""
        with suppress(OSError, UnicodeError):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
            self._places |= {(str(address[0]), port) for *_, address in found}


async def ask_running_gateway() -> RunningGateway:
    """Return what the running gateway reads."""
    running = RunningGateway()
    lines: list[bytes] = []
    with suppress(OSError, TimeoutError, ValueError, KeyError, TypeError):
        async with asyncio.timeout(ASK_LIMIT_S):
            await ask(running_sockets()[0], SOURCES, lines.append)
            for host, port in running.take(lines[0]) if lines else ():
                await running.look_up(host, port)
    return running
