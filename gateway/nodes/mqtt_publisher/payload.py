"""The readings of a meter as JSON, with the names and units of the API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

from gateway.protocol.p1.identifiers import identifies
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.obis import Value
from gateway.runtime.clock import unix_time


def readings_json(meter: MeterState, edge: str, moment: float, *, is_fresh: bool) -> bytes:
    """Return the readings that are served at `moment`, or none with `fresh` false.

    Readings that may identify the meter or its user are not among them.
    """
    served = meter.served
    return json.dumps(
        {
            "meter": meter.name,
            "edge": edge,
            "measured_at": round(unix_time(served.measured), 3) if served else None,
            "age_s": round(moment - served.measured, 3) if served else None,
            "stale_after_s": meter.stale_after_s,
            "fresh": is_fresh,
            "readings": _readings(served.readings.values, served.readings.units) if served and is_fresh else {},
        },
        ensure_ascii=False,
    ).encode()


def _readings(values: Mapping[str, Value], units: Mapping[str, str]) -> dict[str, dict[str, float | int | str]]:
    return {
        name: {"value": _number(value), **({"unit": units[name]} if name in units else {})}
        for name, value in values.items()
        if not identifies(name)
    }


def _number(value: Value) -> float | int | str:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
