"""Meters that send at another pace than their version, or move their clock at another pace than they send."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.age.standing import LONG_STEPS
from gateway.protocol.p1.age.timeline import Timeline
from gateway.protocol.p1.age.verdict import Condition, Kind
from tests.protocol.p1.age.line import Line

CLOCK_S = 10
"""Seconds between two steps of the clock of a meter that sends each second."""
LEARNED_BY = 60
"""Seconds after which the pace of such a clock is known, and its delays too."""


def each_second(line: Line, begin: int, end: int, *, is_idle: bool = False, late_s: float = 0.0) -> list[bool]:
    """Send a telegram each second, with a clock that moves each ten, and return whether it was fresh before each."""
    fresh = []
    for n in range(begin, end):
        fresh.append(line.timeline.is_fresh(0.05 + n + late_s))
        stamp = n // CLOCK_S * CLOCK_S
        line.send(0.1 + n + late_s, stamp, stamp, power=stamp if is_idle else n)
    return fresh


def test_values_that_change_keep_a_meter_fresh_whose_clock_moves_each_ten_seconds() -> None:
    line = Line()
    fresh = each_second(line, 0, 600)
    assert all(fresh[LEARNED_BY:])
    assert line.timeline.condition is Condition.IN_TIME


def test_copies_between_the_steps_of_a_clock_are_as_old_as_their_stamp() -> None:
    line = Line()
    fresh = each_second(line, 0, 600, is_idle=True)
    assert not any(fresh[LEARNED_BY + 6 : LEARNED_BY + 10])
    assert line.timeline.condition is Condition.IN_TIME, "a clock that moves each ten seconds is no repeating source"


def test_with_a_limit_of_fifteen_seconds_such_copies_are_fresh_all_the_time() -> None:
    assert all(each_second(Line(limit=15.0), 0, 600, is_idle=True)[LEARNED_BY:])


def test_a_slow_clock_does_not_hide_that_the_line_held_its_telegrams() -> None:
    line = Line()
    each_second(line, 0, 125)
    for n in range(125, 155):
        line.send(155.0 + 0.01 * n, n // CLOCK_S * CLOCK_S, n // CLOCK_S * CLOCK_S, power=n)
        shown = line.timeline.shown_at(155.0 + 0.01 * n)
        assert shown is not None
        assert shown.measured <= n + 1.5, n


def test_a_slow_clock_does_not_hide_a_late_line() -> None:
    line = Line()
    each_second(line, 0, 120)
    assert not any(each_second(line, 120, 200, late_s=8.0)[10:])


def test_texts_of_one_stamp_that_come_again_are_copies() -> None:
    line = Line()
    each_second(line, 0, 124)
    shown = line.timeline.shown_at(123.1)
    for n in range(30):
        assert line.send(124.1 + n, 120, 120, power=120 + n % 4).kind is Kind.REPEAT
    assert line.timeline.shown_at(153.2) == shown


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_a_clock_that_moves_each_ten_seconds_is_confirmed_after_two_steps_when_it_was_set(step_s: int) -> None:
    line = Line()
    each_second(line, 0, 125)
    fresh = []
    for n in range(125, 300):
        stamp = n // CLOCK_S * CLOCK_S
        fresh.append(line.timeline.is_fresh(0.05 + n))
        line.send(0.1 + n, stamp + step_s, stamp, power=n)
    assert all(fresh[20:])


def test_three_quick_telegrams_shorten_the_cadence_for_a_minute_only() -> None:
    line = Line(10, 35.0)
    line.go_on(20)
    for _ in range(3):
        line.at += 1 - line.cadence
        line.set_clock(1 - line.cadence)
        line.go_on(1)
    assert line.timeline.clock_cadence_s == 1
    line.go_on(LONG_STEPS)
    assert line.timeline.clock_cadence_s == 10


def test_a_fast_meter_with_losses_keeps_its_cadence() -> None:
    line = Line()
    line.timeline = Timeline(10, 35.0)
    line.go_on(20)
    for _ in range(100):
        line.hold(2)
        line.set_clock(2)
        line.go_on(2)
    assert line.timeline.clock_cadence_s == 1


def test_a_lossy_line_is_no_slow_clock() -> None:
    line = Line()
    line.go_on(20)
    for _ in range(60):
        line.hold(9)
        line.set_clock(9)
        line.go_on(1)
    assert line.timeline.clock_cadence_s == 1


def two_ways(line: Line, clock_s: int, end: int, near_until: int, late_s: int, is_lost: range = range(0)) -> list[bool]:
    """Send each second by a near way that ends, and by one that is late, and return whether it was fresh before each.

    The clock moves each `clock_s` seconds. The near way loses the seconds of `is_lost`.
    """
    fresh = []
    for now in range(end + late_s):
        ways = [n for n in (now, now - late_s) if n >= 0]
        if now >= near_until or now in is_lost:
            ways = ways[1:]
        for way, n in enumerate(ways):
            stamp = n // clock_s * clock_s
            line.send(now + 0.1 + 0.1 * way, stamp, power=n)
        fresh.append(line.timeline.is_fresh(now + 0.9))
    return fresh


def test_a_slow_clock_is_known_although_old_telegrams_come_between_from_the_start() -> None:
    line = Line()
    fresh = two_ways(line, CLOCK_S, 400, 200, 13)
    assert any(fresh[100:200])
    assert not any(fresh[206:]), "the late way alone was taken for one in time"


def test_another_text_of_an_old_stamp_is_no_proof_if_the_meter_writes_several() -> None:
    """The near way ended, or lost some, in the middle of a stamp. The late way brings the texts that were missing."""
    for near_until in range(196, 206):
        for lost in (range(0), range(187, 189), range(182, 184)):
            fresh = two_ways(Line(), 5, 400, near_until, 17, lost)
            assert not any(fresh[near_until + 6 :]), (near_until, lost)
