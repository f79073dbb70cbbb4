"""A source is reported when it has sent nothing new for two and a half cadences."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.age.repeating_source import NOTHING_NEW, RepeatingSource
from gateway.protocol.p1.age.verdict import Condition, Kind, Verdict

CADENCE_S = 10.0


def after(*noted: tuple[float, Kind, bool]) -> RepeatingSource:
    source = RepeatingSource()
    for arrived, kind, is_shown in noted:
        source.note(arrived, Verdict(1, kind, is_shown=is_shown))
    return source


@pytest.mark.parametrize(
    ("kind", "condition"), [(Kind.REPEAT, Condition.REPEATING), (Kind.REPLAY, Condition.REPLAYING)]
)
def test_nothing_new_for_more_than_two_and_a_half_cadences_is_reported(kind: Kind, condition: Condition) -> None:
    limit = NOTHING_NEW * CADENCE_S
    assert after((100.0, Kind.FRESH, True), (100.0 + limit, kind, False)).condition(CADENCE_S) is None
    assert after((100.0, Kind.FRESH, True), (100.1 + limit, kind, False)).condition(CADENCE_S) is condition


@pytest.mark.parametrize("kind", [Kind.FRESH, Kind.LATE, Kind.PENDING, Kind.WAITING])
def test_any_other_telegram_is_new(kind: Kind) -> None:
    assert after((100.0, Kind.REPLAY, False), (200.0, kind, False), (220.0, Kind.REPEAT, False)).condition(10) is None


@pytest.mark.parametrize("kind", [Kind.REPEAT, Kind.REPLAY])
def test_a_telegram_that_is_shown_is_new(kind: Kind) -> None:
    assert after((200.0, kind, True), (220.0, kind, False)).condition(CADENCE_S) is None


def test_the_newest_telegram_decides_which_of_both_is_reported() -> None:
    both = (100.0, Kind.FRESH, True), (200.0, Kind.REPLAY, False), (201.0, Kind.REPEAT, False)
    assert after(*both).condition(CADENCE_S) is Condition.REPEATING
    assert after(*both[:2]).condition(CADENCE_S) is Condition.REPLAYING


def test_a_source_without_telegrams_does_not_repeat_itself() -> None:
    assert RepeatingSource().condition(CADENCE_S) is None
