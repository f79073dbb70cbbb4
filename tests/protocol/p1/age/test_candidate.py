"""When the telegrams of another clock are believed."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.age.candidate import LONG_S, Run, telegrams_needed


def run_of(count: int, *, gap: float = 1.0, step: int = 1, cadence: float = 1, **more: bool) -> Run:
    run = Run(cadence, telegrams_needed(cadence), **more)
    for n in range(count):
        run.add(n * gap, n * step, n * gap - n * step)
    return run


@pytest.mark.parametrize(("cadence", "needed"), [(1, 8), (2, 8), (5, 4), (10, 2), (60, 2)])
def test_a_slow_clock_is_confirmed_by_fewer_telegrams(cadence: float, needed: int) -> None:
    assert telegrams_needed(cadence) == needed


def test_eight_telegrams_at_its_own_pace_confirm_a_clock() -> None:
    assert not run_of(7).is_confirmed(7)
    assert run_of(8).is_confirmed(8)


def test_a_run_that_spans_too_little_time_is_no_pace() -> None:
    assert not run_of(2, gap=6.9, step=7, cadence=10).is_level
    assert run_of(2, gap=7.1, step=7, cadence=10).is_level


def test_a_run_that_sinks_is_a_backlog() -> None:
    assert not run_of(40, gap=0.8).is_level
    assert run_of(40, gap=0.9).is_level


def test_a_run_goes_on_with_higher_differences_and_ends_with_much_lower_ones() -> None:
    run = run_of(3)
    assert run.fits(3, 0.0)
    assert run.fits(3, 100.0)
    assert run.fits(3, -1.2)
    assert not run.fits(3, -1.3)
    assert not run.fits(2, 0.0)


def test_a_clock_that_went_back_needs_a_proof_or_an_hour() -> None:
    run = run_of(8, is_back=True)
    assert not run.is_confirmed(LONG_S - 1)
    assert run.is_confirmed(LONG_S)
    run.is_proven = True
    assert run.is_confirmed(8)


def test_a_copy_unmasks_a_clock_that_went_back_without_proof() -> None:
    assert run_of(3, is_back=True).is_unmasked_by(500.0, 0)


def test_a_copy_ahead_unmasks_a_clock_with_a_proof_when_it_is_no_chance() -> None:
    run = run_of(3, is_back=True, is_proven=True)
    assert not run.is_unmasked_by(3.0, 3)
    assert run.is_unmasked_by(4.0, 4)


def test_a_copy_elsewhere_says_nothing_of_a_clock_with_a_proof() -> None:
    run = run_of(3, is_back=True, is_proven=True)
    for _ in range(5):
        assert not run.is_unmasked_by(3.0, 1)
        assert not run.is_unmasked_by(500.0, 3)


def test_one_copy_ahead_unmasks_a_clock_that_went_forward() -> None:
    assert run_of(3).is_unmasked_by(3.0, 3)
