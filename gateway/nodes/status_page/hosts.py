"""The hosts of the clients: each host once, however often its clients connect, with what it reads and gets.

Everything is found in the monitors, which keep a limited number of requests. So the hosts that are shown are those of
the newest requests and those that are connected, and nothing is kept here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from gateway.maps.clients import load_clients
from gateway.nodes.status_page.client_views import HostAdviceView, Hosts, HostView
from gateway.nodes.status_page.decoded import registers_in
from gateway.nodes.status_page.frame import unix_time
from gateway.nodes.status_page.observation import Gateway, ObservedServer, ServedReaders, ServedUnits
from gateway.nodes.status_page.requests import (
    MISTAKES_FOR_S,
    NO_VALUES,
    AdviceKey,
    KnownAdvices,
    advice_key,
    advice_view,
    decoded,
    host_of,
    rate,
)
from gateway.protocol.modbus.advice import Advice
from gateway.protocol.modbus.monitor import Exchange
from gateway.protocol.modbus.pdu import ExceptionCode, decode_read, exception_in
from gateway.protocol.p1.names import GATEWAY_PREFIX
from gateway.runtime.clock import now, unix_now

MAX_HOSTS = 100
"""Largest number of hosts that are shown."""
SHARED_S = 0.9
"""Time for which a list of hosts is shared."""
MAX_ADVICES = 10
"""Largest number of mistakes that are shown."""
MAX_GUESSES = 2
"""Largest number of clients that are named for a register map; with more, the name would be no help."""
NAMES_READ = 3
"""Number of registers that are named of those that a host reads."""
IDLE_AFTER_S = 60.0
"""Time without requests after which a host is idle."""


@dataclass(slots=True)
class _Host:
    """The exchanges and connections of one host with one server or more."""

    host: str
    exchanges: list[tuple[Exchange, ObservedServer]] = field(default_factory=list)
    """Oldest first, those of each server together."""
    servers: dict[str, ObservedServer] = field(default_factory=dict)
    connections: int = 0
    role: str = ""
    responses: int = 0


class HostBook:
    """Makes the list of hosts; it remembers only which requests are a mistake."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.advices = KnownAdvices()
        self._found_at = float("-inf")
        self._newest = Hosts(0.0, 0.0, [], [], 0)

    def hosts(self) -> Hosts:
        """Return the hosts of all clients and readers, those with a mistake first, then the newest first.

        They are found again once in `SHARED_S`.
        """
        for _ in self._find():
            pass
        return self._newest

    async def hosts_in_turns(self) -> Hosts:
        """Return the same as `hosts`; the event loop serves Modbus clients in between."""
        for _ in self._find():
            await asyncio.sleep(0)
        return self._newest

    def _find(self) -> Iterator[None]:
        """Find the hosts again if the list is old; the caller can pause after each host and each mistake."""
        moment = now()
        if moment - self._found_at <= SHARED_S:
            return
        served = self._gateway.served
        by_unit = {(each.server.name, unit.unit_id): unit.meter.name for each in served for unit in each.units}
        groups = _grouped(served)
        advices = yield from self._advices_for(groups, moment)
        mistakes: dict[str, int] = {}
        for each in advices:
            mistakes[each.host] = mistakes.get(each.host, 0) + each.times
        views = []
        for group in groups:
            views.append(_view(group, by_unit, mistakes.get(group.host, 0), moment))
            yield
        views += [view for each in self._gateway.readers for view in _reader_views(each)]
        views.sort(key=lambda view: (not view.mistakes, -(view.last_at or 0), view.host))
        per_s = sum(view.requests_per_s or 0 for view in views if view.kind == "modbus")
        more = max(0, len(views) - MAX_HOSTS)
        newest = sorted(advices, key=lambda each: each.last_at, reverse=True)[:MAX_ADVICES]
        self._found_at = moment
        self._newest = Hosts(round(unix_now(), 3), round(per_s, 1), newest, views[:MAX_HOSTS], more)

    def _advices_for(self, groups: Iterable[_Host], moment: float) -> Generator[None, None, list[HostAdviceView]]:
        found: dict[tuple[str, AdviceKey], list[Exchange]] = {}
        servers: dict[str, ObservedServer] = {}
        for group in groups:
            servers |= group.servers
            for exchange, server in group.exchanges:
                if moment - exchange.at <= MISTAKES_FOR_S:
                    found.setdefault((group.host, advice_key(exchange, server)), []).append(exchange)
        self.advices.begin()
        views = []
        for (host, key), exchanges in found.items():
            server = servers[key[0]]
            if advice := self.advices.mistake(exchanges[-1], server):
                views.append(_advice_view(host, server, exchanges, advice))
            yield
        return views


def _grouped(served: Sequence[ServedUnits]) -> list[_Host]:
    hosts: dict[str, _Host] = {}
    known: dict[str, str] = {}

    def host(client: str, server: ObservedServer) -> _Host:
        name = known.get(client) or known.setdefault(client, host_of(client))
        group = hosts.get(name) or hosts.setdefault(name, _Host(name))
        group.servers[server.name] = server
        return group

    for each in served:
        server, monitor = each.server, each.server.responder.monitor
        for client in server.clients:
            group = host(client.name, server)
            group.connections += 1
            group.role = group.role or client.role
        for exchange in reversed(list(monitor.newest())):
            host(exchange.client, server).exchanges.append((exchange, server))
        for client_name, count in monitor.responses.items():
            if group_of := hosts.get(host_of(client_name)):
                group_of.responses += count
    return list(hosts.values())


