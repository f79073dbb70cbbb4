"""The history of monthly peaks: read right, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from gateway.protocol.p1.demand_history import MONTHS, Peak, month_of, monthly_peaks, peaks_by_month
from gateway.protocol.p1.readings import read
from tests.protocol.p1.stream import only, telegram_of

HEAD = "(1-0:1.6.0)(1-0:1.6.0)"
MAY = "(200501000000S)(200423192538S)(03.695*kW)"
APRIL = "(200401000000S)(200305122139S)(05.980*kW)"
MARCH = "(200301000000W)(200210035421W)(04.318*kW)"
WINTER, SUMMER = timezone(timedelta(hours=1)), timezone(timedelta(hours=2))


def moment(*parts: int, zone: timezone = SUMMER) -> int:
    return int(datetime(*parts, tzinfo=zone).timestamp())  # type: ignore[misc,arg-type]


IN_MAY = Peak(moment(2020, 5, 1), Decimal(3695), moment(2020, 4, 23, 19, 25, 38))
IN_APRIL = Peak(moment(2020, 4, 1), Decimal(5980), moment(2020, 3, 5, 12, 21, 39))
IN_MARCH = Peak(moment(2020, 3, 1, zone=WINTER), Decimal(4318), moment(2020, 2, 10, 3, 54, 21, zone=WINTER))


@pytest.mark.parametrize("months", [MAY + APRIL + MARCH, MARCH + APRIL + MAY, APRIL + MAY + MARCH])
def test_the_newest_month_comes_first_whatever_the_order_of_the_line(months: str) -> None:
    assert monthly_peaks(f"(3){HEAD}{months}") == (IN_MAY, IN_APRIL, IN_MARCH)


def test_a_month_without_a_peak_keeps_its_place() -> None:
    empty = "(200401000000S)(632525252525W)(00.000*kW)"
    assert monthly_peaks(f"(3){HEAD}{MAY}{empty}{MARCH}") == (IN_MAY, Peak(IN_APRIL.month_end, None, None), IN_MARCH)


def test_a_month_with_a_code_for_no_value_has_no_peak() -> None:
    code = "(200401000000S)(200305122139S)(2147483.647*kW)"
    assert monthly_peaks(f"(3){HEAD}{MAY}{code}{MARCH}") == (IN_MAY, Peak(IN_APRIL.month_end, None, None), IN_MARCH)


def test_a_meter_may_announce_more_months_than_it_has() -> None:
    assert monthly_peaks(f"(13){HEAD}{MAY}{APRIL}") == (IN_MAY, IN_APRIL)


def test_the_moment_may_stand_behind_the_value() -> None:
    swapped = "(200501000000S)(03.695*kW)(200423192538S)"
    assert monthly_peaks(f"(1){HEAD}{swapped}") == (IN_MAY,)
    local = "(260201000000)(02.589*kW)(260112223000)"
    (peak,) = monthly_peaks(f"(1){HEAD}{local}")
    assert (peak.power, peak.time) == (2589, datetime(2026, 1, 12, 21, 30, tzinfo=UTC).timestamp())


def test_no_more_than_thirteen_months_count() -> None:
    months = [f"({year}{month:02}01000000W)({year}{month:02}01000000W)({month:02}.000*kW)"
              for year in (23, 24) for month in range(1, 13)]  # fmt: skip
    peaks = monthly_peaks(f"(24){HEAD}{''.join(months)}")
    assert len(peaks) == len(MONTHS)
    assert [int(peak.power or 0) for peak in peaks] == [*range(12_000, 0, -1000), 12_000]


@pytest.mark.parametrize(
    "text",
    [
        "(12)",
        "()",
        f"(0){HEAD}",
        f"(0){HEAD}()",
        f"(0){HEAD}{MAY}",
        f"(1){HEAD}{MAY}{APRIL}",
        f"(2){HEAD}{MAY}(200401000000S)(200305122139S)",
        f"(2){HEAD}{MAY}{MAY}",
        f"(1)(1-0:1.6.0)(1-0:2.6.0){MAY}",
        f"(1)(1-0:1.6.0){MAY}",
        f"(x){HEAD}{MAY}",
        f"(1){HEAD}(200501000000S)(200423192538S)(03.695*kWh)",
        f"(1){HEAD}(200501000000S)(200423192538S)(3695)",
        f"(1){HEAD}(200501000000S)(03.695*kW)(03.695*kW)",
        f"(1){HEAD}(200501000000S)(200423192538S)(NaN*kW)",
        f"(2){HEAD}{MAY}(209901000000S)(200305122139S)(05.980*kW)",
        "(230701000000S)(000040.777*kWh)(000008.950*kWh)(03.564*kW)",
    ],
)
def test_what_is_of_another_shape_is_no_history(text: str) -> None:
    assert [peak for peak in monthly_peaks(text) if peak.power is not None] == []


def test_a_telegrams_peaks_have_names_and_times() -> None:
    readings = read(only(telegram_of(f"0-0:98.1.0(13){HEAD}{MARCH}{MAY}{APRIL}")))
    assert readings.errors == ()
    assert readings.values["demand_peak_1"] == 3695
    assert readings.values["demand_peak_1_time"] == IN_MAY.time
    assert readings.values["demand_peak_3"] == 4318
    assert "demand_peak_4" not in readings.values
    assert readings.units["demand_peak_3"] == "W"


@pytest.mark.parametrize("line", ["0-0:98.1.0()", "0-0:98.1.0(12)", "0-0:98.1.0(5*kW)"])
def test_a_telegram_without_a_history_has_no_peaks(line: str) -> None:
    assert not [name for name in read(only(telegram_of(line))).values if name.startswith("demand_peak")]


def test_a_month_that_the_meter_did_not_send_leaves_a_gap() -> None:
    assert peaks_by_month(f"(2){HEAD}{MAY}{MARCH}", moment(2020, 5, 12)) == {1: IN_MAY, 3: IN_MARCH}


@pytest.mark.parametrize("clock", [moment(2020, 6, 1), moment(2020, 6, 1, 1, 30), moment(2020, 6, 30, 23, 59, 59)])
def test_the_last_month_is_absent_until_the_meter_sends_it(clock: int) -> None:
    assert peaks_by_month(f"(2){HEAD}{MAY}{APRIL}", clock) == {2: IN_MAY, 3: IN_APRIL}
    june = Peak(moment(2020, 6, 1), Decimal(1500), moment(2020, 5, 30, 18, 15))
    sent = f"(3){HEAD}{MAY}{APRIL}(200601000000S)(200530181500S)(01.500*kW)"
    assert peaks_by_month(sent, clock) == {1: june, 2: IN_MAY, 3: IN_APRIL}


@pytest.mark.parametrize("clock", [None, moment(2020, 3, 12, zone=WINTER), moment(2000, 1, 1, zone=WINTER)])
def test_without_a_clock_that_is_ahead_of_it_the_newest_month_of_a_history_counts_as_the_last(
    clock: int | None,
) -> None:
    assert peaks_by_month(f"(2){HEAD}{MAY}{APRIL}", clock) == {1: IN_MAY, 2: IN_APRIL}


def test_a_history_of_more_than_a_year_ago_has_no_month_that_counts() -> None:
    assert peaks_by_month(f"(2){HEAD}{MAY}{APRIL}", moment(2021, 6, 2)) == {}


def test_a_month_with_two_histories_has_no_peak() -> None:
    twice = f"(3){HEAD}{MAY}{APRIL}(200414101500S)(200410181500S)(01.500*kW)"
    assert peaks_by_month(twice, moment(2020, 5, 12)) == {1: IN_MAY, 2: Peak(IN_APRIL.month_end, None, None)}


def test_an_end_that_is_an_hour_off_belongs_to_the_same_month() -> None:
    for end in ("200430230000S", "200501010000S"):
        assert peaks_by_month(f"(1){HEAD}({end})(200423192538S)(03.695*kW)", moment(2020, 5, 12)).keys() == {1}


def test_a_month_begins_at_midnight_in_the_meters_country() -> None:
    assert month_of(moment(2020, 5, 1)) == month_of(moment(2020, 4, 30, 23, 59)) + 1 == 12 * 2020 + 5
    assert month_of(moment(2020, 1, 1, zone=WINTER)) == month_of(moment(2019, 12, 31, 23, 59, zone=WINTER)) + 1
