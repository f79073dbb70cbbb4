"""A clock that stands still, and the pace of one that moves, by its stamps and arrivals alone."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.age.standing import (
    FASTEST_S,
    HOLD,
    LONG_STEPS,
    REPEATED_STEPS,
    SHORT_STEPS,
    SLOWEST_S,
    ClockSteps,
    SameStamp,
    SharedStamps,
    StandingClock,
)

NOON = 1_700_000_000


def cadences(usual_s: float, cadence_s: float, steps: list[int], stood_s: float = 0.0) -> list[float | None]:
    """Return what each stamp after the first one shows."""
    clock = ClockSteps(usual_s)
    stamps = [NOON]
    for step in steps:
        stamps.append(stamps[-1] + step)
    found = [clock.follow(stamp, cadence_s, stood_s) for stamp in stamps]
    assert found[0] is None
    return found[1:]


# Steps of a clock


def test_three_short_steps_in_a_row_show_a_faster_clock() -> None:
    assert SHORT_STEPS == 3
    assert cadences(10, 10, [1, 1, 1]) == [None, None, 1.0]
    assert cadences(10, 10, [1, 3, 2]) == [None, None, 3.0], "a lost telegram makes a step longer, not shorter"
    assert cadences(10, 10, [1, 1, 8, 1, 1, 1]) == [None, None, None, None, None, 1.0]


@pytest.mark.parametrize(("step", "is_short"), [(6, True), (7, False)])
def test_a_step_of_less_than_two_thirds_of_the_cadence_is_short(step: int, is_short: bool) -> None:
    assert (cadences(10, 10, [step] * 3)[-1] is not None) is is_short


def test_steps_of_a_clock_that_stands_or_goes_back_show_no_faster_one() -> None:
    assert cadences(10, 10, [0] * 20) == [None] * 20
    assert cadences(10, 10, [-1] * 20) == [None] * 20


def test_six_long_steps_in_a_row_show_that_a_clock_has_its_usual_pace_again() -> None:
    assert LONG_STEPS == 6
    assert cadences(10, 1, [10] * 6) == [None] * 5 + [10.0]
    assert cadences(10, 1, [10, 10, 10, 1, 10, 10, 10]) == [None] * 7, "the first three do not count any more"
    assert cadences(10, 1, [3, 4, 4, 5, 4, 4]) == [None] * 5 + [3.0], "the smallest of them, while it is a faster pace"
    assert cadences(10, 1, [7, 8, 9, 7, 8, 9]) == [None] * 5 + [10.0]


def test_three_repeated_steps_show_a_clock_that_is_slower_than_the_meter_sends() -> None:
    assert REPEATED_STEPS == 3
    assert cadences(1, 1, [10, 10, 10], stood_s=9.0) == [None, None, 10.0]
    assert cadences(1, 1, [10, 10, 10], stood_s=5.0) == [None, None, 10.0], "telegrams fill half of the step"
    assert cadences(1, 1, [10, 10, 10], stood_s=4.9) == [None] * 3, "it may be a line that loses telegrams"
    assert cadences(1, 1, [5, 10, 5], stood_s=9.0) == [None] * 3, "its steps differ too much"
    assert cadences(6.5, 6.5, [10, 10, 10], stood_s=9.0)[-1] == 10.0
    assert cadences(6.6, 6.6, [10, 10, 10], stood_s=9.0)[-1] is None, "it is less than half as long again"


@pytest.mark.parametrize(("step", "is_clock"), [(11, True), (12, False)])
def test_a_clock_that_moves_has_a_step_in_eleven_seconds(step: int, is_clock: bool) -> None:
    assert step <= SLOWEST_S or not is_clock
    assert (cadences(1, 1, [step] * 3, stood_s=20.0)[-1] is not None) is is_clock


# Texts of one stamp


def test_each_other_text_of_a_stamp_is_a_second_newer_within_the_cadence() -> None:
    same = SameStamp()
    same.begin(1)
    assert [same.measured(text, 100.0, 3.0) for text in (2, 3, 4, 5)] == [101.0, 102.0, 102.0, 102.0]
    assert same.holds(1)
    assert same.holds(3)
    assert not same.holds(4), "the meter cannot have written so many"


def test_a_text_that_comes_again_is_no_newer() -> None:
    same = SameStamp()
    same.begin(1)
    assert [same.measured(text, 100.0, 10.0) for text in (2, 2, 1, 3)] == [101.0, 101.0, 101.0, 102.0]


def test_the_moment_of_a_stamp_is_that_of_its_first_telegram() -> None:
    same = SameStamp()
    same.begin(1)
    same.measured(2, 100.0, 10.0)
    assert same.measured(3, 101.0, 10.0) == 102.0
    same.begin(4)
    assert not same.holds(1)
    assert same.measured(5, 200.0, 10.0) == 200.0 + FASTEST_S


# Stamps that are shared by several texts


def test_two_of_the_last_sixteen_stamps_with_several_texts_are_a_habit() -> None:
    shared = SharedStamps()
    shared.begin()
    shared.note()
    shared.note()
    assert not shared.are_usual, "one stamp may be a clock that was set back"
    for _ in range(15):
        shared.begin()
    shared.note()
    assert shared.are_usual
    shared.begin()
    assert not shared.are_usual, "the first one is forgotten"


# A clock that stands


def stand(needed: int, gaps: list[float], cadence_s: float = 1.0) -> StandingClock:
    clock = StandingClock(cadence_s, needed)
    at = 100.0
    clock.begin(at)
    for gap in gaps:
        at += gap
        clock.add(at)
    return clock


def test_a_clock_stands_after_enough_telegrams_and_more_than_eleven_and_a_half_seconds() -> None:
    assert stand(8, [1.0] * 12).is_standing
    assert not stand(8, [1.0] * 11).is_standing
    assert not stand(13, [1.0] * 12).is_standing
    assert stand(12, [1.0] * 12).is_standing
    assert not stand(1, [2.3] * 5).is_standing, "it is 11.5 s"


def test_the_time_in_which_the_line_held_telegrams_does_not_count() -> None:
    clock = stand(3, [1.0, HOLD + 10.0, 1.0])
    assert clock.held_s == pytest.approx(HOLD + 9.0)
    assert clock.stood_s == pytest.approx(HOLD + 12.0)
    assert not clock.is_standing
    assert stand(3, [1.0, HOLD, 1.0]).held_s == 0, "one telegram was lost"


def test_a_copy_shows_that_the_line_was_open_and_nothing_else() -> None:
    clock = stand(1, [])
    for n in range(1, 30):
        clock.note_copy(100.0 + n)
    assert (clock.stood_s, clock.held_s, clock.is_standing) == (29.0, 0.0, False)
    clock.add(130.0)
    assert clock.is_standing


def test_another_stamp_ends_it() -> None:
    clock = stand(3, [1.0, 8.0, 1.0, 1.0, 1.0, 1.0, 1.0, 8.0])
    assert clock.held_s
    clock.begin(200.0)
    assert (clock.stood_s, clock.held_s, clock.is_standing) == (0.0, 0.0, False)


def test_the_pace_of_telegrams_is_that_of_the_last_stamp_if_they_filled_half_of_it() -> None:
    clock = stand(2, [2.5, 2.5], cadence_s=10.0)
    assert clock.pace_s == 10.0
    clock.begin(110.0)
    assert clock.pace_s == 2.5
    clock.add(114.9)
    clock.begin(120.0)
    assert clock.pace_s == 10.0, "they filled less than half"
    for n in range(1, 20):
        clock.add(120.0 + n / 2)
    clock.begin(130.0)
    assert clock.pace_s == FASTEST_S, "no meter writes faster"
    clock.begin(140.0)
    assert clock.pace_s == 10.0, "there was one telegram"


def test_a_meter_that_usually_sends_several_telegrams_of_one_stamp_needs_more_of_them() -> None:
    clock = stand(2, [1.0] * 9, cadence_s=10.0)
    clock.begin(110.0)
    taken = []
    for n in range(1, 14):
        clock.add(110.0 + n)
        taken.append(clock.is_standing)
    assert taken == [False] * 11 + [True] * 2, "nine are usual, 0.1 less for each step, and two are needed"


def test_telegrams_of_a_clock_that_stood_are_not_usual() -> None:
    clock = stand(2, [1.0] * 40)
    clock.begin(200.0)
    for n in range(1, 13):
        clock.add(200.0 + n)
    assert clock.is_standing
