"""The last hour and day of a meter: buckets, the newest telegrams, their bounds, and what an earlier run kept."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from gateway.protocol.p1.history import DAY_S, FULL, HOUR_S, SMALL, TELEGRAMS_KEPT, Bucket, History, Layout, Ring
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


def with_values(**changed: float) -> Received:
    good = received()
    values = {**good.readings.values, **{name: Decimal(str(value)) for name, value in changed.items()}}
    return good._replace(readings=good.readings._replace(values=values))


def rows(ring: Ring) -> list[dict[str, float]]:
    """The buckets with telegrams, with the moment at which each begins."""
    names = list(ring.columns)
    found = [
        {"begins": number * ring.length_s, **dict(zip(names, ring.row(number), strict=True))}
        for number in ring.numbers()
    ]
    return [row for row in found if not math.isnan(row["telegrams"])]


def test_power_is_kept_with_its_mean_and_bounds() -> None:
    history = History()
    for at, watts in enumerate((0, -300, 600)):
        history.note(with_values(power_net=watts), 100.0 + at)
    (row,) = rows(history.hour)
    assert (row["power_lowest_w"], row["power_mean_w"], row["power_highest_w"]) == (-300, 100, 600)
    assert (row["begins"], row["telegrams"], row["refused"]) == (100.0, 3, 0)


def test_what_a_meter_does_not_send_is_not_a_number() -> None:
    history = History()
    history.note(received("v22_iskra-mt382"), 100)
    (row,) = rows(history.hour)
    assert row["telegrams"] == 1
    assert not math.isnan(row["power_mean_w"])
    assert all(math.isnan(row[name]) for name in ("power_l1_w", "voltage_l1_lowest_v", "voltage_l1_highest_v"))


def test_phases_and_voltages_are_kept_each() -> None:
    history = History()
    history.note(with_values(power_net_l2=-40, voltage_l3=229.5), 100)
    history.note(with_values(power_net_l2=-20, voltage_l3=231.5), 101)
    (row,) = rows(history.hour)
    assert row["power_l2_w"] == -30
    assert (row["voltage_l3_lowest_v"], row["voltage_l3_highest_v"]) == (229.5, 231.5)


def test_what_is_refused_counts_and_tells_nothing_of_power() -> None:
    history = History()
    history.note(BAD, 100)
    history.note(received(), 101)
    (row,) = rows(history.hour)
    assert (row["telegrams"], row["refused"], row["longest_interval_s"]) == (1, 1, 1)
    assert [each.reason for each in history.telegrams] == ["checksum", None]
    history = History()
    history.note(BAD, 100)
    assert math.isnan(rows(history.hour)[0]["power_mean_w"])


def test_a_time_without_telegrams_is_a_gap_and_its_length_is_the_interval_after_it() -> None:
    history = History()
    for at in (100, 101, 145):
        history.note(received(), at)
    assert [(row["begins"], row["longest_interval_s"]) for row in rows(history.hour)] == [(100, 1), (140, 44)]
    assert [each.interval_s for each in history.telegrams] == [None, 1, 44]


def test_buckets_of_an_hour_ago_are_overwritten_also_after_a_gap() -> None:
    history, good = History(), received()
    size = history.hour.size
    for step in (0, 1, size, size + 1, 5 * size, 5 * size + 1):
        history.note(good, step * FULL.short_s)
    assert [row["begins"] for row in rows(history.hour)] == [5 * HOUR_S, 5 * HOUR_S + FULL.short_s]


def test_after_a_gap_nothing_is_left_in_the_buckets_that_it_passed() -> None:
    history, size = History(), History().hour.size
    for step in (0, 1, 2, 3, size + 1):
        history.note(received(), step * FULL.short_s)
    assert [row["begins"] / FULL.short_s for row in rows(history.hour)] == [2, 3, size + 1]
    history.note(received(), (2 * size + 10) * FULL.short_s)
    assert [row["begins"] / FULL.short_s for row in rows(history.hour)] == [2 * size + 10]


def test_the_day_has_the_same_sums_as_its_hours() -> None:
    history = History()
    for step in range(90):
        history.note(with_values(power_net=step), 10.0 * step)
        history.note(BAD, 10.0 * step + 1)
    first, second = rows(history.day)[:2]
    assert (first["begins"], first["telegrams"], first["refused"], first["power_mean_w"]) == (0, 30, 30, 14.5)
    assert (second["power_lowest_w"], second["power_highest_w"]) == (30, 59)
    assert history.refused_in_day(900.0) == 90
    assert history.refused_in_day(DAY_S + 300.0) == 30, "the meter has sent nothing since"
    assert history.refused_in_day(2 * DAY_S) == 0


def test_memory_is_bounded_however_long_it_runs() -> None:
    history, good = History(), received()
    before = {name: len(column) for name, column in history.hour.columns.items()}
    for step in range(800):
        history.note(good, step * FULL.short_s)
    assert {name: len(column) for name, column in history.hour.columns.items()} == before
    assert len(history.telegrams) == TELEGRAMS_KEPT

    def size(layout: History) -> int:
        return sum(4 * len(each) for ring in (layout.hour, layout.day) for each in ring.columns.values())

    assert size(history) < 42_000
    assert size(History(SMALL)) < 8_500


def test_points_are_means_of_periods_and_none_where_nothing_came() -> None:
    history = History()
    for step in range(24):
        if not 12 <= step < 18:
            history.note(with_values(power_net=step), 1200 + 10.0 * step)
    assert history.points(5, 60) == [None, 2.5, 8.5, None, 20.5]
    assert History().points(2, 60) == [None, None]


FIGURES = {
    "power_net": (100, -40, 700),
    **{f"power_net_l{phase}": (10 * phase, 20 * phase, 60 * phase) for phase in (1, 2, 3)},
    **{f"voltage_l{phase}": (229 + phase, 227 + phase, 233 + phase) for phase in (1, 2, 3)},
}
"""Reading → its values in three telegrams."""


def filled(layout: Layout) -> Bucket:
    bucket = Bucket(layout, 7)
    for number in range(3):
        bucket.note(with_values(**{name: values[number] for name, values in FIGURES.items()}).readings.values)
    bucket.note_interval(2.5)
    bucket.note_interval(1.5)
    bucket.refused += 4
    return bucket


def test_a_bucket_has_a_column_for_each_quantity() -> None:
    mean, lowest, highest = 760 / 3, -40, 700
    assert dict(zip(SMALL.columns, filled(SMALL).row(), strict=True)) == {
        "power_mean_w": mean,
        "power_lowest_w": lowest,
        "power_highest_w": highest,
        "longest_interval_s": 2.5,
        "telegrams": 3,
        "refused": 4,
    }
    assert dict(zip(FULL.columns, filled(FULL).row(), strict=True)) == {
        "power_mean_w": mean,
        "power_l1_w": 30,
        "power_l2_w": 60,
        "power_l3_w": 90,
        "power_lowest_w": lowest,
        "power_highest_w": highest,
        "voltage_l1_lowest_v": 228,
        "voltage_l2_lowest_v": 229,
        "voltage_l3_lowest_v": 230,
        "voltage_l1_highest_v": 234,
        "voltage_l2_highest_v": 235,
        "voltage_l3_highest_v": 236,
        "longest_interval_s": 2.5,
        "telegrams": 3,
        "refused": 4,
    }


@pytest.mark.parametrize("layout", [FULL, SMALL])
def test_a_row_becomes_the_same_bucket_again(layout: Layout) -> None:
    row = filled(layout).row()
    again = Bucket.from_row(layout, 9, row)
    assert again.number == 9
    assert again.row() == pytest.approx(row)
    empty = Bucket(layout, 7).row()
    assert Bucket.from_row(layout, 7, empty).row() == pytest.approx(empty, nan_ok=True)


@pytest.mark.parametrize("layout", [FULL, SMALL])
def test_buckets_of_one_time_add_up_to_the_bucket_of_all_their_telegrams(layout: Layout) -> None:
    whole, first, second = filled(layout), Bucket(layout, 7), Bucket(layout, 8)
    for number in range(3):
        part = first if number < 2 else second
        part.note(with_values(**{name: values[number] for name, values in FIGURES.items()}).readings.values)
    first.note_interval(1.5)
    second.note_interval(2.5)
    first.refused, second.refused = 1, 3
    for one, other in ((first, second), (second, first)):
        total = Bucket(layout, 7)
        total.add(one)
        total.add(Bucket.from_row(layout, 8, other.row()))
        total.add(Bucket.from_row(layout, 8, Bucket(layout, 8).row()))
        assert total.row() == pytest.approx(whole.row())


def test_buckets_of_an_earlier_run_fill_gaps_and_are_added_to_the_newest() -> None:
    before = Bucket(FULL, 0)
    before.note(with_values(power_net=100).readings.values)
    history = History()
    history.note(with_values(power_net=300), 1000)
    history.note(with_values(power_net=500), 1010)
    for number in (90, 100, 101, 102, -500):
        history.hour.restore(number, before.row(), 1010)
    found = {row["begins"]: row["power_mean_w"] for row in rows(history.hour)}
    assert found == {900: 100, 1000: 300, 1010: 300}


def test_a_meter_that_is_offline_after_a_restart_keeps_its_buckets() -> None:
    before = Bucket(FULL, 0)
    before.note(with_values(power_net=100).readings.values)
    history = History()
    history.hour.restore(90, before.row(), 1000)
    assert [row["begins"] for row in rows(history.hour)] == [900]
    history.note(with_values(power_net=300), 1000 + HOUR_S - 105)
    assert [row["begins"] for row in rows(history.hour)] == [900, 1000 + HOUR_S - 110]
    history.note(with_values(power_net=300), 1000 + HOUR_S)
    assert 900 not in [row["begins"] for row in rows(history.hour)]


def test_telegrams_of_an_earlier_run_are_added_to_those_of_the_newest_bucket() -> None:
    before = Bucket(FULL, 0)
    for _ in range(3):
        before.note(with_values(power_net=100).readings.values)
        before.refused += 1
    history = History()
    history.note(with_values(power_net=500), 1010)
    history.hour.restore(101, before.row(), 1010)
    (row,) = rows(history.hour)
    assert (row["telegrams"], row["refused"], row["power_mean_w"]) == (4, 3, 200)


def test_a_power_that_an_earlier_run_did_not_measure_does_not_count_in_the_mean() -> None:
    before = Bucket(FULL, 0)
    before.note({})
    history = History()
    history.note(with_values(power_net=500), 1010)
    history.hour.restore(101, before.row(), 1010)
    (row,) = rows(history.hour)
    assert (row["telegrams"], row["power_mean_w"]) == (2, 500)


def test_before_the_first_telegram_there_are_no_buckets() -> None:
    assert list(History().hour.numbers()) == []


def test_a_refused_telegram_has_its_moment_and_interval() -> None:
    history = History()
    history.note(received(), 100)
    history.note(BAD, 101)
    assert [(each.arrived, each.interval_s, each.reason) for each in history.telegrams] == [
        (100, None, None),
        (101, 1, "checksum"),
    ]


def test_after_a_gap_of_almost_an_hour_only_the_oldest_bucket_is_kept() -> None:
    history, good = History(), received()
    for step in (0, 1, history.hour.size):
        history.note(good, step * FULL.short_s)
    assert [row["begins"] for row in rows(history.hour)] == [FULL.short_s, history.hour.size * FULL.short_s]
