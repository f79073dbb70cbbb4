"""The figures of today: since when they count, and what begins them again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.protocol.p1.day import Begin, Day, next_midnight
from gateway.protocol.p1.serving import Received
from tests.protocol.p1.test_history import with_values

MIDNIGHT = datetime(2026, 9, 11, 22, 0, tzinfo=UTC).timestamp()
"""Begin of 12 September in the Netherlands."""


def at(moment: float, energy: float) -> Received:
    return with_values(energy_import=energy)._replace(arrived_at=moment)


def test_a_day_begins_with_its_first_telegram() -> None:
    day = Day()
    day.note(at(MIDNIGHT + 9 * 3600, 1000))
    day.note(at(MIDNIGHT + 10 * 3600, 1500))
    day.note_refused()
    day.note_refused()
    assert (day.since, day.used()["energy_import"], day.telegrams, day.refused) == (MIDNIGHT + 9 * 3600, 500, 2, 2)


def test_the_next_day_begins_at_midnight_if_telegrams_come_around_it() -> None:
    day = Day()
    for moment, energy in ((-3600, 1000), (-5, 1400), (5, 1401), (60, 1500)):
        day.note(at(MIDNIGHT + moment, energy))
    assert (day.since, day.used()["energy_import"], day.telegrams) == (MIDNIGHT, 100, 2)


def test_the_next_day_begins_later_if_the_meter_was_offline_at_midnight() -> None:
    day = Day()
    for moment, energy in ((-3600, 1000), (3600, 1401), (3700, 1500)):
        day.note(at(MIDNIGHT + moment, energy))
    assert (day.since, day.used()["energy_import"]) == (MIDNIGHT + 3600, 99)


def test_a_counter_that_runs_backwards_is_that_of_another_meter() -> None:
    day = Day()
    for moment, energy in ((100, 1000), (200, 1400), (300, 20), (400, 30)):
        day.note(at(MIDNIGHT + moment, energy))
    assert (day.since, day.used()["energy_import"]) == (MIDNIGHT + 300, 10)


@pytest.mark.parametrize(
    ("since", "begin", "is_taken"),
    [
        (MIDNIGHT, 900.0, True),
        (MIDNIGHT - 1, 900.0, False),
        (MIDNIGHT + 7200, 900.0, False),
        (MIDNIGHT, 1100.0, False),
    ],
    ids=["of today", "of yesterday", "of later", "of another meter"],
)
@pytest.mark.parametrize("is_first", [True, False], ids=["before a telegram", "after it"])
def test_the_begin_of_an_earlier_run_is_taken_if_it_is_of_this_day(
    since: float, begin: float, is_taken: bool, is_first: bool
) -> None:
    day = Day()
    if is_first:
        day.restore(Begin(since, {"energy_import": begin}, 50, 2))
        assert day.kept() == Begin(since, {"energy_import": begin}, 50, 2)
    day.note(at(MIDNIGHT + 3600, 1000))
    if not is_first:
        day.restore(Begin(since, {"energy_import": begin}, 50, 2))
    assert day.used()["energy_import"] == (1000 - begin if is_taken else 0)
    assert (day.telegrams, day.refused) == ((51, 2) if is_taken else (1, 0))


@pytest.mark.parametrize(
    ("moment", "offset_h", "expected"),
    [
        (datetime(2026, 3, 28, 12, tzinfo=UTC), 1, datetime(2026, 3, 28, 23, tzinfo=UTC)),
        (datetime(2026, 3, 29, 12, tzinfo=UTC), 1, datetime(2026, 3, 29, 22, tzinfo=UTC)),
        (datetime(2026, 10, 25, 12, tzinfo=UTC), 1, datetime(2026, 10, 25, 23, tzinfo=UTC)),
        (datetime(2026, 7, 1, 12, tzinfo=UTC), 2, datetime(2026, 7, 1, 21, tzinfo=UTC)),
    ],
)
def test_midnight_is_that_of_the_country(moment: datetime, offset_h: int, expected: datetime) -> None:
    assert next_midnight(moment.timestamp(), offset_h) == expected.timestamp()


def test_a_day_has_no_telegrams_before_the_first_one() -> None:
    assert (Day().telegrams, Day().refused, Day().used(), Day().kept()) == (0, 0, {}, None)


def test_the_begin_of_this_run_is_kept_for_a_later_one() -> None:
    day = Day()
    day.note(at(MIDNIGHT + 3600, 1000))
    day.note(at(MIDNIGHT + 3700, 1001))
    day.note_refused()
    kept = day.kept()
    assert kept
    assert (kept.since, kept.counters["energy_import"], kept.telegrams, kept.refused) == (MIDNIGHT + 3600, 1000, 2, 1)
    later = Day()
    later.restore(kept)
    later.note(at(MIDNIGHT + 4000, 1005))
    assert (later.since, later.used()["energy_import"], later.telegrams, later.refused) == (MIDNIGHT + 3600, 5, 3, 1)


def test_a_telegram_at_midnight_itself_belongs_to_the_day_that_begins() -> None:
    day = Day()
    for moment, energy in ((-3600, 1000), (-5, 1400), (0, 1401)):
        day.note(at(MIDNIGHT + moment, energy))
    assert (day.since, day.used()["energy_import"], day.telegrams) == (MIDNIGHT, 1, 1)


def test_an_earlier_run_of_the_same_begin_is_taken() -> None:
    day = Day()
    day.note(at(MIDNIGHT + 100, 1000))
    day.restore(Begin(MIDNIGHT + 100, {"energy_import": 900.0}, 50, 2))
    assert (day.used()["energy_import"], day.telegrams, day.refused) == (100, 51, 2)
