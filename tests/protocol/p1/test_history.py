"""The last hour of a meter: buckets, the newest telegrams, and their bounds."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from gateway.protocol.p1.history import BUCKET_S, BUCKETS_KEPT, TELEGRAMS_KEPT, History
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram, TelegramReader
from tests.conftest import own_telegram

BAD = RefusedTelegram(b"", RefusalReason.CHECKSUM, "")


def received(name: str = "v50_sagemcom-t210d") -> Received:
    (telegram,) = TelegramReader().feed(own_telegram(name))
    result = MeterState("m", None, needs_two=False).take(telegram, 0, 0)
    assert isinstance(result, Received)
    return result


def with_power(watts: int) -> Received:
    good = received()
    readings = good.readings
    values = {**readings.values, "power_net": Decimal(watts)}
    changed = replace(readings, values=values)
    return replace(good, readings=changed)


def test_power_is_kept_with_its_mean_and_bounds() -> None:
    history = History()
    for at, watts in enumerate((0, -300, 600)):
        history.note(with_power(watts), 100.0 + at)
    (bucket,) = history.buckets
    assert (bucket.power_lowest_w, bucket.power_mean_w, bucket.power_highest_w) == (-300, 100, 600)
    assert (bucket.begins, bucket.telegrams, bucket.refused) == (100.0, 3, 0)


def test_zero_watts_is_a_power() -> None:
    history = History()
    history.note(with_power(5), 100)
    history.note(with_power(0), 101)
    assert history.buckets[0].power_lowest_w == 0
    history.note(with_power(7), 102)
    assert (history.buckets[0].power_lowest_w, history.buckets[0].power_highest_w) == (0, 7)


def test_what_is_refused_counts_and_tells_nothing_of_power() -> None:
    history = History()
    history.note(BAD, 100)
    history.note(received(), 101)
    (bucket,) = history.buckets
    assert (bucket.telegrams, bucket.refused, bucket.longest_interval_s) == (1, 1, 1)
    assert [each.reason for each in history.telegrams] == ["checksum", None]
    assert History().buckets == History().telegrams


def test_the_interval_across_a_pause_is_that_of_the_bucket_after_it() -> None:
    history = History()
    for at in (100, 101, 145):
        history.note(received(), at)
    assert [(each.begins, each.longest_interval_s) for each in history.buckets] == [(100, 1), (140, 44)]
    assert [each.interval_s for each in history.telegrams] == [None, 1, 44]


def test_an_hour_and_ten_telegrams_are_kept() -> None:
    history, good = History(), received()
    for step in range(2 * BUCKETS_KEPT):
        history.note(good, step * BUCKET_S)
    assert len(history.buckets) == BUCKETS_KEPT
    assert history.buckets[0].begins == BUCKETS_KEPT * BUCKET_S
    assert BUCKETS_KEPT * BUCKET_S == 3600
    assert len(history.telegrams) == TELEGRAMS_KEPT == 10
