"""Counters of the past are lower."""

from __future__ import annotations

from gateway.protocol.p1.age.counters import HighestCounters


def highest(*taken: tuple[int | None, ...]) -> HighestCounters:
    counters = HighestCounters()
    for values in taken:
        counters.accept(values)
    return counters


def test_one_lower_counter_is_enough() -> None:
    assert highest((5, 7)).exceed((9, 6))
    assert not highest((5, 7)).exceed((5, 7))
    assert highest((5, 7)).are_exceeded_by((5, 8))
    assert not highest((5, 7)).are_exceeded_by((5, 7))


def test_a_counter_that_is_missing_keeps_its_value() -> None:
    counters = highest((5, 7), (None, 8))
    assert counters.exceed((4, 8))
    assert not counters.exceed((None, 8))
    assert highest((5, 7), (6,)).exceed((6, 6))
    assert highest((5, None), (6, 2)).exceed((6, 1))


def test_a_fall_is_accepted_when_it_lasts() -> None:
    counters = highest((999,))
    assert [counters.accept_lasting_fall((n,), 10.0 * n, 2, 7.0) for n in (5, 6, 7, 8)] == [False, False, False, True]
    assert not counters.exceed((8,))


def test_after_a_fall_only_counters_above_the_old_ones_prove_that_a_telegram_is_new() -> None:
    counters = highest((999, 7))
    counters.accept_fall((5, 8))
    assert not counters.exceed((5, 8))
    assert counters.have_fallen
    assert not counters.are_exceeded_by((998, 8))
    assert not counters.are_exceeded_by((999, None))
    assert counters.are_exceeded_by((1000, 8))
    assert counters.are_exceeded_by((6, 9))
    counters.accept_fall((4, 2))
    assert not counters.are_exceeded_by((999, 8))


def test_a_fall_that_falls_again_or_is_interrupted_counts_from_the_beginning() -> None:
    counters = highest((999,))
    for at, n in enumerate((5, 6, 4, 5, 6)):
        assert not counters.accept_lasting_fall((n,), 10.0 * at, 2, 7.0)
    counters.accept((999,))
    assert not counters.accept_lasting_fall((7,), 70.0, 2, 7.0)


def test_a_fall_in_a_burst_is_no_lasting_one() -> None:
    counters = HighestCounters()
    counters.accept((9,))
    assert not any(counters.accept_lasting_fall((n,), 10.0 + n / 100, 2, 7.0) for n in range(8))
    assert counters.values == (9,)
