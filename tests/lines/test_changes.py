"""Which responses of a polled device are new telegrams: one that is old is never taken for new."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lines.changes import FASTEST_POLL_S, SLOWEST_POLL_S, SPARE_S, Changes, Pace, poll_for

POLL_S = 0.25
SECONDS = st.floats(0, 5)


@given(
    telegrams=st.lists(st.tuples(SECONDS, st.integers(0, 3)), min_size=1, max_size=20),
    polls=st.lists(st.tuples(SECONDS, SECONDS, SECONDS), min_size=1, max_size=40),
)
def test_a_telegram_that_is_taken_came_to_the_device_a_moment_ago(
    telegrams: list[tuple[float, int]], polls: list[tuple[float, float, float]]
) -> None:
    came, history = 0.0, []
    for gap, text in telegrams:
        came += gap
        if not history or history[-1][1] != text:
            history.append((came, text))
    changes, moment = Changes(), history[0][0]
    for pause, up, down in polls:
        asked = moment + pause
        looked = asked + up
        moment = looked + down
        since, text = max(each for each in history if each[0] <= looked)
        if changes.take(b"%d" % text, asked, moment, POLL_S):
            assert moment - since <= POLL_S + SPARE_S


@given(st.lists(SECONDS, max_size=20))
def test_a_device_that_repeats_its_telegram_has_no_new_one(pauses: list[float]) -> None:
    changes, moment = Changes(), 0.0
    for pause in pauses:
        moment += pause
        assert not changes.take(b"same", moment, moment, POLL_S)
        assert changes.silence
        assert changes.silence.code == "source-repeats-last"


def test_a_change_after_a_long_time_is_only_compared_with() -> None:
    changes = Changes()
    assert not changes.take(b"a", 0, 0.1, POLL_S)
    assert not changes.take(b"b", 60, 60.1, POLL_S)
    assert changes.silence
    assert changes.silence.code == "source-too-slow"
    assert changes.take(b"c", 60.2, 60.3, POLL_S)
    assert changes.silence is None


@pytest.mark.parametrize(
    ("cadence_s", "poll_s"), [(0.0, FASTEST_POLL_S), (1, 0.25), (2, 0.5), (10, SLOWEST_POLL_S), (300, SLOWEST_POLL_S)]
)
def test_polling_follows_the_cadence_within_limits(cadence_s: float, poll_s: float) -> None:
    assert poll_for(cadence_s) == poll_s
    pace = Pace()
    assert pace.poll_s == FASTEST_POLL_S
    for number in range(5):
        pace.note_change(number * cadence_s)
    assert pace.poll_s == poll_s


def test_a_missed_telegram_does_not_slow_the_polling() -> None:
    pace = Pace()
    for moment in (0, 1, 2, 62):
        pace.note_change(moment)
    assert pace.poll_s == FASTEST_POLL_S
    assert Pace(3.0).poll_s == 3.0
