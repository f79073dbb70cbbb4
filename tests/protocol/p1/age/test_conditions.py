"""What a timeline reports for the status of its P1 port, and what ends a doubt."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.age.lateness import CONSTANT_S
from gateway.protocol.p1.age.verdict import Condition, Kind
from tests.protocol.p1.age.line import NOON, Line


def settled(count: int = 40, **more: object) -> Line:
    line = Line()
    line.go_on(count, **more)  # type: ignore[arg-type]
    return line


def with_machine_clock(line: Line, ahead: float, count: int) -> None:
    """Telegrams at the meter's pace, with a machine's clock that is `ahead` of the monotonic one."""
    for _ in range(count):
        line.go_on(1, machine_clock=NOON + line.at + ahead)


def test_a_new_meter_starts_and_is_then_in_time() -> None:
    line = settled(7)
    assert line.timeline.condition is Condition.STARTING
    line.go_on(1)
    assert line.timeline.condition is Condition.IN_TIME


def test_a_meter_without_a_clock_is_followed_by_arrival() -> None:
    line = Line()
    line.clock = None
    line.go_on(20)
    assert line.timeline.condition is Condition.BY_ARRIVAL


def test_a_late_line_may_also_be_a_clock_that_was_set_back() -> None:
    line = settled()
    line.hold(20)
    line.go_on(1)
    assert line.timeline.condition is Condition.LATE_OR_CLOCK_SET
    assert line.timeline.delay_s == pytest.approx(20, abs=0.01)


def test_lateness_ends_with_eight_telegrams_in_time() -> None:
    line = settled()
    line.hold(3)
    line.go_on(10)
    line.hold(-3)
    line.set_clock(4)
    line.at += 4
    line.go_on(7)
    assert line.timeline.condition is Condition.LATE_OR_CLOCK_SET
    line.go_on(1)
    assert line.timeline.condition is Condition.IN_TIME


def test_a_source_that_repeats_itself_is_reported_and_so_is_the_end() -> None:
    line = settled()
    for n in range(4):
        line.send(40.1 + n, 39, line.counter)
    assert line.timeline.condition is Condition.REPEATING
    line.hold(4)
    line.set_clock(4)
    line.go_on(1)
    assert line.timeline.condition is Condition.IN_TIME


def test_a_meter_that_sends_more_often_than_its_clock_moves_does_not_repeat_itself() -> None:
    line = Line(10, 35.0)
    for n in range(200):
        line.send(0.1 + n, n // 10 * 10, n // 10)
        assert line.timeline.condition is not Condition.REPEATING


def test_a_source_that_sends_the_past_is_reported() -> None:
    line = settled()
    for n in range(5):
        line.send(40.1 + n, n, 1001 + n)
    assert line.timeline.condition is Condition.REPLAYING


def test_one_wrong_stamp_is_forgotten() -> None:
    line = settled()
    line.send(39.5, 900, line.counter)
    assert line.timeline.condition is Condition.CLOCK_CHANGED
    line.go_on(1)
    assert line.timeline.condition is Condition.IN_TIME


def test_a_clock_that_changed_is_reported_until_it_is_believed() -> None:
    line = settled()
    line.set_clock(600)
    line.go_on(7)
    assert line.timeline.condition is Condition.CLOCK_CHANGED
    line.go_on(1)
    assert line.timeline.condition is Condition.IN_TIME


def test_a_reconnection_is_due_once_for_a_constant_delay() -> None:
    line = settled()
    line.hold(20)
    line.go_on(int(CONSTANT_S) - 1)
    assert not line.timeline.reconnection_is_due
    line.go_on(3)
    assert line.timeline.reconnection_is_due
    line.timeline.note_reconnection()
    line.go_on(1, connected=True)
    line.go_on(200)
    assert not line.timeline.reconnection_is_due


def test_a_reconnection_by_itself_counts_as_tried() -> None:
    line = settled()
    line.hold(20)
    line.go_on(10)
    line.go_on(1, connected=True)
    line.go_on(200)
    assert not line.timeline.reconnection_is_due


def test_no_reconnection_is_due_for_a_delay_that_grows_or_is_small() -> None:
    line = settled()
    for _ in range(200):
        line.hold(0.1)
        line.go_on(1)
        assert not line.timeline.reconnection_is_due
    line = settled()
    line.hold(2)
    line.go_on(200)
    assert not line.timeline.reconnection_is_due


def test_the_machines_clock_shows_that_a_line_is_late() -> None:
    line = Line()
    with_machine_clock(line, 0.5, 40)
    line.hold(20)
    with_machine_clock(line, 0.5, 30)
    assert line.timeline.condition is Condition.LATE
    assert not line.is_fresh()


def test_the_machines_clock_shows_that_a_clock_was_set_right() -> None:
    line = Line()
    with_machine_clock(line, -4.0, 40)
    line.set_clock(-4)
    line.hold(60)
    line.set_clock(60)
    with_machine_clock(line, -4.0, 8)
    assert line.is_fresh()
    assert line.timeline.delay_s < 1.5


def test_a_clock_that_is_only_nearer_to_the_machines_was_not_set_right() -> None:
    """It was four seconds ahead, and now seems to be two behind: six seconds of delay look like that as well."""
    line = Line()
    with_machine_clock(line, -4.0, 40)
    line.hold(6)
    with_machine_clock(line, -4.0, 30)
    assert line.last.kind is Kind.LATE
    assert not line.is_fresh()


def test_a_machines_clock_that_was_set_proves_nothing() -> None:
    line = Line()
    with_machine_clock(line, -4.0, 40)
    line.hold(2)
    with_machine_clock(line, -2.0, 30)
    assert line.timeline.condition is Condition.LATE_OR_CLOCK_SET
    assert line.last.kind is Kind.LATE


def test_a_clock_that_is_not_synchronised_proves_nothing() -> None:
    line = Line()
    line.is_synchronised = False
    with_machine_clock(line, 0.5, 40)
    line.hold(20)
    with_machine_clock(line, 0.5, 30)
    assert line.timeline.condition is Condition.LATE_OR_CLOCK_SET


def test_the_machine_is_asked_about_its_clock_only_when_telegrams_are_late() -> None:
    line = Line()
    with_machine_clock(line, 0.5, 400)
    assert line.was_asked == 0
    line.hold(20)
    with_machine_clock(line, 0.5, 10)
    assert line.was_asked >= 1


def test_a_clock_far_from_the_machines_proves_nothing() -> None:
    line = Line()
    with_machine_clock(line, -20.0, 40)
    line.hold(20)
    with_machine_clock(line, -20.0, 30)
    assert line.timeline.condition is Condition.LATE_OR_CLOCK_SET
    assert not line.is_fresh()
