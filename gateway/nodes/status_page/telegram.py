"""The newest telegram of a meter, the results of the last telegrams, and the last hour."""

from __future__ import annotations

from gateway.nodes.status_page.decoded import MASK
from gateway.nodes.status_page.frame import age, identification, unix_time
from gateway.nodes.status_page.readings_model import (
    BucketView,
    HistoryView,
    LineView,
    TelegramVerdictView,
    TelegramView,
)
from gateway.protocol.p1.history import BUCKET_S, Bucket, History
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.readings import Reading
from gateway.protocol.p1.redaction import redact
from gateway.runtime.clock import now


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
            for each in reversed(history.telegrams)
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
    return LineView(text, reading.code, reading.name, value, reading.unit, reading.error)


def history(meter: MeterState, history: History) -> HistoryView:
    """Return the last hour."""
    return HistoryView(meter.name, BUCKET_S, [_bucket(bucket) for bucket in history.buckets])


def _bucket(bucket: Bucket) -> BucketView:
    mean, lowest, highest = bucket.power_mean_w, bucket.power_lowest_w, bucket.power_highest_w
    return BucketView(
        at=unix_time(bucket.begins),
        power_mean_w=None if mean is None else round(float(mean), 1),
        power_lowest_w=None if lowest is None else float(lowest),
        power_highest_w=None if highest is None else float(highest),
        longest_interval_s=_rounded(bucket.longest_interval_s),
        telegrams=bucket.telegrams,
        refused=bucket.refused,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
