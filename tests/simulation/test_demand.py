"""Quarter-hour demand beside a count by hand of what the house used."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.simulation.demand import MONTHS, QUARTER_S, Demand
from gateway.simulation.household import SLOT_S, WEEK_S, simulate_week
from gateway.simulation.wall_clock import WallClock

ZONE = ZoneInfo("Europe/Brussels")
CLOCK = WallClock("Europe/Brussels")
WEEK = simulate_week(2)
DEMAND = Demand(WEEK, CLOCK)


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=ZONE).timestamp())


def imported_w(moment: int) -> int:
    slot = CLOCK.at(moment).second % WEEK_S // SLOT_S
    return max(sum(phase[slot] for phase in WEEK.powers), 0)


@pytest.mark.parametrize("minute", [0, 1, 7, 14])
def test_the_running_demand_is_the_energy_so_far_by_a_quarter(minute: int) -> None:
    begun = at(2026, 1, 14, 17, 45)
    moment = begun + minute * 60 + 5
    used_ws = sum(imported_w(second) for second in range(begun, moment))
    assert DEMAND.running(CLOCK.at(moment).second) == used_ws // QUARTER_S


@pytest.mark.parametrize(("year", "month"), [(2026, 3), (2026, 10)])
def test_the_peak_is_the_highest_quarter_of_the_month(year: int, month: int) -> None:
    begins, ends = at(year, month, 1), at(year + month // 12, month % 12 + 1, 1)
    averages = {
        quarter: sum(imported_w(second) for second in range(quarter, quarter + QUARTER_S, SLOT_S)) // 90
        for quarter in range(begins, ends, QUARTER_S)
    }
    highest = max(averages.values())
    first = min(quarter for quarter, average in averages.items() if average == highest)
    history = DEMAND.history(CLOCK.at(ends))
    assert history.startswith(f"(13)(1-0:1.6.0)(1-0:1.6.0)({CLOCK.at(ends).stamp})")
    stamp, value = history.split(")(")[4:6]
    assert stamp == CLOCK.at(first + QUARTER_S).stamp
    assert value == f"{highest / 1000:06.3f}*kW"


def test_the_peak_of_a_month_grows_and_starts_again() -> None:
    begins = at(2026, 5, 1)
    assert DEMAND.of_month(CLOCK.at(begins)) == {"demand_peak": 0, "demand_peak_time": "260501000000S"}
    peaks = [int(DEMAND.of_month(CLOCK.at(begins + hour * 3600))["demand_peak"]) for hour in range(24 * 9)]
    assert peaks == sorted(peaks)
    assert len(set(peaks)) > 2


def test_the_thirteen_months_before_are_listed_newest_first() -> None:
    history = DEMAND.history(CLOCK.at(int(datetime(2026, 2, 3, tzinfo=UTC).timestamp())))
    ends = history.split(")(")[3::3]
    assert len(ends) == MONTHS
    assert (ends[0], ends[1], ends[-1]) == ("260201000000W", "260101000000W", "250201000000W")
    assert "250701000000S" in ends
