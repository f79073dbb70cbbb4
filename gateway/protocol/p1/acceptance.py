"""Which telegrams may be believed.

A right checksum settles it. Meters of DSMR 2.2 and 3, and German ones, send none: their telegrams must be
whole, well formed, and not contradict the one before.
"""

from __future__ import annotations

import re
from decimal import Decimal

from gateway.protocol.p1.readings import Readings
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram, Telegram
from gateway.protocol.p1.variants import Variant

MAX_POWER_W = Decimal(1_000_000)
"""More than any connection with a P1 port and without checksum carries."""

DIRECT_POWER_W = Decimal(70_000)
"""What meters without current transformers measure: 3 x 100 A. More than that must be said twice."""

COUNTER_SLACK_WH = Decimal(1000)
"""Counters of old meters move in steps, and a telegram may be late."""

MOST = {
    "Wh": (MAX_POWER_W, COUNTER_SLACK_WH),
    "m3": (Decimal(100), Decimal(100)),
    "J": (Decimal(3_600_000_000), Decimal(3_600_000_000)),
}
"""Unit of a counter → the most that it moves in an hour, and at once: M-Bus meters, here of 100 m3 an hour and 1 MW of
heat, are read once an hour."""

_SECONDS_PER_HOUR = 3600
_PRINTABLE = re.compile(r"[ -~]+")
_FORM = str.maketrans("123456789", "000000000", "-")


def refuse(
    telegram: Telegram, readings: Readings, variant: Variant, before: Readings | None, elapsed_s: float
) -> RefusedTelegram | None:
    """Why `telegram` cannot be believed, or None when it can.

    Args:
        telegram: what was received.
        readings: its lines.
        variant: what sent it.
        before: the readings that were believed last, None at the start.
        elapsed_s: seconds since then.

    """
    if telegram.checked:
        return None
    if variant.has_checksum:
        return RefusedTelegram(telegram.raw, RefusalReason.NO_CHECKSUM, f"a {variant.title} meter sends one")
    if not _PRINTABLE.fullmatch(readings.identification):
        return RefusedTelegram(telegram.raw, RefusalReason.FORM, "the identification cannot be read")
    if readings.faults:
        fault = readings.faults[0]
        return RefusedTelegram(telegram.raw, RefusalReason.FORM, f"line {fault.number}: {fault.why}")
    names = readings.values.keys()
    if "energy_import" not in names or not names & {"power_import", "power_net"}:
        return RefusedTelegram(telegram.raw, RefusalReason.FORM, "the lines of energy and power are not all there")
    contradiction = contradict(before, readings, elapsed_s) if before else _excess(readings)
    return RefusedTelegram(telegram.raw, RefusalReason.IMPLAUSIBLE, contradiction) if contradiction else None


def contradict(before: Readings, after: Readings, elapsed_s: float) -> str | None:
    """What in `after` cannot be true `elapsed_s` seconds after `before`; None when all of it can."""
    if before.identification != after.identification:
        return "another identification"
    return _other_lines(before, after) or _jump(before, after, elapsed_s) or _excess(after)


def _other_lines(before: Readings, after: Readings) -> str | None:
    """Lines more or less, or digits in one of them: a meter sends the same ones each time."""
    if before.codes != after.codes:
        return f"other lines: {', '.join(sorted(before.codes ^ after.codes))}"
    known = _forms(before)
    other = {code for code, _ in _forms(after) - known} & {code for code, _ in known}
    return f"another form: {', '.join(sorted(other))}" if other else None


def _forms(readings: Readings) -> set[tuple[str, str]]:
    """The codes of values that are there, each with its text in which all digits are alike and signs left out."""
    return {(reading.code, reading.text.translate(_FORM)) for reading in readings.lines if reading.value is not None}


def _jump(before: Readings, after: Readings, elapsed_s: float) -> str | None:
    """A counter that fell or ran away, or a power that is suddenly beyond what most connections carry."""
    hours = Decimal(elapsed_s) / _SECONDS_PER_HOUR
    for name, value in after.values.items():
        earlier = before.values.get(name)
        if not isinstance(value, Decimal) or not isinstance(earlier, Decimal):
            continue
        unit = after.units.get(name, "")
        if unit in MOST:
            an_hour, at_once = MOST[unit]
            if not 0 <= value - earlier <= an_hour * hours + at_once:
                return f"{name} went from {earlier} to {value} {unit} in {elapsed_s:.0f} s"
        if name.startswith("power_") and abs(earlier) <= DIRECT_POWER_W < abs(value):
            return f"{name} went from {earlier} to {value} W"
    return None


def _excess(readings: Readings) -> str | None:
    """A power that no connection carries."""
    for name, value in readings.values.items():
        # The limiter says 999 kW where there is no limit.
        if name.startswith("power_") and isinstance(value, Decimal) and abs(value) > MAX_POWER_W:
            return f"{name} is {value} W"
    return None
