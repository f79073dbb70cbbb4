"""The delay of a line over time: when it ends, when a new connection is worth a try, and what a clock shows."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.age.candidate import NEAR_S, Run
from gateway.protocol.p1.age.lateness import CARRIED_FOR, CONSTANT_S, STEPPED_S, SYNCHRONISED_S, Lateness
from gateway.protocol.p1.age.verdict import LATE_S, Arrival, MachineClock

NOON = 1_700_000_000
NEEDED = 3
AHEAD_S = NOON - 100.0
"""Distance of the machine's clock from the monotonic clock, in seconds."""


def at(
    arrived: float, *, is_first: bool = False, machine_s: float | None = None, is_synchronised: bool = True
) -> Arrival:
    """Return a telegram; `machine_s` is the step of the machine's clock, None without such a clock."""
    machine = None if machine_s is None else MachineClock(AHEAD_S + arrived + machine_s, lambda: is_synchronised)
    return Arrival(1, arrived, None, (), 0, is_first, machine)


def line(*delays: float, needed: int = NEEDED) -> Lateness:
    """Return the lateness after a telegram each second with these delays."""
    lateness = Lateness(needed)
    for second, delay in enumerate(delays):
        lateness.follow(at(100.0 + second), NOON + second, delay)
    return lateness


def test_a_line_is_late_from_one_and_a_half_seconds_on() -> None:
    assert not line(LATE_S - 0.01).is_late
    assert line(LATE_S).is_late
    assert line(0.0, 7.0).delay == 7.0


def test_lateness_ends_with_enough_telegrams_in_time_in_a_row() -> None:
    assert line(9.0, 0.0, 0.0).is_late
    assert not line(9.0, 0.0, 0.0, 0.0).is_late
    assert line(9.0, 0.0, 0.0, 9.0, 0.0, 0.0).is_late


def due_after(delays: list[float]) -> int | None:
    """Return the number of the telegram after which a new connection is due."""
    lateness = Lateness(NEEDED)
    for second, delay in enumerate(delays):
        lateness.follow(at(100.0 + second), NOON + second, delay)
        if lateness.reconnection_is_due:
            return second
    return None


def test_a_new_connection_is_due_after_a_minute_of_the_same_delay() -> None:
    assert due_after([9.0] * 100) == CONSTANT_S
    assert due_after([NEAR_S] * 100) == CONSTANT_S
    assert due_after([NEAR_S - 0.01] * 100) is None


def test_a_delay_that_changed_is_another_one() -> None:
    assert due_after([9.0] * 50 + [9.0 + LATE_S] * 50) == CONSTANT_S
    assert due_after([9.0] * 50 + [9.1 + LATE_S] * 100) == 50 + CONSTANT_S
    assert due_after([9.0] * 50 + [7.4] * 100) == 50 + CONSTANT_S
    assert due_after([9.0] * 50 + [0.0] + [9.0] * 100) == 51 + CONSTANT_S


def test_a_new_connection_is_due_once_until_the_line_is_in_time_again() -> None:
    lateness = line(*[9.0] * 61)
    assert lateness.reconnection_is_due
    lateness.note_reconnection()
    assert not lateness.reconnection_is_due
    for second in range(61, 64):
        lateness.follow(at(100.0 + second), NOON + second, 0.0)
    for second in range(64, 130):
        lateness.follow(at(100.0 + second), NOON + second, 9.0)
    assert lateness.reconnection_is_due


def test_a_connection_that_was_new_by_itself_counts_as_tried() -> None:
    lateness = line(*[9.0] * 30)
    lateness.follow(at(130.0, is_first=True), NOON + 30, 9.0)
    for second in range(31, 100):
        lateness.follow(at(100.0 + second), NOON + second, 9.0)
    assert not lateness.reconnection_is_due


