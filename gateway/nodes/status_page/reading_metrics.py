"""Readings as metrics for Prometheus, by choice: a metric for each base unit, labelled with meter and reading.

The labels are bounded: the configuration names the meters, and only readings that a register map may use are shown.
Readings that are not fresh are left out, so that nothing shows an old value as the present one. Texts, such as
identifiers, and times are left out as well.

Thousands of meters have many readings. They are written meter by meter, and the event loop serves Modbus clients in
between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from decimal import Decimal

from gateway.nodes.status_page.metrics import PREFIX
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.names import GATEWAY_PREFIX, NAMES, ValueType
from gateway.runtime.clock import now

_METRICS: Mapping[str | None, tuple[str, str]] = {
    "W": ("reading_watts", "fresh readings of power"),
    "Wh": ("reading_watt_hours", "fresh readings of energy"),
    "var": ("reading_vars", "fresh readings of reactive power"),
    "varh": ("reading_var_hours", "fresh readings of reactive energy"),
    "VA": ("reading_volt_amperes", "fresh readings of apparent power"),
    "V": ("reading_volts", "fresh readings of voltage"),
    "A": ("reading_amperes", "fresh readings of current"),
    "Hz": ("reading_hertz", "fresh readings of frequency"),
    "m3": ("reading_cubic_metres", "fresh readings of gas and water"),
    "J": ("reading_joules", "fresh readings of heat"),
    None: ("reading_numbers", "fresh readings without unit, such as the tariff"),
}
"""Base unit to the name of its metric and the help text."""
_SHOWN = frozenset(
    name
    for name, info in NAMES.items()
    if info.value_type is ValueType.NUMBER
    and not name.startswith(GATEWAY_PREFIX)
    and not name.endswith(("_time", "_age"))
    and name != "clock"
)
METERS_AT_ONCE = 20
"""Number of meters that are written without a pause."""


async def render_readings(meters: Iterable[MeterState]) -> bytes:
    """Return the readings in the text format of Prometheus."""
    lines: dict[str | None, list[str]] = {unit: [] for unit in _METRICS}
    for number, meter in enumerate(meters, start=1):
        _add(lines, meter)
        if number % METERS_AT_ONCE == 0:
            await asyncio.sleep(0)
    text = []
    for unit, (name, help_text) in _METRICS.items():
        if lines[unit]:
            text += [f"# HELP {PREFIX}_{name} {help_text}", f"# TYPE {PREFIX}_{name} gauge", *lines[unit]]
    return "".join(f"{line}\n" for line in text).encode()


def _add(lines: Mapping[str | None, list[str]], meter: MeterState) -> None:
    if meter.served is None or not meter.is_fresh(now()):
        return
    label, readings = _escaped(meter.name), meter.served.readings
    for name, value in readings.values.items():
        unit = readings.units.get(name)
        if name in _SHOWN and unit in _METRICS and isinstance(value, int | Decimal):
            lines[unit].append(f'{PREFIX}_{_METRICS[unit][0]}{{meter="{label}",reading="{name}"}} {float(value)!r}')


def _escaped(text: str) -> str:
    """Return the value of a label as the text format has it."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
