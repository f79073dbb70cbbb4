"""Query of a request to the API, and the page whose data it asks for: the gateway with the history of its meters."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request

from gateway.nodes.status_page.client_watch import ClientWatch
from gateway.nodes.status_page.hosts import HostBook
from gateway.nodes.status_page.journal import Journal
from gateway.nodes.status_page.observation import Gateway, ServedUnit, ServedUnits
from gateway.problems.quoting import quoted
from gateway.protocol.p1.history import FULL, SMALL, History
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.clock import now

MAX_LIMIT = 1000
"""Largest number of requests that a client of the API can ask for."""
MANY_METERS = 100
"""Number of meters from which on the history of each has fewer and longer buckets."""
MAX_TIME_DIGITS = 30
LATEST = 4_294_967_295.0
"""Latest time that can be asked for, in unix seconds."""
_TIME = re.compile(r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]{1,3})?", re.IGNORECASE)
_FLAGS = {"true": True, "false": False}


class Page:
    """The gateway, and the history of each of its meters."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.started = now()
        self.book = HostBook(gateway)
        self.clients = ClientWatch(gateway, self.book.advices)
        self.journal = Journal(gateway, self.clients)
        self._histories: dict[MeterState, History] = {}

    def history(self, meter: MeterState) -> History:
        """Return the history of `meter`, and delete that of meters that a reload removed."""
        if meter not in self._histories:
            present = set(self.gateway.meters.values()) | {meter}
            self._histories = {each: history for each, history in self._histories.items() if each in present}
            self._histories[meter] = History(SMALL if len(present) >= MANY_METERS else FULL)
        return self._histories[meter]

    def histories(self) -> Mapping[MeterState, History]:
        """Return the history of each meter of the gateway."""
        return {meter: self.history(meter) for meter in self.gateway.meters.values()}

    def signature(self) -> object:
        """Return a value that changes with each telegram and each status."""
        gateway = self.gateway
        return (
            [node.status for node in gateway.flow.nodes],
            [(meter.accepted, meter.refused.total()) for meter in gateway.meters.values()],
            list(map(str, (*gateway.problems, *gateway.warnings))),
            gateway.reloaded,
        )


class Query:
    """The parameters of a request. Methods raise an HTTPException that names what is wrong with a parameter."""

    def __init__(self, request: Request, page: Page) -> None:
        self.given = request.query_params
        self.page = page

    def meter(self) -> MeterState:
        """Return the meter with the given name, by default the first."""
        meters = self.page.gateway.meters
        name = self.given.get("meter", next(iter(meters), ""))
        if name not in meters:
            raise HTTPException(
                404, f"There is no meter {quoted(name)}. Configured meters: {', '.join(meters) or 'none'}."
            )
        return meters[name]

    def meters(self, limit: int) -> tuple[str, ...]:
        """Return the names of the given meters, those that exist, at most `limit`."""
        return tuple(name for name in self.given.getlist("meter")[:limit] if name in self.page.gateway.meters)

    def meter_and_history(self) -> tuple[MeterState, History]:
        """Return the meter with the given name, and its history."""
        meter = self.meter()
        return meter, self.page.history(meter)

    def unit(self) -> tuple[ServedUnits, ServedUnit]:
        """Return the server at the given position and its unit with the given id, by default the first of each."""
        served = self.page.gateway.served
        position = self.number("server", 0, 0, 65_535)
        if position >= len(served):
            raise HTTPException(404, f"There is no server {position}. There are {len(served)}, counted from 0.")
        units = {unit.unit_id: unit for unit in served[position].units}
        unit_id = self.number("unit", next(iter(units)), 0, 255)
        if unit_id not in units:
            raise HTTPException(404, f"There is no unit {unit_id}. Configured units: {', '.join(map(str, units))}.")
        return served[position], units[unit_id]

    def since(self) -> float:
        """Return the unix time from which on buckets are asked for; 0 for all."""
        text = self.given.get("since", "0")
        if not (len(text) < MAX_TIME_DIGITS and _TIME.fullmatch(text) and float(text) <= LATEST):
            raise HTTPException(400, f"since must be a time in unix seconds (found {quoted(text)}).")
        return float(text)

    def is_day(self) -> bool:
        """Return whether the last day is asked for, not the last hour."""
        text = self.given.get("range", "hour")
        if text not in ("hour", "day"):
            raise HTTPException(400, f"range must be hour or day (found {quoted(text)}).")
        return text == "day"

    @property
    def is_masked(self) -> bool:
        """Return whether to mask identifiers, which is the default."""
        return not self.flag("identifiers", default=False)

    def limit(self, default: int) -> int:
        """Return the largest number of items to return."""
        return self.number("limit", default, 1, MAX_LIMIT)

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        """Return an integer parameter."""
        text = self.given.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) < 7 and lowest <= int(text) <= highest):
            raise HTTPException(400, f"{name} must be a number from {lowest} to {highest} (found {quoted(text)}).")
        return int(text)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a boolean parameter."""
        text = self.given.get(name)
        if text is None:
            return default
        if text not in _FLAGS:
            raise HTTPException(400, f"{name} must be true or false (found {quoted(text)}).")
        return _FLAGS[text]
