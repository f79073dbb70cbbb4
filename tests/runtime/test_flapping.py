"""A state that comes and goes fills no log, and its number of losses is not lost."""

from __future__ import annotations

from gateway.runtime.flapping import FREE_LOSSES, WINDOW_S, Flapping

MINUTE = 60.0


def test_a_few_losses_are_logged_one_by_one() -> None:
    flapping = Flapping()
    assert [flapping.note_loss(number * MINUTE) for number in range(FREE_LOSSES)] == [""] * FREE_LOSSES
    # Hours later, a few more.
    assert [flapping.note_loss(6000 + number * MINUTE) for number in range(FREE_LOSSES)] == [""] * FREE_LOSSES
    assert not flapping.is_damped
    assert flapping.settle(99_999) == ""


def test_many_losses_are_counted_and_logged_now_and_then() -> None:
    flapping = Flapping()
    notes = [flapping.note_loss(number * MINUTE) for number in range(31)]
    assert notes[:3] == ["", "", ""]
    assert notes[3] == " (4 times within 10 minutes; further ones are counted and logged each 10 minutes)"
    assert flapping.is_damped
    logged = {number: note for number, note in enumerate(notes) if note}
    assert logged.keys() == {3, 13, 23}
    assert logged[13] == " (10 times in the last 10 minutes)"
    assert flapping.settle(30 * MINUTE + WINDOW_S - 1) == ""
    assert flapping.settle(30 * MINUTE + WINDOW_S) == "not lost for 10 minutes now, after 31 losses"
    assert not flapping.is_damped
    assert flapping.settle(99_999) == ""
    assert flapping.note_loss(99_999) == ""


def test_a_state_that_is_lost_once_an_hour_is_not_damped() -> None:
    flapping = Flapping()
    assert {flapping.note_loss(number * 60 * MINUTE) for number in range(100)} == {""}
