"""Which texts are remembered, for how long, and in how much memory."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.age.text_memory import REACH_S, Seen, TextMemory

NOON = 1_700_000_000


def remembered(cadence: int, *telegrams: tuple[int, int]) -> TextMemory:
    memory = TextMemory(cadence)
    for clock, text in telegrams:
        memory.remember(NOON + clock, text)
    return memory


@pytest.mark.parametrize("cadence", [1, 10])
def test_the_same_bytes_are_a_copy(cadence: int) -> None:
    memory = remembered(cadence, (0, 5))
    assert memory.look_up(NOON, 5) is Seen.COPY
    assert memory.look_up(NOON, 6) is Seen.REUSED
    assert memory.look_up(NOON + cadence, 5) is Seen.NEVER


def test_the_two_newest_texts_of_a_stamp_are_known() -> None:
    memory = remembered(1, (0, 5), (0, 6))
    assert [memory.look_up(NOON, text) for text in (5, 6, 7)] == [Seen.COPY, Seen.COPY, Seen.REUSED]


def test_a_stamp_with_more_texts_than_are_kept_proves_nothing() -> None:
    memory = remembered(1, (0, 5), (0, 6), (0, 7))
    assert memory.look_up(NOON, 5) is Seen.CROWDED
    assert memory.look_up(NOON, 7) is Seen.COPY


@pytest.mark.parametrize(("cadence", "reach"), [(1, REACH_S), (10, 5120)])
def test_what_is_older_than_the_ring_makes_room(cadence: int, reach: int) -> None:
    memory = remembered(cadence, (0, 5), (reach - cadence, 6))
    assert memory.look_up(NOON, 5) is Seen.COPY
    memory.remember(NOON + reach, 7)
    assert memory.look_up(NOON, 5) is Seen.NEVER


def test_texts_are_compared_by_32_bits() -> None:
    memory = remembered(1, (0, (1 << 63) + 5))
    assert memory.look_up(NOON, (1 << 63) + 5) is Seen.COPY


def test_a_stamp_between_two_neighbours_is_recognised_at_ten_seconds_alone() -> None:
    memory = remembered(10, (0, 1), (10, 2), (30, 3))
    assert memory.is_between(NOON + 3)
    assert not memory.is_between(NOON + 10)
    assert not memory.is_between(NOON + 20)
    assert not memory.is_between(NOON + 33)
    assert not remembered(1, (0, 1), (2, 2)).is_between(NOON + 1)


@pytest.mark.parametrize(
    ("stamps", "clock", "is_between"),
    [
        ((9, 19), 11, True),
        ((9, 19), 18, True),
        ((9, 19), 9, False),
        ((1, 13), 12, True),
        ((1, 14), 12, False),
        ((8, 20), 15, True),
        ((8, 21), 15, False),
        ((9,), 11, False),
        ((19,), 11, False),
    ],
)
def test_neighbours_are_at_most_twelve_seconds_apart(stamps: tuple[int, ...], clock: int, is_between: bool) -> None:
    memory = remembered(10, *((stamp, stamp) for stamp in stamps))
    assert memory.is_between(NOON + clock) is is_between


def test_a_text_of_another_turn_of_the_ring_is_not_taken_for_one_of_this_turn() -> None:
    for cadence, slots, seconds in ((1, 4096, 1), (10, 512, 10)):
        memory = remembered(cadence, (0, 5))
        assert memory.look_up(NOON + slots * seconds, 5) is Seen.NEVER
        assert memory.look_up(NOON - slots * seconds, 5) is Seen.NEVER
        turns = 0x7FFF * slots * seconds
        assert memory.look_up(NOON + turns, 5) is Seen.COPY, "after four years the turns begin again"
        memory.remember(NOON + slots * seconds, 5)
        memory.remember(NOON + slots * seconds, 6)
        assert memory.look_up(NOON + slots * seconds, 7) is Seen.REUSED


def test_a_slot_of_ten_seconds_holds_one_stamp() -> None:
    memory = remembered(10, (3, 5))
    assert memory.look_up(NOON + 3, 5) is Seen.COPY
    assert memory.look_up(NOON + 4, 5) is Seen.NEVER
    memory.remember(NOON + 4, 5)
    assert memory.look_up(NOON + 3, 5) is Seen.NEVER
    assert memory.look_up(NOON + 4, 6) is Seen.REUSED


@pytest.mark.parametrize(("cadence", "limit", "limit_of_two"), [(1, 25_000, 42_000), (10, 4_000, 6_000)])
def test_a_meter_takes_less_than_50_kb_and_little_more_than_half_while_its_stamps_are_new(
    cadence: int, limit: int, limit_of_two: int
) -> None:
    memory = remembered(cadence, (0, 1), (cadence, 2))
    assert memory.size_bytes < limit
    memory.remember(NOON, 3)
    assert limit < memory.size_bytes < limit_of_two


def test_texts_that_came_before_the_first_second_one_stay_known() -> None:
    memory = remembered(1, (0, 1), (1, 2), (0, 3))
    assert [memory.look_up(NOON, text) for text in (1, 3, 2)] == [Seen.COPY, Seen.COPY, Seen.REUSED]
    assert memory.look_up(NOON + 1, 2) is Seen.COPY
    memory.remember(NOON + 1, 4)
    assert memory.look_up(NOON + 1, 5) is Seen.REUSED


def test_an_empty_slot_matches_nothing() -> None:
    memory = TextMemory(1)
    assert all(memory.look_up(clock, 0) is Seen.NEVER for clock in range(978_307_200, 978_307_200 + 20_000))
