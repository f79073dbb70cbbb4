"""Acceptance: the decision whether the readings of a telegram may be used.

A telegram with a valid checksum is accepted. Meters of DSMR 2.2 and 3, and German ones, send no checksum. Their
telegrams are accepted when all lines can be read, the lines of energy and power are present, and no value contradicts
the telegram before. A contradiction is a counter that decreases or runs too fast, other lines than before, or a power
that is not possible.
"""

from __future__ import annotations

import re
from decimal import Decimal

from gateway.protocol.p1.readings import Readings
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram, Telegram
from gateway.protocol.p1.variants import Variant

MAX_POWER_W = Decimal(1_000_000)
"""Largest power that is accepted; no connection of a meter without checksum carries more."""

DIRECT_POWER_W = Decimal(70_000)
"""Largest power of a meter without current transformers, 3 x 100 A. A step above it must be confirmed by a second
telegram."""

COUNTER_SLACK_WH = Decimal(1000)
"""Tolerance for an energy counter: counters of old meters advance in steps, and a telegram may be late."""

MAX_INCREASE = {
    "Wh": (MAX_POWER_W, COUNTER_SLACK_WH),
    "m3": (Decimal(100), Decimal(100)),
    "J": (Decimal(3_600_000_000), Decimal(3_600_000_000)),
}
"""Unit of a counter → its largest increase per hour, and its largest single step. M-Bus meters are read once an hour;
the limits for them are 100 m3 per hour and 1 MW of heat."""

_SECONDS_PER_HOUR = 3600
_PRINTABLE = re.compile(r"[ -~]+")
_FORM = str.maketrans("123456789", "000000000", "-")


def refuse(
    telegram: Telegram, readings: Readings, variant: Variant, before: Readings | None, elapsed_s: float
) -> RefusedTelegram | None:
    """Return the refusal of `telegram`, or None when it is accepted.

    Args:
        telegram: the telegram.
        readings: its readings.
        variant: the variant of the meter.
        before: the readings of the last accepted telegram, None at the start.
        elapsed_s: seconds since that telegram.

    """
    if telegram.checked:
        return None
    if variant.has_checksum:
        return RefusedTelegram(telegram.raw, RefusalReason.NO_CHECKSUM, f"a {variant.title} meter sends a checksum")
    if not _PRINTABLE.fullmatch(readings.identification):
        return RefusedTelegram(telegram.raw, RefusalReason.FORM, "the identification is not readable")
    if readings.errors:
        error = readings.errors[0]
        return RefusedTelegram(telegram.raw, RefusalReason.FORM, f"line {error.number}: {error.reason}")
    names = readings.values.keys()
    if "energy_import" not in names or not names & {"power_import", "power_net"}:
        return RefusedTelegram(telegram.raw, RefusalReason.FORM, "a line of energy or power is missing")
    contradiction = contradict(before, readings, elapsed_s) if before else _excess(readings)
    return RefusedTelegram(telegram.raw, RefusalReason.IMPLAUSIBLE, contradiction) if contradiction else None


def contradict(before: Readings, after: Readings, elapsed_s: float) -> str | None:
    """Return what in `after` is not possible `elapsed_s` seconds after `before`, as a text, or None."""
    if before.identification != after.identification:
        return "the identification changed"
    return _changed_lines(before, after) or _jump(before, after, elapsed_s) or _excess(after)


def _changed_lines(before: Readings, after: Readings) -> str | None:
    """Return lines that were added, removed or changed in form, as a text, or None.

    A meter sends the same lines with the same number of digits each time.
    """
    if before.codes != after.codes:
        return f"the lines changed: {', '.join(sorted(before.codes ^ after.codes))}"
    known = _forms(before)
    other = {code for code, _ in _forms(after) - known} & {code for code, _ in known}
    return f"the form changed: {', '.join(sorted(other))}" if other else None


def _forms(readings: Readings) -> set[tuple[str, str]]:
    """Return each line with a value as its code and its text, with every digit as 0 and without signs."""
    return {(reading.code, reading.text.translate(_FORM)) for reading in readings.lines if reading.value is not None}


def _jump(before: Readings, after: Readings, elapsed_s: float) -> str | None:
    """Return a counter that decreased or ran too fast, or a sudden very large power, as a text, or None."""
    hours = Decimal(elapsed_s) / _SECONDS_PER_HOUR
    for name, value in after.values.items():
        earlier = before.values.get(name)
        if not isinstance(value, Decimal) or not isinstance(earlier, Decimal):
            continue
        unit = after.units.get(name, "")
        if unit in MAX_INCREASE:
            per_hour, step = MAX_INCREASE[unit]
            if not 0 <= value - earlier <= per_hour * hours + step:
                return f"{name} went from {earlier} to {value} {unit} in {elapsed_s:.0f} s"
        if name.startswith("power_") and abs(earlier) <= DIRECT_POWER_W < abs(value):
            return f"{name} went from {earlier} to {value} W"
    return None


def _excess(readings: Readings) -> str | None:
    """Return a power that is larger than `MAX_POWER_W`, as a text, or None."""
    for name, value in readings.values.items():
        # The limiter is not a power of the connection: 999 kW there means that there is no limit.
        if name.startswith("power_") and isinstance(value, Decimal) and abs(value) > MAX_POWER_W:
            return f"{name} is {value} W"
    return None
