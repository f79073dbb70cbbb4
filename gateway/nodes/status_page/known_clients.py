"""The clients that the built-in maps serve, and what to configure for each: the table of `dsmr-gateway clients`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pydantic import TypeAdapter

from gateway.maps.clients import Client, SerialEntry, Way, load_clients


@dataclass(frozen=True, slots=True)
class SerialLineView:
    """The settings of a serial line that a client expects, beside 8 data bits."""

    baudrate: int
    parity: str
    stopbits: int


@dataclass(frozen=True, slots=True)
class WayView:
    """One way to connect a client: the meter that it reads."""

    select: str
    """Text in English: what to select in the client."""
    map: str
    unit_id: int
    transport: str
    serial: SerialLineView | None
    """None if the client does not read over a serial line."""
    on_stale: str
    tested: str
    """`requests` of the client's source, `documents`, or `nothing`."""
    configuration: str
    """A configuration of the gateway, as YAML."""


@dataclass(frozen=True, slots=True)
class KnownClientView:
    """A client, and the ways to connect it, the best one first."""

    name: str
    why_not: str
    """Text in English: the reason why there are no ways; else empty."""
    page: str | None
    """File of its page in docs/clients."""
    ways: list[WayView]


@dataclass(frozen=True, slots=True)
class KnownClients:
    """All known clients, by name."""

    clients: list[KnownClientView]


@cache
def known_clients() -> bytes:
    """Return the known clients as JSON. They are part of the program, so they are read once."""
    view = KnownClients([_client(client) for client in load_clients()])
    return TypeAdapter(KnownClients).dump_json(view)


def _client(client: Client) -> KnownClientView:
    return KnownClientView(client.name, client.why_not, client.page, [_way(way) for way in client.ways])


def _way(way: Way) -> WayView:
    return WayView(
        select=way.select,
        map=way.map,
        unit_id=way.unit,
        transport=way.transport,
        serial=_line(way.serial) if way.serial else None,
        on_stale=way.on_stale,
        tested=way.tested,
        configuration=way.configuration(),
    )


def _line(entry: SerialEntry) -> SerialLineView:
    return SerialLineView(entry.baudrate, entry.parity, entry.stopbits)