def _view(group: _Host, by_unit: Mapping[tuple[str, int], str], mistakes: int, moment: float) -> HostView:
    exchanges = group.exchanges
    newest = max(exchanges, key=lambda pair: pair[0].at, default=None)
    last, server = newest or (None, next(iter(group.servers.values())))
    read = decode_read(last.request) if last else None
    unit = server.responder.units.by_id[last.unit_id] if last else None
    values = decoded(last, server) if last else NO_VALUES
    transport = str(server.settings.transport)
    moments = sorted(exchange.at for exchange, _ in exchanges)
    meters = dict.fromkeys(by_unit.get((each.name, exchange.unit_id)) for exchange, each in reversed(exchanges))
    exception = exception_in(last.response) if last else None
    reads = unit.register_map if unit else None
    return HostView(
        host=group.host,
        name=" / ".join(probable_clients(reads.name, transport)) if reads else "",
        kind="modbus",
        role=group.role,
        state=_state(last, exception, mistakes, moment),
        server=server.name,
        servers=list(group.servers),
        transport=transport,
        unit_id=last.unit_id if last else None,
        map=reads.name if reads else None,
        meter=by_unit.get((server.name, last.unit_id)) if last else None,
        meters=[meter for meter in meters if meter],
        connections=group.connections,
        requests_per_s=rate(moments, moment),
        answers=group.responses,
        errors=sum(1 for exchange, _ in exchanges if exception_in(exchange.response) is not None),
        mistakes=mistakes,
        last_at=unix_time(last.at) if last else None,
        function_code=last.request[0] if last else None,
        address=read.address if read else None,
        count=read.count if read else None,
        reads=_names_read(exchanges),
        values=values.values,
        more_values=values.more,
        exception=exception,
        is_answered=last is None or last.response is not None,
    )


def _state(last: Exchange | None, exception: int | None, mistakes: int, moment: float) -> str:
    if mistakes:
        return "mistake"
    if last is None or moment - last.at > IDLE_AFTER_S:
        return "idle"
    is_stale = exception == ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND or last.response is None
    return "stale" if is_stale else "ok"


def _names_read(exchanges: Sequence[tuple[Exchange, ObservedServer]]) -> str:
    """Return the names of the first registers in the newest requests, and an ellipsis if there are more."""
    names: dict[str, None] = {}
    for request, unit_id, server in dict.fromkeys((e.request, e.unit_id, s) for e, s in reversed(exchanges[-50:])):
        unit, read = server.responder.units.by_id[unit_id], decode_read(request)
        if unit and read:
            found = registers_in(unit.register_map, read)
            names |= {each.name: None for each in found if not any(n.startswith(GATEWAY_PREFIX) for n in each.uses)}
        if len(names) > NAMES_READ:
            return ", ".join([*list(names)[:NAMES_READ], "…"])
    return ", ".join(names)


def _reader_views(readers: ServedReaders) -> Iterator[HostView]:
    by_host: dict[str, int] = {}
    for client in readers.clients:
        host = host_of(client.name)
        by_host[host] = by_host.get(host, 0) + 1
    meter, moment = readers.meter, now()
    per_s = 1 / meter.interval_s if meter.interval_s and meter.is_fresh(moment) else 0.0
    for host, count in by_host.items():
        yield HostView(
            host=host,
            kind="passthrough",
            state="ok" if per_s else "stale",
            server=readers.name,
            servers=[readers.name],
            transport="passthrough",
            meter=meter.name,
            meters=[meter.name],
            connections=count,
            requests_per_s=round(per_s, 1),
            last_at=unix_time(meter.newest.arrived) if meter.newest else None,
        )


def _advice_view(host: str, server: ObservedServer, exchanges: Sequence[Exchange], advice: Advice) -> HostAdviceView:
    last = exchanges[-1]
    read, unit = decode_read(last.request), server.responder.units.by_id[last.unit_id]
    names = probable_clients(unit.register_map.name, str(server.settings.transport)) if unit else ()
    return HostAdviceView(
        host=host,
        name=" / ".join(names),
        server=server.name,
        unit_id=last.unit_id,
        function_code=last.request[0],
        address=read.address if read else None,
        count=read.count if read else None,
        exception=exception_in(last.response),
        times=len(exchanges),
        last_at=unix_time(last.at),
        advice=advice_view(advice, last),
    )


@cache
def _known_clients() -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the names of the known clients by the register map and the transport that they use."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for client in load_clients():
        for way in client.ways:
            found.setdefault((way.map, way.transport), {})[client.name] = None
    return {key: tuple(names) for key, names in found.items()}


def prepare_names() -> None:
    """Read the table of known clients, which takes some time, so that the first list of hosts does not have to."""
    _known_clients()


def probable_clients(map_name: str, transport: str) -> tuple[str, ...]:
    """Return the clients that read a register map over a transport; none if there are too many to be of help."""
    names = _known_clients().get((map_name, transport), ())
    return names if len(names) <= MAX_GUESSES else ()
