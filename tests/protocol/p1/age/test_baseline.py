"""The smallest difference of a line, and how far it may fall before it was that of a backlog."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.age.baseline import DRIFT, SINKS_PER_S, Baseline
from gateway.protocol.p1.age.candidate import LEVEL_FAST_S, LEVEL_SLOW_S
from gateway.protocol.p1.age.verdict import LATE_S

FAST, SLOW = 8, 2
"""Numbers of telegrams that confirm a clock."""


def test_a_delay_is_the_distance_from_the_smallest_difference() -> None:
    base = Baseline(-5.0, FAST)
    assert base.delay_of(-3.0) == 2.0
    assert base.delay_of(-6.0) == -1.0
    base.follow(-4.0)
    assert base.value == -5.0, "a later telegram does not raise it"
    base.follow(-6.0)
    assert base.value == -6.0


def test_the_base_rises_with_the_largest_drift_of_two_clocks() -> None:
    base = Baseline(10.0, FAST)
    base.rise(1000.0)
    assert base.value == 10.0 + 1000 * DRIFT


@pytest.mark.parametrize(("needed", "counts_at_most"), [(FAST, LEVEL_FAST_S / 2), (SLOW, LEVEL_SLOW_S / 2)])
def test_one_fall_counts_up_to_a_limit_and_several_show_a_backlog(needed: int, counts_at_most: float) -> None:
    falls = int(LATE_S / counts_at_most)
    base = Baseline(0.0, needed)
    for number in range(1, falls + 1):
        base.follow(-100.0 * number)
        assert not base.keeps_sinking
    base.follow(-100.0 * (falls + 1))
    assert base.keeps_sinking


def test_falls_of_a_second_and_a_half_are_jitter_and_more_are_not() -> None:
    base = Baseline(0.0, SLOW)
    for number in range(1, 7):
        base.follow(-0.25 * number)
    assert not base.keeps_sinking
    base.follow(-1.75)
    assert base.keeps_sinking


def test_falls_that_are_slower_than_a_backlog_do_not_add_up() -> None:
    base = Baseline(0.0, SLOW)
    for number in range(1, 41):
        base.rise(0.25 / SINKS_PER_S)
        base.follow(base.value - 0.25)
        assert not base.keeps_sinking, number
    base.rise(1_000_000.0)
    for _ in range(7):
        assert not base.keeps_sinking
        base.follow(base.value - 0.25)
    assert base.keeps_sinking, "a long time without a fall gives no credit"
