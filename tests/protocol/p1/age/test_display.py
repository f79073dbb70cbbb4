"""Which telegram is shown, and from when on, by its arrival alone."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.age.display import (
    FIRST_QUIET_S,
    LONGEST_GAP,
    QUIET,
    SHORTEST_GAP,
    STEADY_S,
    STEADY_TELEGRAMS,
    Display,
)
from gateway.protocol.p1.age.verdict import Arrival, Kind, Shown, Verdict

CADENCE_S = 10.0
CLOCK = 1_700_000_000


def telegram(arrived: float, *, token: int = 7, is_first: bool = False, clock: int | None = CLOCK) -> Arrival:
    return Arrival(token, arrived, clock, (), 0, is_first, None)


def test_a_telegram_that_is_shown_at_once_is_as_old_as_its_delay() -> None:
    display = Display(CADENCE_S)
    display.postpone(telegram(90.0, token=6))
    verdict = display.show(telegram(100.0), Kind.LATE, 3.0)
    assert verdict == Verdict(7, Kind.LATE, measured=97.0, delay=3.0, is_shown=True)
    assert display.at(100.0) == display.shown == Shown(7, 97.0)
    assert display.pending is None


def test_a_telegram_without_a_delay_was_written_when_it_arrived() -> None:
    assert Display(CADENCE_S).show(telegram(100.0), Kind.FRESH) == Verdict(7, Kind.FRESH, 100.0, 0.0, is_shown=True)


def test_a_postponed_telegram_is_shown_after_the_quiet_time_and_not_before() -> None:
    display = Display(CADENCE_S)
    display.show(telegram(90.0, token=6), Kind.FRESH)
    verdict = display.postpone(telegram(100.0), delay=2.0)
    assert verdict == Verdict(7, Kind.PENDING, measured=98.0, delay=2.0, is_shown=False)
    ripe = 100.0 + QUIET * CADENCE_S
    assert display.ripe == ripe
    assert display.at(ripe - 0.01) == Shown(6, 90.0)
    assert display.at(ripe) == Shown(7, 98.0)


@pytest.mark.parametrize(("quiet", "cadence_s", "ripe"), [(0.5, None, 105.0), (0.5, 4.0, 102.0), (2.0, 1.0, 102.0)])
def test_the_quiet_time_is_counted_in_cadences(quiet: float, cadence_s: float | None, ripe: float) -> None:
    display = Display(CADENCE_S)
    display.postpone(telegram(100.0), quiet, cadence_s)
    assert display.ripe == ripe


def test_a_pending_telegram_becomes_the_shown_one_only_when_its_moment_has_come() -> None:
    display = Display(CADENCE_S)
    assert not display.ripen(1000.0), "nothing is pending"
    display.postpone(telegram(100.0))
    assert not display.ripen(display.ripe - 0.01)
    assert display.shown is None
    assert display.ripen(display.ripe)
    assert (display.shown, display.pending) == (Shown(7, 100.0), None)
    assert not display.ripen(display.ripe + 100), "it is shown already"


def test_nothing_is_shown_after_a_withdrawal() -> None:
    display = Display(CADENCE_S)
    display.show(telegram(90.0), Kind.FRESH)
    display.postpone(telegram(100.0))
    display.withdraw()
    assert display.at(1000.0) is None


@pytest.mark.parametrize(
    ("gap", "is_first", "kind"),
    [
        (None, False, Kind.PENDING),
        (SHORTEST_GAP * 4 - 0.01, False, Kind.PENDING),
        (SHORTEST_GAP * 4, False, Kind.FRESH),
        (4.0, False, Kind.FRESH),
        (4.0, True, Kind.PENDING),
        (LONGEST_GAP * 4 - 0.01, False, Kind.FRESH),
        (LONGEST_GAP * 4 + 0.01, False, Kind.PENDING),
    ],
)
def test_a_telegram_at_a_given_pace_is_shown_at_once(gap: float | None, is_first: bool, kind: Kind) -> None:
    display = Display(CADENCE_S)
    verdict = display.by_pace(telegram(100.0, is_first=is_first), gap, 4.0)
    assert (verdict.kind, verdict.measured, verdict.delay) == (kind, 100.0, 0.0)
    assert display.ripe == (100.0 + QUIET * 4.0 if kind is Kind.PENDING else 0.0)


@pytest.mark.parametrize(
    ("gap", "is_first", "shortest", "kind"),
    [
        (None, False, SHORTEST_GAP, Kind.PENDING),
        (4.99, False, SHORTEST_GAP, Kind.PENDING),
        (5.0, False, SHORTEST_GAP, Kind.FRESH),
        (5.0, False, 0.75, Kind.PENDING),
        (7.5, False, 0.75, Kind.FRESH),
        (10.0, True, SHORTEST_GAP, Kind.PENDING),
        (16.0, False, SHORTEST_GAP, Kind.FRESH),
        (16.01, False, SHORTEST_GAP, Kind.PENDING),
    ],
)
def test_a_telegram_at_the_meters_own_pace_is_shown_at_once(
    gap: float | None, is_first: bool, shortest: float, kind: Kind
) -> None:
    assert Display(CADENCE_S).by_arrival(telegram(100.0, is_first=is_first), gap, shortest).kind is kind


def test_a_delay_that_is_certain_makes_a_telegram_late_shown_or_pending() -> None:
    display = Display(CADENCE_S)
    assert display.by_arrival(telegram(100.0), 10.0, delay=4.0) == Verdict(7, Kind.LATE, 96.0, 4.0, is_shown=True)
    assert display.by_arrival(telegram(100.0), 30.0, delay=4.0) == Verdict(7, Kind.PENDING, 96.0, 4.0)


@pytest.mark.parametrize(
    ("cadence_s", "clock", "quiet_s"), [(10.0, None, FIRST_QUIET_S), (0.5, None, 0.375), (10.0, CLOCK, 7.5)]
)
def test_the_very_first_telegram_waits_for_a_shorter_time_if_it_has_no_clock(
    cadence_s: float, clock: int | None, quiet_s: float
) -> None:
    display = Display(cadence_s)
    display.by_arrival(telegram(100.0, clock=clock), None)
    assert display.ripe == 100.0 + quiet_s


def shown_from(gaps: list[float], cadence_s: float = CADENCE_S) -> int | None:
    """Return the number of gaps after which a telegram was shown at once; None if none was."""
    display, arrived = Display(cadence_s), 0.0
    for number, gap in enumerate(gaps):
        arrived += gap
        if display.by_arrival(telegram(arrived), gap).is_shown:
            return number
    return None


def test_a_faster_pace_is_followed_after_a_minute_and_seventeen_equal_gaps() -> None:
    assert shown_from([1.0] * 100) == STEADY_S - 1
    assert shown_from([4.0] * 100) == STEADY_TELEGRAMS


def test_a_faster_pace_whose_gaps_differ_too_much_is_not_followed() -> None:
    assert shown_from([2.0, 3.0] * 40) is not None
    assert shown_from([2.0, 3.1] * 40) is None


def test_a_faster_pace_counts_from_the_beginning_after_a_gap_at_the_expected_one() -> None:
    assert shown_from([4.0] * 10 + [4.9, 4.0] * 20) is not None
    display, arrived = Display(CADENCE_S), 0.0
    for number in range(60):
        gap = 10.0 if number % 15 == 14 else 4.0
        arrived += gap
        assert display.by_arrival(telegram(arrived), gap).is_shown is (gap == 10.0)
