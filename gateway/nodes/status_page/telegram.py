"""The newest telegram of a meter, the results of the last telegrams, and the last hour."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice

from gateway.nodes.status_page.decoded import MASK
from gateway.nodes.status_page.frame import age, identification, unix_time
from gateway.nodes.status_page.readings_model import (
    BucketView,
    HistoryView,
    LineView,
    TelegramVerdictView,
    TelegramView,
)
from gateway.protocol.p1.history import History
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.reading import Reading
from gateway.protocol.p1.redaction import redact
from gateway.runtime.clock import now

RECENT = 10
"""Number of newest telegrams whose results are shown."""


def telegram(meter: MeterState, history: History, *, is_masked: bool) -> TelegramView:
    """Return the newest telegram, with masked identifiers if `is_masked`."""
    moment = now()
    newest = meter.newest
    raw = newest.telegram.raw if newest else None
    return TelegramView(
        meter=meter.name,
        is_masked=is_masked,
        identification=identification(meter, is_masked=is_masked),
        age_s=age(meter, moment),
        is_fresh=meter.is_fresh(moment),
        text=(redact(raw) if is_masked else raw).decode("latin-1") if raw else None,
        lines=[_line(reading, is_masked=is_masked) for reading in newest.readings.lines] if newest else [],
        recent=[
            TelegramVerdictView(unix_time(each.arrived), _rounded(each.interval_s), each.reason)
            for each in islice(reversed(history.telegrams), RECENT)
        ],
    )


def _line(reading: Reading, *, is_masked: bool) -> LineView:
    text = reading.code + reading.text
    value = None if reading.value is None else str(reading.value)
    if is_masked:
        shown = redact(text.encode("latin-1")).decode("latin-1")
        value = value if shown == text else MASK
        text = shown
    text = text.replace("\r", "").replace("\n", "")
    return LineView(text, reading.code, reading.name, value, reading.unit, reading.error, _time_of(reading))


def _time_of(reading: Reading) -> int | None:
    """Return the time in a line: that of its reading, or its value for a clock."""
    value = reading.value
    return value if reading.name == "clock" and isinstance(value, int) else reading.time


def history(meter: MeterState, history: History) -> HistoryView:
    """Return the last hour."""
    ring = history.hour
    rows = [(number, dict(zip(ring.columns, ring.row(number), strict=True))) for number in ring.numbers()]
    found = [_bucket(unix_time(number * ring.length_s), row) for number, row in rows if not math.isnan(row["refused"])]
    return HistoryView(meter.name, ring.length_s, found)


def _bucket(at: float, row: Mapping[str, float]) -> BucketView:
    mean, lowest, highest, longest = (
        _rounded(None if math.isnan(row[name]) else row[name])
        for name in ("power_mean_w", "power_lowest_w", "power_highest_w", "longest_interval_s")
    )
    return BucketView(at, mean, lowest, highest, longest, int(row["telegrams"]), int(row["refused"]))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
