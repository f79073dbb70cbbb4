"""The night in which summer time ends (2000/84/EC: the last Sunday of October, 1:00 UTC)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.protocol.p1.age.season import EARLIEST_S, HOUR_S, HOUR_WANDER_S, LATEST_S, is_change_to_winter

ENDS = {2021: 31, 2022: 30, 2023: 29, 2024: 27, 2025: 26, 2026: 25, 2027: 31, 2032: 31}
"""Year → the last Sunday of October."""


@pytest.mark.parametrize("year", ENDS)
def test_a_clock_that_goes_back_by_an_hour_at_the_end_of_summer_time_has_changed_to_winter_time(year: int) -> None:
    end = int(datetime(year, 10, ENDS[year], 1, tzinfo=UTC).timestamp())
    for newest, is_change in (
        (end + EARLIEST_S, True),
        (end + EARLIEST_S - 1, False),
        (end + LATEST_S, True),
        (end + LATEST_S + 1, False),
        (end - 7 * 86400, False),
        (end + 7 * 86400, False),
    ):
        assert is_change_to_winter(int(newest), HOUR_S) is is_change, newest - end


@pytest.mark.parametrize(
    ("step", "is_change"),
    [
        (HOUR_S + HOUR_WANDER_S, True),
        (HOUR_S - HOUR_WANDER_S, True),
        (HOUR_S + HOUR_WANDER_S + 0.1, False),
        (HOUR_S - HOUR_WANDER_S - 0.1, False),
        (-HOUR_S, False),
        (0.0, False),
    ],
)
def test_a_step_of_another_size_is_no_change_to_winter_time(step: float, is_change: bool) -> None:
    assert is_change_to_winter(int(datetime(2023, 10, 29, 1, tzinfo=UTC).timestamp()), step) is is_change
