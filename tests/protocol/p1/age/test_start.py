"""The first telegrams of a meter, which are shown before its clock is known."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.age.display import LONGEST_GAP, QUIET, Display
from gateway.protocol.p1.age.start import LEAP_S, QUIET_AFTER_JUMP, SHOWN_AT_MOST, SINKS_S, Start
from gateway.protocol.p1.age.verdict import LATE_S, Arrival, Kind, Verdict

NOON = 1_700_000_000
Sent = tuple[float, int]
"""Arrival of a telegram, and its stamp, counted from noon."""


class Meter:
    """Sends telegrams to the start of a meter, which has no other part."""

    def __init__(self, cadence_s: float = 1.0, *, has_sunk: bool = False) -> None:
        self.start = Start(cadence_s, has_sunk)
        self.display = Display(cadence_s)
        self._token = 0
        self._arrived: float | None = None

    def send(self, arrived: float, clock: int) -> Verdict:
        self._token += 1
        gap = None if self._arrived is None else arrived - self._arrived
        self._arrived = arrived
        item = Arrival(self._token, arrived, NOON + clock, (), 0, False, None)
        verdict = self.start.take(item, NOON + clock, gap, self.display)
        assert verdict.token == self._token
        return verdict

    def kinds(self, *sent: Sent) -> list[Kind]:
        return [self.send(*each).kind for each in sent]


def test_the_first_telegram_waits_and_those_at_the_meters_pace_are_shown() -> None:
    meter = Meter()
    assert meter.kinds((0.1, 0), (1.1, 1), (2.1, 2)) == [Kind.PENDING, Kind.FRESH, Kind.FRESH]
    assert meter.display.at(2.1)
    assert meter.start.accepted_last


@pytest.mark.parametrize(("gap", "kind"), [(0.74, Kind.PENDING), (0.75, Kind.FRESH)])
def test_a_gap_of_less_than_three_quarters_of_a_step_is_a_burst(gap: float, kind: Kind) -> None:
    assert Meter().kinds((1.0, 0), (1.0 + gap, 1))[1] is kind


@pytest.mark.parametrize(("gap", "kind"), [(4.9, Kind.PENDING), (5.0, Kind.FRESH)])
def test_a_clock_that_moves_in_smaller_steps_than_expected_may_send_faster(gap: float, kind: Kind) -> None:
    assert Meter(10.0).kinds((10.0, 0), (10.0 + gap, 5))[1] is kind


@pytest.mark.parametrize(("late_s", "kind"), [(LATE_S - 0.125, Kind.FRESH), (LATE_S, Kind.LATE)])
def test_a_telegram_that_came_later_than_an_earlier_one_has_a_delay(late_s: float, kind: Kind) -> None:
    meter = Meter(10.0)
    meter.kinds((0.0, 0), (10.0, 10))
    verdict = meter.send(20.0 + late_s, 20)
    assert (verdict.kind, verdict.delay) == (kind, late_s if kind is Kind.LATE else 0.0)


def test_the_delay_counts_from_the_earliest_telegram() -> None:
    meter = Meter(10.0)
    meter.kinds((8.0, 0), (16.8, 10), (28.0, 20))
    assert meter.send(38.5, 30).delay == pytest.approx(1.7)


def test_another_text_of_the_same_stamp_is_a_repeat() -> None:
    meter = Meter()
    meter.kinds((0.1, 0), (1.1, 1))
    assert meter.send(1.5, 1) == Verdict(3, Kind.REPEAT)
    assert not meter.start.accepted_last
    assert meter.send(2.1, 2).kind is Kind.PENDING


def test_a_stamp_of_the_past_is_a_replay_until_as_many_come_as_confirm_a_clock() -> None:
    meter = Meter(10.0)
    meter.kinds((0.0, 500), (10.0, 510))
    assert meter.send(20.0, 0) == Verdict(3, Kind.REPLAY)
    assert not meter.start.accepted_last
    assert meter.send(30.0, 10).kind is not Kind.REPLAY
    assert meter.start.accepted_last
    assert meter.start.run.newest == NOON + 10


def test_copies_of_one_old_stamp_count_once() -> None:
    meter = Meter(10.0)
    meter.kinds((0.0, 500), (10.0, 510))
    assert meter.kinds((20.0, 0), (30.0, 0), (40.0, 0)) == [Kind.REPLAY] * 3
    assert meter.send(50.0, 10).kind is not Kind.REPLAY


@pytest.mark.parametrize("newest", [(25.0, 510), (25.0, 520)])
def test_a_newer_telegram_or_one_of_the_newest_stamp_shows_that_old_ones_come_too(newest: Sent) -> None:
    meter = Meter(10.0)
    meter.kinds((0.0, 500), (10.0, 510))
    assert meter.kinds((20.0, 0), newest, (30.0, 10))[::2] == [Kind.REPLAY, Kind.REPLAY]


def test_a_clock_of_one_second_needs_eight_old_stamps() -> None:
    meter = Meter()
    meter.kinds((0.1, 500), (1.1, 501))
    taken = meter.kinds(*((2.1 + n, n) for n in range(8)))
    assert taken[:7] == [Kind.REPLAY] * 7
    assert taken[7] is not Kind.REPLAY


@pytest.mark.parametrize(("fall_s", "is_sinking"), [(SINKS_S - 0.05, False), (SINKS_S + 0.05, True)])
def test_a_fall_of_the_difference_shows_a_backlog(fall_s: float, is_sinking: bool) -> None:
    meter = Meter(10.0)
    meter.kinds((0.0, 0), (10.0, 10))
    verdict = meter.send(20.0 - fall_s, 20)
    assert (verdict.kind is Kind.PENDING) is is_sinking
    assert (meter.display.shown is None) is is_sinking
    if is_sinking:
        assert meter.display.ripe == pytest.approx(20.0 - fall_s + LONGEST_GAP * 10)


def test_the_fall_counts_from_the_highest_of_the_last_telegrams() -> None:
    meter = Meter(10.0)
    assert meter.kinds((0.0, 0), (10.0, 10), (19.2, 20), (28.6, 30))[3] is Kind.PENDING
    assert Meter(10.0).kinds((1.4, 0), (10.8, 10), (20.4, 20), (30.0, 30))[3] is Kind.FRESH, "of the last two of them"


@pytest.mark.parametrize(
    ("leap_s", "quiet", "then"),
    [(LEAP_S - 1, LONGEST_GAP, Kind.PENDING), (LEAP_S + 1, QUIET_AFTER_JUMP, Kind.FRESH)],
)
def test_a_leap_of_the_clock_at_the_start_is_shown_after_a_short_quiet_moment(
    leap_s: float, quiet: float, then: Kind
) -> None:
    meter = Meter()
    meter.kinds(*((100.1 + n, n) for n in range(4)))
    verdict = meter.send(104.1, 4 + int(leap_s))
    assert verdict.kind is Kind.PENDING
    assert meter.display.shown is None
    assert meter.display.ripe == pytest.approx(104.1 + quiet)
    assert meter.send(105.1, 5 + int(leap_s)).kind is then


def test_after_ten_telegrams_nothing_more_is_shown() -> None:
    meter = Meter()
    taken = meter.kinds(*((0.1 + n, n) for n in range(SHOWN_AT_MOST + 3)))
    assert taken == [Kind.PENDING, *[Kind.FRESH] * 9, *[Kind.WAITING] * 3]
    assert meter.display.at(100.0) is None


def test_after_a_backlog_that_was_taken_for_the_pace_nothing_is_shown_and_twice_as_many_are_needed() -> None:
    meter = Meter(10.0, has_sunk=True)
    for n, is_level in enumerate((False, False, False, True)):
        assert meter.send(10.0 * n, 10 * n).kind is Kind.WAITING
        assert meter.start.run.is_level is is_level
    assert meter.display.at(1000.0) is None


def test_a_difference_that_falls_far_begins_another_run() -> None:
    meter = Meter(10.0)
    meter.kinds((0.0, 0), (10.0, 10), (15.0, 20))
    assert not meter.start.run.is_level
    assert meter.start.run.lowest == -5.0 - NOON
    assert meter.send(25.0, 30).kind is Kind.PENDING
    assert meter.start.run.is_level


@pytest.mark.parametrize(
    ("sent", "is_continued"),
    [((12.1, 12), True), ((13.5, 12), True), ((13.7, 12), False), ((10.95, 12), True), ((12.1, 11), False)],
)
def test_the_first_telegrams_go_on_at_their_own_pace(sent: Sent, is_continued: bool) -> None:
    meter = Meter()
    meter.kinds(*((0.1 + n, n) for n in range(12)))
    assert meter.start.is_continued_by(sent[0], NOON + sent[1]) is is_continued


def test_the_quiet_time_of_the_first_telegram_is_that_of_any_other() -> None:
    meter = Meter(10.0)
    meter.send(5.0, 0)
    assert meter.display.ripe == 5.0 + QUIET * 10