@pytest.mark.parametrize(
    ("delay", "gap", "is_first", "carried"),
    [
        (9.0, 10.0, False, 9.0),
        (LATE_S, 10.0, False, LATE_S),
        (LATE_S - 0.1, 10.0, False, 0.0),
        (9.0, None, False, 0.0),
        (9.0, 10.0, True, 0.0),
        (9.0, 5.0, False, 9.0),
        (9.0, 4.9, False, 0.0),
        (9.0, 10.0 * CARRIED_FOR, False, 9.0),
        (9.0, 10.0 * CARRIED_FOR + 0.1, False, 0.0),
    ],
)
def test_a_late_line_that_goes_on_at_its_pace_is_as_late_on_another_clock(
    delay: float, gap: float | None, is_first: bool, carried: float
) -> None:
    lateness = line(delay)
    assert lateness.carry(at(110.0, is_first=is_first), gap, 10.0, None) == carried
    run = Run(10.0, 2, carry=4.0)
    assert lateness.carry(at(110.0, is_first=is_first), gap, 10.0, run) == (4.0 if carried or delay < LATE_S else 0.0)


# The machine's clock


def with_machine_clock(off_s: float) -> Lateness:
    """Return the lateness of a line in time whose meter's clock is `off_s` seconds behind the machine's."""
    lateness = Lateness(NEEDED)
    lateness.follow(at(100.0, machine_s=off_s), NOON, 0.0)
    return lateness


@pytest.mark.parametrize(
    ("off_s", "delay", "is_certain"),
    [(0.0, 9.0, True), (0.0, LATE_S, False), (2.0, 9.0, True), (-4.0, 6.0, False), (-4.0, 9.6, True)],
)
def test_a_stamp_that_moves_away_from_the_machines_clock_is_late(off_s: float, delay: float, is_certain: bool) -> None:
    """The stamp stays at noon while `delay` seconds pass."""
    lateness = with_machine_clock(off_s)
    lateness.follow(at(100.0 + delay, machine_s=off_s), NOON, delay)
    assert lateness.is_certain is is_certain


@pytest.mark.parametrize(
    ("stepped_s", "is_certain"), [(STEPPED_S, True), (-STEPPED_S, True), (0.51, False), (-0.51, False)]
)
def test_a_machines_clock_that_was_set_proves_nothing(stepped_s: float, is_certain: bool) -> None:
    lateness = with_machine_clock(0.0)
    lateness.follow(at(109.0, machine_s=stepped_s), NOON, 9.0)
    assert lateness.is_certain is is_certain


@pytest.mark.parametrize(
    ("off_s", "is_certain"), [(SYNCHRONISED_S, True), (-SYNCHRONISED_S, True), (5.1, False), (-5.1, False)]
)
def test_a_meters_clock_far_from_the_machines_is_not_compared(off_s: float, is_certain: bool) -> None:
    lateness = with_machine_clock(off_s)
    lateness.follow(at(130.0, machine_s=off_s), NOON, 30.0)
    assert lateness.is_certain is is_certain


def test_without_a_synchronised_clock_nothing_is_certain() -> None:
    lateness = with_machine_clock(0.0)
    lateness.follow(at(109.0, machine_s=0.0, is_synchronised=False), NOON, 9.0)
    assert not lateness.is_certain
    lateness.follow(at(110.0), NOON + 1, 9.0)
    assert not lateness.is_certain


def test_the_newest_telegram_in_time_decides_what_the_machines_clock_was() -> None:
    lateness = with_machine_clock(0.0)
    lateness.follow(at(101.0), NOON + 1, 0.0)
    lateness.follow(at(110.0, machine_s=0.0), NOON + 1, 9.0)
    assert not lateness.is_certain, "that telegram had no machine's clock"


@pytest.mark.parametrize(
    ("off_s", "set_by", "is_corrected"),
    [
        (-4.0, -4, True),
        (4.0, 4, True),
        (-4.0, -3, True),
        (-4.0, -2, False),
        (-4.0, -6, False),
        (-1.5, -1, False),
        (-1.6, -2, False),
        (-1.75, -2, False),
        (-2.0, -2, True),
        (-4.5, -3, False),
    ],
)
def test_a_clock_was_corrected_if_it_was_wrong_before_and_is_not_now(
    off_s: float, set_by: int, is_corrected: bool
) -> None:
    lateness = with_machine_clock(off_s)
    assert lateness.is_corrected(at(101.0, machine_s=off_s), NOON + 1 + set_by) is is_corrected


def test_without_the_machines_clock_nothing_shows_that_a_clock_was_corrected() -> None:
    assert not with_machine_clock(-4.0).is_corrected(at(101.0), NOON - 3)
    assert not Lateness(NEEDED).is_corrected(at(101.0, machine_s=0.0), NOON)
