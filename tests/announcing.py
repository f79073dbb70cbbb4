"""Devices that announce themselves by mDNS on the loopback interface, and a search that sees only them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Interface

import pytest

from gateway.tools import announcements, finding
from gateway.tools.announcements import Announcements, search
from gateway.tools.candidates import SERVICES

LOOPBACK = [IPv4Interface("127.0.0.1/8")]
SEARCH_S = 1.0
LIMIT_S = 90.0


class Neighbourhood:
    """A network with the devices of one test; other tests announce theirs on the same interface."""

    def __init__(self) -> None:
        zeroconf = pytest.importorskip("zeroconf", reason="zeroconf is not installed; try: pip install zeroconf")
        self.mark = uuid.uuid4().hex[:8]
        self._info = zeroconf.ServiceInfo
        self._network = zeroconf.Zeroconf(interfaces=["127.0.0.1"])

    def announce(
        self,
        service: str,
        name: str = "a",
        port: int = 80,
        texts: Mapping[str, str | bytes] | None = None,
        addresses: Sequence[str] = ("127.0.0.1",),
    ) -> str:
        """Announce a device; return its name."""
        label = f"{name} {self.mark}"
        info = self._info(
            f"{service}.local.",
            f"{label}.{service}.local.",
            port=port,
            properties=dict(texts or {}),
            server=f"{uuid.uuid4().hex}.local.",
            parsed_addresses=list(addresses),
        )
        self._network.register_service(info, cooperating_responders=True)
        return label

    def announce_many(self, announce: Callable[[int], object], count: int) -> None:
        """Call `announce` with each number below `count` at the same time: each device listens first for a while."""
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(announce, range(count)))

    def is_wanted(self, _service: str, name: str) -> bool:
        return self.mark in name

    def search(self, services: Sequence[str] = SERVICES) -> Announcements:
        return asyncio.run(search(services, SEARCH_S, LOOPBACK, self.is_wanted))

    def close(self) -> None:
        self._network.close()


@contextmanager
def neighbourhood() -> Iterator[Neighbourhood]:
    network = Neighbourhood()
    try:
        yield network
    finally:
        network.close()


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Neighbourhood]:
    """Give a network that `dsmr-gateway probe` of this process searches, and no other."""
    with neighbourhood() as found:
        monkeypatch.setattr(announcements, "networks_here", lambda: LOOPBACK)
        monkeypatch.setattr(finding, "is_wanted", found.is_wanted)
        yield found


def until(condition: Callable[[], bool]) -> None:
    """Search again until a condition holds: on a busy machine a device may respond after one search has ended."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "not found in time"
