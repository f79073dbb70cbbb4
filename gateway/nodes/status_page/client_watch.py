"""The clients as they come and go, by what the monitors have noted since the last look.

A look takes what is new in each monitor, so its work grows with the requests, and not with the clients or meters.
What is remembered is limited: a crowd of hosts drops those that were seen least recently.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from gateway.nodes.status_page.observation import Gateway, ServedUnits
from gateway.nodes.status_page.requests import MISTAKES_FOR_S, KnownAdvices, host_of
from gateway.protocol.modbus.advice import Advice
from gateway.protocol.modbus.monitor import Exchange, Monitor
from gateway.protocol.modbus.pdu import decode_read

READS_FOR_S = 600.0
"""Time for which a client counts as a reader of a meter after its last request."""
GONE_AFTER_S = 60.0
"""Time without requests and connections after which a host is gone."""
MAX_HOSTS = 256
"""Largest number of hosts that are remembered."""
MAX_NAMES = 1000
"""Largest number of names of clients whose host is kept; a client that connects again has another name."""
MAX_READ = 8192
"""Largest number of pairs of a meter and a host that reads it."""


_K = TypeVar("_K")


class Came(NamedTuple):
    """A host that sent a request or connected for the first time, or again after a while."""

    host: str


class Went(NamedTuple):
    """A host that has no connection any more and sends nothing."""

    host: str


class Mistaken(NamedTuple):
    """A request that is likely a mistake, the first of its kind from a host for some time."""

    host: str
    unit_id: int
    address: int | None
    advice: Advice


ClientEvent = Came | Went | Mistaken


class ClientWatch:
    """The hosts that are at work, what they read, and their mistakes."""

    def __init__(self, gateway: Gateway, advices: KnownAdvices) -> None:
        self._gateway = gateway
        self._advices = advices
        self._noted: WeakKeyDictionary[Monitor, int] = WeakKeyDictionary()
        self._seen: dict[str, float] = {}
        """The moment at which each host was seen last, the least recent first."""
        self._read: dict[tuple[str, str], float] = {}
        """The moment at which a host last read a meter, the least recent first."""
        self._mistakes: dict[tuple[str, int, int | None], float] = {}
        """The moment of the newest mistake of a host at a unit and an address."""
        self._hosts: dict[str, str] = {}
        """The host of each client name lately seen."""

    def look(self, moment: float) -> list[ClientEvent]:
        """Take what is new, and return what happened."""
        self._advices.begin()
        events = [event for served in self._gateway.served for event in self._look_at(served, moment)]
        for readers in self._gateway.readers:
            for client in readers.clients:
                events += self._note(self._host(client.name), moment)
                self._keep(self._read, (readers.meter.name, self._host(client.name)), moment, MAX_READ)
        gone = [host for host, at in self._seen.items() if moment - at > GONE_AFTER_S]
        for host in gone:
            del self._seen[host]
        for key in [key for key, at in self._read.items() if moment - at > READS_FOR_S]:
            del self._read[key]
        for mistake in [each for each, at in self._mistakes.items() if moment - at > MISTAKES_FOR_S]:
            del self._mistakes[mistake]
        return events + [Went(host) for host in gone]

    @property
    def has_mistake(self) -> bool:
        """Return whether a client has lately made a mistake."""
        return bool(self._mistakes)

    def readers_by_meter(self) -> dict[str, int]:
        """Return the number of hosts that read each meter."""
        counts: dict[str, int] = {}
        for meter, _ in self._read:
            counts[meter] = counts.get(meter, 0) + 1
        return counts

    def _look_at(self, served: ServedUnits, moment: float) -> Iterator[ClientEvent]:
        server, monitor = served.server, served.server.responder.monitor
        for client in server.clients:
            yield from self._note(self._host(client.name), moment)
        noted = monitor.noted
        new = noted - self._noted.get(monitor, 0)
        self._noted[monitor] = noted
        if not new:
            return
        meters = {unit.unit_id: unit.meter.name for unit in served.units}
        for at, counted, record in islice(reversed(monitor.recent), new):
            host, unit_id = self._host(counted.name), record[0]
            yield from self._note(host, at)
            if meter := meters.get(unit_id):
                self._keep(self._read, (meter, host), at, MAX_READ)
            exchange = Exchange(at, counted.name, *record)
            if advice := self._advices.mistake(exchange, server):
                read = decode_read(exchange.request)
                key = host, unit_id, read.address if read else None
                if key not in self._mistakes:
                    yield Mistaken(*key, advice)
                self._keep(self._mistakes, key, at, MAX_HOSTS)

    def _host(self, client: str) -> str:
        if client not in self._hosts:
            if len(self._hosts) >= MAX_NAMES:
                self._hosts.clear()
            self._hosts[client] = host_of(client)
        return self._hosts[client]

    def _note(self, host: str, at: float) -> Iterator[ClientEvent]:
        is_new = host not in self._seen
        self._keep(self._seen, host, at, MAX_HOSTS)
        if is_new:
            yield Came(host)

    @staticmethod
    def _keep(kept: dict[_K, float], key: _K, at: float, limit: int) -> None:
        """Note a moment under a key; drop the least recent one if there are too many."""
        at = max(at, kept.pop(key, at))
        if len(kept) >= limit:
            del kept[next(iter(kept))]
        kept[key] = at
