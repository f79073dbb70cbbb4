"""The rules of a timeline, each by hand."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.age.display import FIRST_QUIET_S, STEADY_S
from gateway.protocol.p1.age.verdict import Kind, Shown
from tests.protocol.p1.age.line import NOON, Line
from tests.protocol.p1.age.scenarios import END_OF_SUMMER_TIME


def settled(cadence: int = 1, limit: float = 5.0, count: int = 40, clock: int = 0, **more: object) -> Line:
    line = Line(cadence, limit)
    line.clock = clock
    line.go_on(count, **more)  # type: ignore[arg-type]
    return line


def kinds(line: Line, *telegrams: tuple[float, int, int, int]) -> list[Kind]:
    return [line.send(*telegram).kind for telegram in telegrams]


# On the track


def test_a_telegram_that_comes_later_than_the_first_one_is_as_old_as_that() -> None:
    line = Line()
    line.send(0.1, 0)
    assert line.send(9.1, 1, 1001).kind is Kind.PENDING
    shown = line.timeline.shown_at(10.0)
    assert shown == Shown(2, pytest.approx(1.1, abs=0.01))
    assert not line.is_fresh(10.0)


def test_telegrams_at_their_own_pace_that_come_later_than_the_first_one_are_as_old_as_that() -> None:
    line = Line()
    line.go_on(3)
    line.hold(8)
    for _ in range(5):
        line.go_on(1)
        assert not line.is_fresh(line.at)


def test_a_telegram_in_time_is_measured_when_it_arrives() -> None:
    line = settled()
    verdict = line.go_on(1)
    assert verdict.kind is Kind.FRESH
    assert verdict.is_shown
    assert verdict.measured == pytest.approx(40.1, abs=0.01)
    assert line.timeline.shown_at(40.1) == Shown(41, verdict.measured)


def test_what_is_shown_is_fresh_up_to_the_limit_and_not_longer() -> None:
    line = settled()
    assert line.is_fresh(44.0)
    assert not line.is_fresh(44.2)


def test_a_late_telegram_is_as_old_as_its_delay() -> None:
    line = settled()
    line.hold(3)
    verdict = line.go_on(1)
    assert verdict.kind is Kind.LATE
    assert verdict.is_shown
    assert verdict.delay == pytest.approx(3, abs=0.01)
    assert line.is_fresh(45.0)
    assert not line.is_fresh(45.2)


def test_a_constant_delay_beyond_the_limit_is_never_fresh() -> None:
    line = settled()
    line.hold(20)
    for _ in range(3000):
        line.go_on(1)
        assert not line.is_fresh()


def test_a_delay_below_a_second_and_a_half_does_not_count_as_late() -> None:
    line = settled()
    line.hold(1.4)
    assert line.go_on(1).kind is Kind.FRESH
    line.hold(0.2)
    assert line.go_on(1).kind is Kind.LATE


@pytest.mark.parametrize("drift", [50e-6, -50e-6])
def test_the_drift_of_two_clocks_is_no_delay(drift: float) -> None:
    line = Line()
    for n in range(100_000):
        line.send(0.1 + n * (1 + drift), n, n)
    assert line.timeline.delay_s < 1.2
    assert line.timeline.is_fresh(0.1 + 99_999 * (1 + drift))


def test_a_better_line_than_ever_lowers_the_base_at_once() -> None:
    line = settled()
    line.at -= 1.0
    assert line.go_on(1).delay == 0
    line.at += 1.0
    assert line.go_on(1).delay == pytest.approx(1.0, abs=0.01)


# Copies and replays


def test_a_repeat_tells_nothing_new() -> None:
    line = settled()
    for n in range(10):
        assert line.send(40.1 + n, 39, line.counter).kind is Kind.REPEAT
    assert line.is_fresh(44.0)
    assert not line.is_fresh(44.2)


def test_a_replay_with_equal_counters_is_recognised_by_its_bytes() -> None:
    line = Line()
    line.go_on(40, rises=0)
    for n in range(20):
        assert line.send(40.1 + n, 10 + n).kind is Kind.REPLAY
    assert not line.is_fresh(45)


def test_a_replay_of_what_was_never_seen_is_recognised_by_its_counters() -> None:
    line = settled()
    for n in range(20):
        assert line.send(40.1 + n, n - 500, 900).kind is Kind.REPLAY


def test_a_replay_of_the_first_time_is_known_after_the_clock_was_set_back() -> None:
    line = settled(rises=0)
    line.set_clock(-20)
    line.go_on(30, power=777, rises=0)
    assert line.is_fresh()
    for n in range(10):
        assert line.send(line.at + n, 25 + n, power=300).kind is Kind.REPLAY


def test_a_copy_ahead_on_a_candidate_unmasks_it_as_old_ground() -> None:
    """One in two of the telegrams was lost the first time, so that only the others are known."""
    line = Line()
    for n in range(0, 40, 2):
        line.send(0.1 + n, n)
    line.go_on(0)
    for n in range(1, 19):
        verdict = line.send(42.1 + n, 10 + n, power=300 if n % 2 == 0 else 9)
        assert verdict.kind in (Kind.REPLAY, Kind.WAITING)
    assert not line.is_fresh(60)


# The same stamp again


def test_other_values_with_the_same_stamp_share_its_moment() -> None:
    line = settled()
    verdict = line.send(40.0, 39, line.counter + 1, 400)
    assert verdict.kind is Kind.REPEAT
    assert verdict.is_shown
    assert verdict.measured == pytest.approx(39.1, abs=0.01)
    assert line.timeline.shown_at(40) == Shown(verdict.token, verdict.measured)


def test_a_clock_that_has_stopped_is_replaced_by_the_time_of_arrival() -> None:
    line = settled()
    for n in range(30):
        line.send(40.1 + n, 39, line.counter + n, 400 + n)
    assert line.is_fresh(69.1)
    assert not line.is_fresh(74.2)


def test_a_clock_that_stood_still_and_goes_on_is_not_late() -> None:
    line = settled()
    for n in range(30):
        line.send(40.1 + n, 39, line.counter + n, 400 + n)
    line.hold(30)
    line.counter += 100
    assert line.go_on(1).kind is Kind.FRESH


def test_a_clock_that_stands_still_from_the_first_telegram_is_followed_when_it_moves() -> None:
    line = Line()
    for second in range(20):
        line.send(0.1 + second, 0, 1000 + second)
    line.at, line.clock, line.counter = 20.1, 1, 1020
    line.go_on(20)
    assert line.last.kind is Kind.FRESH
    assert line.is_fresh()


def test_without_a_clock_the_first_telegram_of_a_connection_waits() -> None:
    line = settled(clock=0)
    line.clock = None
    line.go_on(10)
    assert line.last.kind is Kind.FRESH
    line.go_on(1, connected=True)
    assert line.last.kind is Kind.PENDING
    line.go_on(1)
    assert line.last.kind is Kind.FRESH


def test_a_clock_that_stood_still_while_the_line_held_telegrams_is_late() -> None:
    line = settled()
    for n in range(20):
        line.send(40.1 + n, 39, line.counter + n, 400 + n)
    for n in range(20):
        line.send(90.1 + n, 39, line.counter + 20 + n, 500 + n)
    line.counter += 100
    line.hold(70)
    assert line.go_on(1).kind is Kind.LATE
    assert not line.is_fresh()


# Candidates


@pytest.mark.parametrize("step", [2, 60, 600, 3600, 31_536_000])
@pytest.mark.parametrize("cadence", [1, 10])
def test_a_clock_set_ahead_is_believed_after_a_few_telegrams(step: int, cadence: int) -> None:
    line = settled(cadence, 5.0 if cadence == 1 else 35.0)
    line.set_clock(step * cadence)
    line.go_on(8 if cadence == 1 else 2)
    assert line.is_fresh()
    assert line.timeline.delay_s < 1.5


@pytest.mark.parametrize("step", [-2, -60, -600, -3600, -31_536_000])
@pytest.mark.parametrize("cadence", [1, 10])
def test_a_clock_set_back_is_believed_while_counters_rise(step: int, cadence: int) -> None:
    line = settled(cadence, 5.0 if cadence == 1 else 35.0)
    line.set_clock(step * cadence)
    line.go_on(8 if cadence == 1 else 2)
    assert line.is_fresh()
    assert line.timeline.delay_s < (2.5 if step * cadence == -2 else 1.5)


def test_a_clock_set_back_into_known_stamps_with_other_texts_is_believed() -> None:
    line = settled(rises=0)
    line.set_clock(-10)
    line.go_on(8, power=5000, rises=0)
    assert line.is_fresh()


def test_a_stamp_where_the_meter_wrote_none_proves_a_clock_set_back() -> None:
    line = settled(10, 35.0, rises=0)
    line.set_clock(-33)
    line.go_on(2, rises=0)
    assert line.last.kind is Kind.FRESH


def test_a_telegram_without_counters_is_no_proof() -> None:
    line = settled()
    for n in range(100):
        line.timeline.take(40.1 + n, NOON - 300 + n, "A", (None,), n, False)
    assert not line.is_fresh(139.1)


@pytest.mark.parametrize("before_s", [0, 600, -1200, -3600])
def test_a_wrong_flag_in_the_night_of_the_change_to_winter_needs_no_other_proof(before_s: int) -> None:
    line = settled(rises=0, clock=END_OF_SUMMER_TIME - NOON - before_s - 40)
    line.set_clock(-3600)
    line.go_on(8, rises=0)
    assert line.is_fresh()


@pytest.mark.parametrize("other_s", [-86_400, -7200, -3600, 4 * 3600, 86_400, 7 * 86_400, 180 * 86_400, 365 * 86_400])
def test_the_telegrams_of_an_hour_ago_are_a_replay_at_any_other_time_of_the_year(other_s: int) -> None:
    line = settled(rises=0, clock=END_OF_SUMMER_TIME - NOON + other_s - 40)
    line.set_clock(-3600)
    for _ in range(100):
        line.go_on(1, rises=0)
        assert line.last.kind is Kind.WAITING
    assert not line.is_fresh()


def test_a_clock_set_back_beyond_what_is_remembered_needs_no_other_proof() -> None:
    line = settled(rises=0)
    line.set_clock(-5000)
    line.go_on(8, rises=0)
    assert line.last.kind is Kind.FRESH


@pytest.mark.parametrize("back_s", [300, 3600, 86_400, 365 * 86_400])
def test_a_clock_set_back_to_before_the_last_rise_of_a_counter_needs_no_other_proof(back_s: int) -> None:
    line = settled()
    line.go_on(20, rises=0)
    line.set_clock(-back_s)
    line.go_on(8, rises=0)
    assert line.last.kind is Kind.FRESH


def test_an_hour_and_more_ago_is_a_replay_if_no_counter_has_risen_since() -> None:
    line = settled()
    line.go_on(10_000, rises=0)
    line.set_clock(-5000)
    line.go_on(100, rises=0)
    assert line.last.kind is Kind.WAITING


def test_the_last_rise_before_a_clock_was_set_proves_nothing_on_the_new_clock() -> None:
    """The clock is set back to before the rise, and then telegrams from after the rise come again."""
    line = settled()
    line.go_on(100, rises=0)
    line.set_clock(-5000)
    line.go_on(50, rises=0)
    line.set_clock(-1000)
    line.go_on(100, rises=0)
    assert line.last.kind is Kind.WAITING


def test_stamps_never_seen_with_equal_counters_are_a_replay_until_an_hour_has_passed() -> None:
    line = settled(count=12, rises=0)
    line.set_clock(-4000)
    line.go_on(3590, rises=0)
    assert not line.is_fresh()
    line.go_on(20, rises=0)
    assert line.is_fresh()


def test_one_wrong_stamp_changes_nothing() -> None:
    line = settled()
    assert line.send(40.1, 640, line.counter).kind is Kind.WAITING
    line.hold(1)
    line.set_clock(1)
    assert line.go_on(1).kind is Kind.FRESH


def test_a_backlog_on_a_new_clock_is_not_confirmed() -> None:
    """Sixty seconds come twice as fast as they were written, after the clock was set."""
    line = settled()
    for n in range(60):
        line.counter += 1
        line.send(100.0 + n * 0.5, 3600 + 40 + n, line.counter)
        assert not line.is_fresh(100.0 + n * 0.5)


def test_a_line_that_was_late_stays_late_when_the_clock_is_set() -> None:
    line = settled()
    line.hold(20)
    line.go_on(20)
    line.set_clock(3600)
    line.go_on(30)
    assert line.timeline.delay_s == pytest.approx(20, abs=0.5)
    assert not line.is_fresh()


def test_a_clock_set_in_a_hold_withdraws_what_it_made_look_new() -> None:
    line = settled()
    line.send(70.0, 68, line.counter + 1)
    assert line.is_fresh(70.0)
    line.send(70.01, 3600, line.counter + 2)
    assert line.timeline.shown_at(70.01) is None


def test_a_proven_new_clock_is_not_taken_for_a_late_old_one() -> None:
    """After eight seconds the clock that was set back by six passes where it was."""
    line = settled()
    line.set_clock(-6)
    verdicts = [line.go_on(1) for _ in range(8)]
    assert all(verdict.kind is Kind.WAITING for verdict in verdicts[:7])
    assert verdicts[7].kind is Kind.FRESH


# Without a clock, and the start


def test_a_burst_without_a_clock_is_shown_after_a_quiet_moment() -> None:
    line = Line(10, 35.0)
    line.clock = None
    line.go_on(10)
    for n in range(12):
        assert line.send(220.0 + n * 0.02, None, line.counter + n).kind is Kind.PENDING
    assert line.timeline.next_change == pytest.approx(227.72)
    assert not line.is_fresh(227.7)
    assert line.timeline.pending == 22
    assert line.is_fresh(227.73)
    assert line.timeline.shown_at(227.73) == Shown(22, 220.22)


@pytest.mark.parametrize(("cadence", "limit"), [(1, 5.0), (10, 35.0)])
def test_old_telegrams_without_a_clock_that_come_in_a_burst_are_not_shown(cadence: int, limit: float) -> None:
    """Their counters show that they are old, however many they are."""
    line = Line(cadence, limit)
    line.clock = None
    line.go_on(30)
    for n in range(20):
        line.send(line.at - cadence / 2 + n / 100, None, line.counter - 20 + n)
    shown = line.timeline.shown_at(line.at + cadence / 2)
    assert shown is not None
    assert shown.measured == line.at - cadence


def test_lower_counters_without_a_clock_are_accepted_at_the_meters_pace_and_not_in_a_burst() -> None:
    for gap_s, accepted in ((0.5, 20), (6.9, 20), (7.1, 3)):
        line = Line(10, 35.0)
        line.clock = None
        line.go_on(30)
        sent = [line.send(line.at + gap_s * n, None, 5 + n).kind for n in range(4 if gap_s > 1 else 20)]
        assert [kind is Kind.REPLAY for kind in sent] == [n < accepted for n in range(len(sent))], gap_s


def test_a_telegram_without_a_clock_waits_after_a_connection() -> None:
    line = Line()
    line.clock = None
    line.go_on(10)
    assert line.go_on(1, connected=True).kind is Kind.PENDING
    assert line.go_on(1).kind is Kind.FRESH


def test_what_was_ripe_is_shown_while_the_next_one_is_pending() -> None:
    line = Line()
    line.send(0.0, None)
    assert line.send(3.0, None).kind is Kind.PENDING
    assert line.timeline.shown_at(3.0) == Shown(1, 0.0)


def test_a_clock_that_is_missing_once_is_not_followed_by_arrival() -> None:
    line = settled()
    verdicts = [line.send(40.1 + n, None, line.counter) for n in range(9)]
    assert [verdict.is_shown for verdict in verdicts] == [False] * 7 + [True] * 2
    assert not line.timeline.is_anchored


def test_a_meter_that_is_faster_than_expected_is_followed_once_it_is_steady() -> None:
    line = Line(10, 35.0)
    for n in range(200):
        line.send(n * 1.0, None, n)
        shown = line.timeline.shown_at(n)
        expected = n + 1 if n >= STEADY_S else 1 if n else None
        assert (shown and shown.token) == expected, n


def test_the_first_telegram_is_shown_after_a_quiet_moment() -> None:
    line = Line()
    assert line.go_on(1).kind is Kind.PENDING
    assert not line.is_fresh(0.8)
    assert line.is_fresh(0.9)


def test_the_first_telegram_of_a_meter_without_clock_is_shown_after_a_short_quiet_moment() -> None:
    line = Line(10, 35.0)
    line.send(0.0, None)
    assert line.timeline.shown_at(FIRST_QUIET_S - 0.01) is None
    assert line.timeline.shown_at(FIRST_QUIET_S + 0.01) == Shown(1, 0.0)


def test_a_first_telegram_of_which_copies_follow_is_not_shown() -> None:
    line = Line()
    line.send(0.1, 0)
    for n in range(20):
        assert line.send(0.5 + n, 0).kind is Kind.REPEAT
        assert line.timeline.shown_at(0.5 + n) is None


def test_what_comes_at_once_at_the_start_is_not_shown() -> None:
    line = Line()
    for n in range(15):
        line.send(15.1 + n * 0.01, n, n)
        assert not line.is_fresh(15.1 + n * 0.01)
    line.at, line.clock = 16.1, 16
    line.go_on(10)
    assert line.is_fresh()


def test_a_backlog_that_comes_in_at_the_start_withdraws_what_was_shown() -> None:
    line = Line()
    line.counter = 0
    shown = []
    for n in range(12):
        line.send(60.0 + n * 0.77, n, n)
        shown.append(line.timeline.shown_at(60.0 + n * 0.77) is not None)
    assert shown == [False] + [True] * 5 + [False] * 6


def test_a_clock_that_leaps_ahead_at_the_start_is_shown_after_a_short_quiet_moment() -> None:
    line = Line()
    for n in range(4):
        line.send(60.0 + n, n, n)
    assert line.send(66.0, 1000, 10).kind is Kind.PENDING
    assert line.timeline.shown_at(66.3) is None
    shown = line.timeline.shown_at(66.4)
    assert shown
    assert shown.token == 5


def test_after_ten_telegrams_nothing_is_shown_before_the_clock_is_known() -> None:
    """Two of three telegrams of a backlog are lost, and the others have a quiet moment between them."""
    line = Line()
    for n in range(14):
        line.send(60.0 + n * 1.7, 3 * n, n)
        is_shown = line.timeline.shown_at(61.69 + n * 1.7) is not None
        assert is_shown == (n < 10), n


def test_a_slow_backlog_that_was_taken_for_the_pace_is_found_out() -> None:
    line = Line()
    for n in range(200):
        line.send(60.0 + n * 0.87, n, n)
    assert not line.timeline.is_anchored
    assert line.timeline.shown_at(60.0 + 199 * 0.87) is None


def test_a_clock_is_anchored_after_eight_telegrams_or_at_ten_seconds_after_two() -> None:
    for cadence, needed in ((1, 8), (10, 2)):
        line = Line(cadence)
        line.go_on(needed - 1)
        assert not line.timeline.is_anchored
        line.go_on(1)
        assert line.timeline.is_anchored


def test_a_clock_that_is_faster_than_expected_is_followed_at_its_own_pace() -> None:
    line = Line(1, 35.0)
    timeline = line.timeline = type(line.timeline)(10, 35.0)
    line.go_on(20)
    assert timeline.clock_cadence_s == 1
    assert timeline.is_anchored
    line.hold(60)
    line.go_on(20)
    assert not line.is_fresh()


@pytest.mark.parametrize("settled_for", [3, 40])
@pytest.mark.parametrize("cadence", [1, 10])
def test_a_counter_that_falls_while_the_clock_goes_on_does_not_make_a_telegram_old(
    cadence: int, settled_for: int
) -> None:
    line = settled(cadence, count=settled_for)
    line.counter = 5
    assert [line.go_on(1).kind for _ in range(20)] == [Kind.FRESH] * 20


def test_lower_counters_are_a_replay_if_the_clock_goes_back_to_other_texts() -> None:
    """The clock was set back before; the stamps that follow were used by telegrams with higher counters."""
    line = settled()
    line.set_clock(-30)
    line.go_on(8)
    line.counter -= 40
    assert [line.go_on(1).kind for _ in range(10)] == [Kind.REPLAY] * 10
    assert [line.go_on(1).kind for _ in range(10)][-1] is Kind.FRESH


def test_lower_counters_of_a_late_telegram_are_a_replay() -> None:
    line = settled()
    line.hold(3)
    line.counter = 5
    assert [line.go_on(1).kind for _ in range(40)] == [Kind.REPLAY] * 40


def test_lower_counters_on_a_clock_that_stands_still_are_believed_when_they_last() -> None:
    line = settled()
    for n in range(60):
        line.send(40.1 + n, 39, 5 + n if n > 20 else line.counter + n, 400 + n)
    assert line.last.kind is Kind.FRESH


def test_after_a_fall_the_telegrams_of_a_day_ago_are_still_a_replay() -> None:
    line = settled(rises=0)
    line.counter = 5
    line.go_on(10, rises=0)
    line.set_clock(-86_400)
    line.counter = 900
    assert [line.go_on(1).kind for _ in range(30)] == [Kind.WAITING] * 30


# Two meters


def test_another_meter_is_not_mixed_in_while_the_first_goes_on() -> None:
    line = settled()
    for n in range(60):
        line.go_on(1)
        verdict = line.send(line.at - 0.5, n - 50_000, 77 + n, meter="B")
        assert verdict.kind is Kind.OTHER_METER
        assert not verdict.is_shown
    assert line.timeline.identity == "A"
    assert line.timeline.other_meter(line.at) == "B"


def test_another_meter_takes_over_when_the_first_is_silent_and_stale() -> None:
    line = settled()
    taken = [line.send(40.2 + n, n, 5 + n, meter="B").kind for n in range(8)]
    assert taken[:4] == [Kind.OTHER_METER] * 4
    assert taken[5:] == [Kind.FRESH] * 3
    assert line.timeline.identity == "B"
    assert line.timeline.other_meter(47) is None


def test_a_third_meter_replaces_the_second() -> None:
    line = settled()
    line.send(39.5, 0, meter="B")
    line.send(39.6, 0, meter="C")
    assert line.timeline.other_meter(39.6) == "C"


def test_a_meter_whose_telegrams_come_too_late_is_not_silent() -> None:
    line = settled()
    line.hold(20)
    for _ in range(10):
        line.go_on(1)
        verdict = line.send(line.at - 0.5, line.clock, 77, meter="B")
        assert verdict.kind is Kind.OTHER_METER
    assert line.timeline.identity == "A"


def test_another_meter_is_reported_until_it_is_silent() -> None:
    line = settled(limit=60.0)
    line.send(64.0, 64, 77, meter="B")
    assert line.timeline.other_meter(64.0 + 60.0) == "B"
    assert line.timeline.other_meter(64.0 + 60.5) is None
