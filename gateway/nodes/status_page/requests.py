"""Who asks, what they asked, and what is likely wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from gateway.nodes.status_page.model import AdviceView, ClientView, Requests, RequestView
from gateway.nodes.status_page.overview import unix_time
from gateway.protocol.modbus.advice import Advice, advise
from gateway.protocol.modbus.monitor import Exchange
from gateway.runtime.clock import now
from gateway.runtime.observation import ObservedServer, ServedUnits

REQUESTS_SHOWN = 200
WORDS_SHOWN = 8
RATE_WINDOW_S = 10.0
"""A client's requests a second are counted over this time."""


def requests(served: Sequence[ServedUnits], limit: int = REQUESTS_SHOWN) -> Requests:
    """The clients of all servers, and the newest `limit` requests to any of them."""
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
    answer = exchange.answer
    exception = answer[1] if answer and answer[0] & 0x80 else None
    # Clients ask the same again and again, and the same is wrong with it.
    key = (server.name, exchange.unit_id, exchange.request, answer[:2] if answer else b"")
    if key not in advices:
        advices[key] = advise(exchange, server.responder.units)
    advice = advices[key]
    is_read = exchange.request[0] in (3, 4) and len(exchange.request) == 5
    return RequestView(
        at=unix_time(exchange.at),
        server=server.name,
        client=exchange.client,
        unit_id=exchange.unit_id,
        function_code=exchange.request[0],
        address=int.from_bytes(exchange.request[1:3], "big") if is_read else None,
        count=int.from_bytes(exchange.request[3:5], "big") if is_read else None,
        exception=exception,
        is_answered=answer is not None,
        words=answer[2 : 2 + 2 * WORDS_SHOWN].hex(" ", 2) if answer and exception is None else "",
        advice=AdviceView(advice.mistake.value, advice.instead, advice.register) if advice else None,
    )


def _clients(server: ObservedServer) -> list[ClientView]:
    monitor = server.responder.monitor
    connected = {client.name: client.role for client in server.clients}
    by_client: dict[str, list[Exchange]] = {name: [] for name in connected}
    for exchange in monitor.since(0):
        by_client.setdefault(exchange.client, []).append(exchange)
    answers = monitor.answers
    return [_client(server, name, exchanges, connected, answers.get(name, 0)) for name, exchanges in by_client.items()]


def _client(
    server: ObservedServer, name: str, exchanges: Sequence[Exchange], connected: Mapping[str, str], answers: int
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
        answers=answers,
        requests_per_s=_rate(exchanges),
        errors=sum(1 for each in exchanges if each.answer is not None and each.answer[0] & 0x80),
    )


def _rate(exchanges: Sequence[Exchange]) -> float | None:
    """Requests a second, as far as the newest ones tell."""
    if not exchanges:
        return None
    moment = now()
    recent = [each.at for each in exchanges if moment - each.at <= RATE_WINDOW_S]
    if len(recent) < 2:
        return round(len(recent) / RATE_WINDOW_S, 1)
    # A busy server keeps less than the window.
    return round((len(recent) - 1) / max(moment - recent[0], 0.001), 1)
