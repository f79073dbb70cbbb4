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


REACH_S = 4096


def test_a_stamp_before_the_last_rise_of_a_counter_proves_that_the_clock_was_set() -> None:
    counters = highest()
    counters.accept((5, 7), 100)
    counters.accept((5, 8), 110)
    counters.accept((5, 8), 120)
    assert counters.prove_set((5, 8), 100, REACH_S)
    assert not counters.prove_set((5, 8), 101, REACH_S), "it may be of after the rise"


def test_a_rise_with_the_same_stamp_or_an_older_one_lies_before_that_stamp() -> None:
    for second in (100, 90):
        counters = highest()
        counters.accept((5,), 100)
        counters.accept((6,), second)
        assert counters.prove_set((6,), second - 1, REACH_S)
        assert not counters.prove_set((6,), second, REACH_S)


def test_without_a_rise_only_a_stamp_that_is_old_enough_proves_that_the_clock_was_set() -> None:
    counters = highest()
    counters.accept((5,), 10_000)
    assert not counters.prove_set((5,), 10_000 - REACH_S, REACH_S)
    assert counters.prove_set((5,), 10_000 - REACH_S - 1, REACH_S)


def test_a_rise_that_came_without_a_stamp_proves_nothing() -> None:
    counters = highest()
    counters.accept((5,), 10_000)
    counters.accept((6,))
    assert not counters.prove_set((6,), 9999, REACH_S)
    assert not highest((5,), (6,)).prove_set((6,), 0, REACH_S), "no telegram had a stamp"


def test_a_telegram_that_lacks_a_known_counter_proves_nothing() -> None:
    counters = highest()
    counters.accept((5, 7), 100)
    counters.accept((5, 8), 110)
    assert not counters.prove_set((5, None), 50, REACH_S)
    assert not counters.prove_set((5,), 50, REACH_S)
    assert counters.prove_set((5, 8, 3), 50, REACH_S), "another counter than before is no obstacle"


def test_the_last_rise_is_forgotten_when_the_clock_has_changed() -> None:
    counters = highest()
    counters.accept((5,), 100)
    counters.accept((6,), 110)
    counters.forget_stamps()
    assert not counters.prove_set((6,), 50, REACH_S)
    counters.accept((6,), 20_000)
    assert not counters.prove_set((6,), 19_999, REACH_S)


def test_after_a_fall_no_stamp_proves_that_the_clock_was_set() -> None:
    counters = highest()
    counters.accept((5,), 100)
    counters.accept_fall((3,))
    counters.accept((4,), 110)
    assert not counters.prove_set((4,), 50, REACH_S)


def test_the_values_of_a_shorter_telegram_complete_those_before_in_the_same_order() -> None:
    assert tuple(highest((5, 7, 9), (6, None)).values) == (6, 7, 9)
    assert tuple(highest((5, None), (6, None, 3)).values) == (6, None, 3)


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


def test_a_fall_is_accepted_at_the_number_and_the_pace_that_are_asked_for() -> None:
    for pace_s, is_accepted in ((5.0, True), (10.0, True), (10.1, False)):
        counters = highest((999,))
        taken = [counters.accept_lasting_fall((5 + n,), 100.0 + 10 * n, 2, pace_s) for n in range(4)]
        assert taken == [False, False, False, is_accepted]
    counters = highest((999,))
    assert counters.accept_lasting_fall((5,), 100.0, 0, 10.0), "none is needed"
    assert counters.have_fallen


def test_equal_counters_continue_a_fall() -> None:
    counters = highest((999,))
    assert [counters.accept_lasting_fall((5,), 10.0 * n, 1, 7.0) for n in range(2)] == [False, True]


def test_a_fall_in_a_burst_is_no_lasting_one() -> None:
    counters = HighestCounters()
    counters.accept((9,))
    assert not any(counters.accept_lasting_fall((n,), 10.0 + n / 100, 2, 7.0) for n in range(8))
    assert counters.values == (9,)
