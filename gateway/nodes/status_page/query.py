"""What a request asks about."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request

from gateway.protocol.p1.meter import MeterState
from gateway.runtime.observation import Gateway, ServedUnit, ServedUnits

MAX_LIMIT = 1000
_FLAGS = {"true": True, "false": False}


class Query:
    """The part behind the question mark; each answer may be an HTTPException that says what is wrong with it."""

    def __init__(self, request: Request, gateway: Gateway) -> None:
        self.given = request.query_params
        self._gateway = gateway

    def meter(self) -> MeterState:
        """The meter named, by default the first."""
        meters = self._gateway.meters
        name = self.given.get("meter", next(iter(meters), ""))
        if name not in meters:
            raise HTTPException(404, f"There is no meter {name!r}. There are: {', '.join(meters) or 'none'}.")
        return meters[name]

    def unit(self) -> tuple[ServedUnits, ServedUnit]:
        """The server by its position and the unit by its id, by default the first of each."""
        served = self._gateway.served
        position = self.number("server", 0, 0, 65_535)
        if position >= len(served):
            raise HTTPException(404, f"There is no server {position}; there are {len(served)}, counted from 0.")
        units = {unit.unit_id: unit for unit in served[position].units}
        unit_id = self.number("unit", next(iter(units)), 0, 255)
        if unit_id not in units:
            raise HTTPException(404, f"There is no unit {unit_id}. There are: {', '.join(map(str, units))}.")
        return served[position], units[unit_id]

    @property
    def is_masked(self) -> bool:
        """Whether identifiers are masked, as they are unless asked for."""
        return not self.flag("identifiers", default=False)

    def limit(self, default: int) -> int:
        """How many are wanted."""
        return self.number("limit", default, 1, MAX_LIMIT)

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        """A whole number."""
        text = self.given.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) < 7 and lowest <= int(text) <= highest):
            raise HTTPException(400, f"{name} is a number from {lowest} to {highest} (found {text[:20]!r}).")
        return int(text)

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        text = self.given.get(name)
        if text is None:
            return default
        if text not in _FLAGS:
            raise HTTPException(400, f"{name} is true or false (found {text[:20]!r}).")
        return _FLAGS[text]
