"""The clients, their newest requests, and the likely mistakes in these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from gateway.nodes.status_page.frame import unix_time
from gateway.nodes.status_page.model import AdviceView, ClientView, Requests, RequestView
from gateway.nodes.status_page.observation import ObservedServer, ServedUnits
from gateway.nodes.status_page.registers import MASK
from gateway.protocol.modbus.advice import Advice, advise
from gateway.protocol.modbus.monitor import Exchange
from gateway.protocol.modbus.pdu import ReadRequest, decode_read, exception_in
from gateway.protocol.registers.register_map import RegisterMap
from gateway.runtime.clock import now

REQUESTS_SHOWN = 200
REGISTERS_SHOWN = 8
RATE_WINDOW_S = 10.0
"""Time over which the requests per second of a client are counted."""


def requests(served: Sequence[ServedUnits], limit: int = REQUESTS_SHOWN) -> Requests:
    """Return the clients of all servers, and the newest `limit` requests to any of them."""
    newest = sorted(
        (
            (exchange, each.server)
            for each in served
            for exchange in islice(each.server.responder.monitor.newest(), limit)
        ),
        key=lambda pair: pair[0].at,
        reverse=True,
    )
    advices: dict[tuple[str, int, bytes, bytes], Advice | None] = {}
    return Requests(
        clients=[client for each in served for client in _clients(each.server)],
        requests=[_request(exchange, server, advices) for exchange, server in newest[:limit]],
    )


def _request(
    exchange: Exchange, server: ObservedServer, advices: dict[tuple[str, int, bytes, bytes], Advice | None]
) -> RequestView:
    response, read = exchange.response, decode_read(exchange.request)
    exception = exception_in(response)
    # Clients repeat their requests, and the advice for a repeated request is the same.
    key = (server.name, exchange.unit_id, exchange.request, response[:2] if response else b"")
    if key not in advices:
        advices[key] = advise(exchange, server.responder.units)
    advice = advices[key]
    unit = server.responder.units.by_id[exchange.unit_id]
    is_masked = bool(unit and read and _reveals(unit.register_map, read))
    words = response[2 : 2 + 2 * REGISTERS_SHOWN].hex(" ", 2) if response and exception is None else ""
    return RequestView(
        at=unix_time(exchange.at),
        server=server.name,
        client=exchange.client,
        unit_id=exchange.unit_id,
        function_code=exchange.request[0],
        address=read.address if read else None,
        count=read.count if read else None,
        exception=exception,
        is_answered=response is not None,
        words=MASK if words and is_masked else words,
        advice=AdviceView(advice.mistake.value, advice.instead, advice.register) if advice else None,
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
        requests_per_s=_rate(exchanges),
        errors=sum(1 for each in exchanges if exception_in(each.response) is not None),
    )


def _rate(exchanges: Sequence[Exchange]) -> float | None:
    """Return the requests per second among the newest exchanges; None without any."""
    if not exchanges:
        return None
    moment = now()
    recent = [each.at for each in exchanges if moment - each.at <= RATE_WINDOW_S]
    if len(recent) < 2:
        return round(len(recent) / RATE_WINDOW_S, 1)
    # The monitor of a busy server keeps less than the whole window.
    return round((len(recent) - 1) / max(moment - recent[0], 0.001), 1)
