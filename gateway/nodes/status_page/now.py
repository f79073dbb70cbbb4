"""The newest readings of one meter, for the view Now, and its history for charts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal

from gateway.nodes.status_page.frame import FEW_METERS, frame, unix_time
from gateway.nodes.status_page.json_text import to_json
from gateway.nodes.status_page.labels import mark_view
from gateway.nodes.status_page.now_model import (
    BeatView,
    NowMeterView,
    NowView,
    PhaseView,
    SeriesView,
    ServedAsView,
    SourceView,
    TodayView,
)
from gateway.nodes.status_page.query import Page
from gateway.protocol.p1.history import History, Ring
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.obis import Value
from gateway.runtime.clock import now

LIMITS_V = (207.0, 253.0)
"""Allowed voltage, 230 V with a tenth more or less (EN 50160)."""
BEATS_S = 60.0
"""Time in which each telegram is shown on its own."""
REFRESHED_EVERY_S = 5.0
"""Time after which an event is sent without a telegram."""
_PHASES = ("l1", "l2", "l3")
_DIGITS = 1
"""Number of decimals of the values in charts."""


class NowChannel:
    """The events of the view Now: one for each telegram of a meter."""

    every_s = 0.0

    def __init__(self, page: Page, name: str) -> None:
        """Watch the meter of that name; if there is none, the first."""
        self._page = page
        self._name = name

    def signature(self) -> object:
        """Return a value that changes with each telegram of the meter, and now and then."""
        gateway, meter = self._page.gateway, self._meter()
        seen = meter and (id(meter.served), meter.accepted, meter.refused.total(), meter.is_connected)
        problems = [*map(str, gateway.problems), *map(str, gateway.warnings)]
        return seen, problems, gateway.reloaded, len(gateway.meters), now() // REFRESHED_EVERY_S

    async def whole(self) -> bytes:
        """Return the newest readings."""
        gateway, meter, moment = self._page.gateway, self._meter(), now()
        is_few = len(gateway.meters) <= FEW_METERS
        shown = gateway.meters.values() if is_few or meter is None else (meter,)
        fields = frame(gateway, moment, shown, has_advice=self._page.clients.has_mistake)
        found = now_meter(self._page, meter, moment) if meter else None
        return to_json(NowView(**fields, meter=found))

    change = whole

    def _meter(self) -> MeterState | None:
        meters = self._page.gateway.meters
        return meters.get(self._name) or next(iter(meters.values()), None)


def now_meter(page: Page, meter: MeterState, moment: float) -> NowMeterView:
    """Return the newest readings of a meter."""
    values: Mapping[str, Value] = meter.served.readings.values if meter.served else {}
    history = page.history(meter)
    tariff, is_low = values.get("tariff"), values.get("tariff_is_low")
    return NowMeterView(
        name=meter.name,
        power_net_w=_number(values, "power_net"),
        phases=_phases(values),
        main_fuse_a=page.gateway.main_fuse(meter.name),
        limits_v=LIMITS_V,
        tariff=tariff if isinstance(tariff, int) else None,
        tariff_is_low=None if is_low is None else bool(is_low),
        demand_w=_number(values, "demand_import"),
        peak_w=_number(values, "demand_peak"),
        peak_at=_number(values, "demand_peak_time"),
        gas_m3=_number(values, "gas_reading"),
        gas_at=_number(values, "gas_reading_time"),
        today=_today(history),
        units=list(_units(page, meter, moment)),
        source=_source(page, meter),
        beats=[
            BeatView(unix_time(each.arrived), _rounded(each.interval_s, 3), each.reason)
            for each in history.telegrams
            if moment - each.arrived <= BEATS_S
        ],
    )


def _number(values: Mapping[str, Value], name: str) -> float | None:
    value = values.get(name)
    return float(value) if isinstance(value, Decimal | int) else None


def _phases(values: Mapping[str, Value]) -> list[PhaseView]:
    """Return the phases that the meter sends; one that sends none has no list."""
    phases = [
        PhaseView(*(_number(values, f"{name}_{phase}") for name in ("power_net", "voltage", "current")))
        for phase in _PHASES
    ]
    while phases and phases[-1] == PhaseView(None, None, None):
        phases.pop()
    return phases


def _today(history: History) -> TodayView | None:
    today = history.today
    if today.since is None:
        return None
    used = today.used()
    imported, exported = (
        _rounded(used[name] / 1000 if name in used else None, 3) for name in ("energy_import", "energy_export")
    )
    gas = _rounded(used.get("gas_reading"), 3)
    return TodayView(round(today.since), imported, exported, gas, today.telegrams, today.refused)


def _units(page: Page, meter: MeterState, moment: float) -> Iterator[ServedAsView]:
    for served in page.gateway.served:
        for each in served.units:
            if each.meter is meter:
                unit = each.unit
                power = next((one.address for one in unit.register_map.registers if one.name == "power_net"), None)
                name, is_fresh = unit.register_map.name, unit.is_fresh(moment)
                yield ServedAsView(served.server.name, each.unit_id, name, unit.on_stale.value, is_fresh, power)


def _source(page: Page, meter: MeterState) -> SourceView | None:
    node = page.gateway.lines.get(meter.name)
    return SourceView(node.label, mark_view(node.status), node.details()) if node else None


def series(meter: MeterState, history: History, *, is_day: bool, since: float) -> SeriesView:
    """Return the last day if `is_day`, else the last hour, from the bucket of the unix time `since` on."""
    ring = history.day if is_day else history.hour
    numbers = ring.numbers()
    first = unix_time(numbers.start * ring.length_s) if numbers else 0.0
    skipped = min(max(0, math.floor((since - first) / ring.length_s)), max(0, len(numbers) - 1))
    numbers = numbers[skipped:]
    columns = {name: [_value(ring, name, number) for number in numbers] for name in ring.columns}
    return SeriesView(meter.name, unix_time(now()), ring.length_s, first + skipped * ring.length_s, columns)


def _value(ring: Ring, name: str, number: int) -> float | None:
    value = ring.columns[name][number % ring.size]
    return None if math.isnan(value) else round(value, _DIGITS)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
