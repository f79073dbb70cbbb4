"""Readings are fresh up to their limit, and bytes count as old as they may be."""

from __future__ import annotations

import math

import pytest

from gateway.protocol.freshness import MAX_CATCH_UP_S, NEVER, PAUSE_S, STALL_S, ArrivalClock, fresh_until, is_fresh

START = 1000.0
TICK_S = STALL_S / 4


def test_readings_are_fresh_up_to_their_limit_and_not_after_it() -> None:
    until = fresh_until(START, 5.0)
    for moment in (START, START + 4.9, START + 5.0):
        assert is_fresh(until, moment)
    for moment in (math.nextafter(START + 5.0, math.inf), START + 3600):
        assert not is_fresh(until, moment)


def test_readings_that_do_not_exist_are_never_fresh() -> None:
    assert not is_fresh(NEVER, 0.0)


def run(clock: ArrivalClock, begin: float, end: float) -> None:
    """Signs of life from `begin` to `end`."""
    ticks = int((end - begin) / TICK_S)
    for n in range(ticks + 1):
        clock.tick(begin + n * TICK_S)


def test_bytes_arrive_when_they_are_read_while_the_gateway_is_awake() -> None:
    clock = ArrivalClock(START)
    for second in range(20):
        run(clock, START + second, START + second + 0.9)
        assert clock.date(START + second + 0.9) == START + second + 0.9


def test_a_meter_may_be_silent_for_long_while_the_gateway_is_awake() -> None:
    clock = ArrivalClock(START)
    run(clock, START, START + 600)
    assert clock.date(START + 600.1) == START + 600.1


@pytest.mark.parametrize("stood_still", [STALL_S * 1.01, 5.0, 3600.0])
def test_bytes_read_after_a_standstill_count_as_old_as_the_last_sign_of_life(stood_still: float) -> None:
    clock = ArrivalClock(START)
    clock.tick(START)
    assert clock.date(START + stood_still) == START


def test_a_standstill_is_seen_by_whichever_comes_first_a_tick_or_bytes() -> None:
    clock = ArrivalClock(START)
    clock.tick(START + 60)
    assert clock.date(START + 60.01) == START


def test_the_standstill_counts_from_the_last_bytes_too() -> None:
    clock = ArrivalClock(START)
    assert clock.date(START + 0.7) == START + 0.7
    assert clock.date(START + 30) == START + 0.7


@pytest.mark.parametrize("apart", [PAUSE_S / 2, PAUSE_S * 2, STALL_S * 2])
def test_all_that_is_read_without_a_pause_after_a_standstill_has_waited(apart: float) -> None:
    """However long the telegrams of one read keep the gateway from the next."""
    clock = ArrivalClock(START)
    clock.tick(START)
    woken = START + 60
    for n in range(min(50, int(MAX_CATCH_UP_S / apart))):
        assert clock.date(woken + n * apart) == START
        clock.tick(woken + (n + 0.9) * apart)
        assert clock.is_behind


def test_what_comes_after_a_pause_is_new_again() -> None:
    clock = ArrivalClock(START)
    woken = START + 60
    assert clock.date(woken) == START
    clock.pause()
    later = woken + PAUSE_S
    assert clock.date(later) == later
    assert clock.date(later + 0.01) == later + 0.01


def test_what_comes_well_after_waking_is_new() -> None:
    clock = ArrivalClock(START)
    clock.tick(START + 60)
    assert clock.is_behind
    clock.pause()
    run(clock, START + 60, START + 65)
    assert clock.date(START + 65) == START + 65


def test_a_second_standstill_counts_from_the_waking_before_it() -> None:
    clock = ArrivalClock(START)
    assert clock.date(START + 60) == START
    clock.pause()
    clock.tick(START + 60.01)
    assert clock.date(START + 90) == START + 60.01


def test_bytes_never_come_from_the_future() -> None:
    clock = ArrivalClock(START)
    moment = START
    for step in (0.01, 0.5, 2.0, 0.05, 0.05, 0.3, 40.0, 0.01, 1.0, 1.5) * 5:
        moment += step
        assert clock.date(moment) <= moment


def test_on_a_line_that_never_pauses_the_suspicion_ends() -> None:
    clock = ArrivalClock(START)
    woken, every_s = START + 2.0, 0.05
    dates = [clock.date(woken + n * every_s) for n in range(200)]
    assert dates[0] == START, "the first bytes may have waited all the time"
    assert clock.is_behind is False
    trusted = next(n for n, moment in enumerate(dates) if moment != START)
    assert MAX_CATCH_UP_S <= trusted * every_s <= MAX_CATCH_UP_S + 2 * every_s
    assert dates[trusted:] == [woken + n * every_s for n in range(trusted, 200)]
    # A second standstill is suspected again, and the time for it begins anew.
    assert clock.date(woken + 200 * every_s + 3.0) == woken + 199 * every_s
