"""The clients, their newest requests with the values that they got, and the likely mistakes in these."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import islice

from gateway.nodes.status_page.client_views import AdviceView, ClientView, Requests, RequestView
from gateway.nodes.status_page.decoded import MASK, Decoded, values_in
from gateway.nodes.status_page.frame import unix_time
from gateway.nodes.status_page.labels import LabelView
from gateway.nodes.status_page.observation import ObservedServer, ServedUnits
from gateway.protocol.modbus.advice import BLAMELESS, Advice, advice_sentences, advise
from gateway.protocol.modbus.monitor import Exchange
from gateway.protocol.modbus.pdu import ReadRequest, decode_read, exception_in
from gateway.protocol.registers.register_map import RegisterMap
from gateway.runtime.clock import now

REQUESTS_SHOWN = 200
REQUESTS_AT_ONCE = 20
"""Number of requests that are decoded without a pause."""
REGISTERS_SHOWN = 8
RATE_WINDOW_S = 10.0
"""Time over which the requests per second of a client are counted."""
BURST_S = 2.0
"""Time that a few requests have to extend over for a rate; those of one moment are a burst."""
MANY, MAX_BURST = 2, 50
"""Smallest number of requests with a rate, and the number from which on they are not a burst."""
MISTAKES_FOR_S = 600.0
"""Time for which a mistake counts after its last request."""
NO_VALUES = Decoded([], 0)

MAX_NEW_ADVICES = 50
"""Largest number of different requests for which a mistake is looked for at once; a scanner sends a thousand."""
MAX_KNOWN_ADVICES = 1000
"""Largest number of different requests for which the mistake is remembered."""

AdviceKey = tuple[str, int, bytes, bytes]


class KnownAdvices:
    """The likely mistakes in requests; each different request is looked at once."""

    def __init__(self) -> None:
        self._known: dict[tuple[AdviceKey, int], Advice | None] = {}
        self._left = MAX_NEW_ADVICES

    def __len__(self) -> int:
        return len(self._known)

    def begin(self) -> None:
        """Allow so many new requests again; call it before the requests of one moment."""
        self._left = MAX_NEW_ADVICES

    def mistake(self, exchange: Exchange, server: ObservedServer) -> Advice | None:
        """Return the mistake of the client in a request; None if there is none, or too many are new."""
        units = server.responder.units
        key = advice_key(exchange, server), id(units)
        if key not in self._known:
            if not self._left:
                return None
            self._left -= 1
            if len(self._known) >= MAX_KNOWN_ADVICES:
                del self._known[next(iter(self._known))]
            self._known[key] = advise(exchange, units)
        advice = self._known[key]
        return None if advice is None or advice.mistake in BLAMELESS else advice


async def requests(served: Sequence[ServedUnits], limit: int = REQUESTS_SHOWN) -> Requests:
    """Return the clients of all servers, and the newest `limit` requests to any of them, in turns of the event loop."""
    newest = sorted(
        (
            (exchange, each.server)
            for each in served
            for exchange in islice(each.server.responder.monitor.newest(), limit)
        ),
        key=lambda pair: pair[0].at,
        reverse=True,
    )
    advices: dict[AdviceKey, Advice | None] = {}
    shown = []
    for number, (exchange, server) in enumerate(newest[:limit], start=1):
        shown.append(_request(exchange, server, advices))
        if number % REQUESTS_AT_ONCE == 0:
            await asyncio.sleep(0)
    return Requests([client for each in served for client in _clients(each.server)], shown)


def host_of(client: str) -> str:
    """Return the host of a client by its name in the monitor: the name without the port."""
    host, colon, port = client.rpartition(":")
    return host.strip("[]") if colon and port.isdecimal() else client


def advice_key(exchange: Exchange, server: ObservedServer) -> AdviceKey:
    """Return a key for the advice on a request: clients repeat their requests, and it is the same for all of them."""
    response = exchange.response
    return server.name, exchange.unit_id, exchange.request, response[:2] if response else b""


def decoded(exchange: Exchange, server: ObservedServer) -> Decoded:
    """Return the first values in the response to a request; none if it has none."""
    unit, read, response = (
        server.responder.units.by_id[exchange.unit_id],
        decode_read(exchange.request),
        exchange.response,
    )
    if unit is None or read is None or not response or exception_in(response) is not None:
        return NO_VALUES
    return values_in(unit.register_map, read, response[2:])


def advice_view(advice: Advice, exchange: Exchange) -> AdviceView:
    """Return the view of an advice for a request."""
    change, reason = (LabelView(each.code, dict(each.values), each.text) for each in advice_sentences(advice, exchange))
    is_mistake = advice.mistake not in BLAMELESS
    return AdviceView(advice.mistake.value, advice.instead, advice.register, is_mistake, change, reason)


def _request(exchange: Exchange, server: ObservedServer, advices: dict[AdviceKey, Advice | None]) -> RequestView:
    response, read = exchange.response, decode_read(exchange.request)
    exception = exception_in(response)
    key = advice_key(exchange, server)
    if key not in advices:
        advices[key] = advise(exchange, server.responder.units)
    advice = advices[key]
    unit = server.responder.units.by_id[exchange.unit_id]
    is_masked = bool(unit and read and _reveals(unit.register_map, read))
    words = response[2 : 2 + 2 * REGISTERS_SHOWN].hex(" ", 2) if response and exception is None else ""
    values = decoded(exchange, server)
    return RequestView(
        at=unix_time(exchange.at),
        server=server.name,
        client=exchange.client,
        host=host_of(exchange.client),
        unit_id=exchange.unit_id,
        function_code=exchange.request[0],
        address=read.address if read else None,
        count=read.count if read else None,
        exception=exception,
        is_answered=response is not None,
        words=MASK if words and is_masked else words,
        values=values.values,
        more_values=values.more,
        advice=advice_view(advice, exchange) if advice else None,
    )


def _reveals(register_map: RegisterMap, read: ReadRequest) -> bool:
    place = register_map.place(read.function_code, read.address, read.count)
    return register_map.reveals(place, read.count)


def _clients(server: ObservedServer) -> list[ClientView]:
    monitor = server.responder.monitor
    connected = {client.name: client.role for client in server.clients}
    by_client: dict[str, list[Exchange]] = {name: [] for name in connected}
    for exchange in monitor.since(0):
        by_client.setdefault(exchange.client, []).append(exchange)
    responses = monitor.responses
    return [
        _client(server, name, exchanges, connected, responses.get(name, 0)) for name, exchanges in by_client.items()
    ]


def _client(
    server: ObservedServer, name: str, exchanges: Sequence[Exchange], connected: Mapping[str, str], responses: int
) -> ClientView:
    last = exchanges[-1] if exchanges else None
    return ClientView(
        server=server.name,
        client=name,
        is_connected=name in connected,
        role=connected.get(name, ""),
        unit_id=last.unit_id if last else None,
        function_code=last.request[0] if last else None,
        last_at=unix_time(last.at) if last else None,
        answers=responses,
        requests_per_s=rate([each.at for each in exchanges], now()),
        errors=sum(1 for each in exchanges if exception_in(each.response) is not None),
    )


def rate(moments: Sequence[float], moment: float) -> float | None:
    """Return how often per second something happened, by the newest of its moments; None if it never did.

    Args:
        moments: its newest moments, oldest first.
        moment: now, on the same clock.

    """
    if not moments:
        return None
    recent = [each for each in moments if moment - each <= RATE_WINDOW_S]
    elapsed = moment - recent[0] if recent else 0.0
    if len(recent) < MANY or (elapsed < BURST_S and len(recent) < MAX_BURST):
        return round(len(recent) / RATE_WINDOW_S, 1)
    # Only so many moments are kept: for a busy server, less than the whole window.
    return round((len(recent) - 1) / max(elapsed, 0.001), 1)
