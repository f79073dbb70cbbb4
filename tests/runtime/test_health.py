"""What counts as healthy, since when, and what does not."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.telegram import TelegramReader
from gateway.runtime.flow import Node
from gateway.runtime.health import GOOD, assess
from gateway.runtime.status import Colour, Mark
from tests.conftest import own_telegram
from tests.protocol.p1.stream import later

STARTED = 100.0


class Some(Node):
    kind = "some"

    async def run(self) -> None:
        """Nothing."""


class Port(Some):
    reads_meter = True


def node(colour: Colour = Colour.GREEN, mark: Mark = Mark.DOT, since: float = 0.0, kind: type[Some] = Some) -> Some:
    made = kind("n")
    made.show(colour, mark, "plain", text="words")
    made.since = since
    return made


def meter(*arrivals: float) -> MeterState:
    made = MeterState("house", None)
    for arrived in arrivals:
        (telegram,) = TelegramReader().feed(later(own_telegram("v50_sagemcom-t210d"), arrived))
        made.take(telegram, arrived, 0)
        made.serving.update(arrived + 0.8)
    return made


def test_all_is_well_since_the_last_thing_that_was_not() -> None:
    assert assess([], [], STARTED, 200).reason == GOOD
    assert assess([], [], STARTED, 200).since == STARTED
    assert assess([node(since=150)], [meter(160, 161, 162)], STARTED, 163).since == 160
    assert assess([node(since=170)], [meter(160, 161, 162)], STARTED, 163).since == 170
    # After a silence of 20 s it is fresh anew.
    assert assess([], [meter(160, 161, 181, 182)], STARTED, 183).since == 181


@pytest.mark.parametrize(("colour", "mark"), [(c, m) for c in Colour for m in Mark])
def test_only_a_red_ring_is_a_failure(colour: Colour, mark: Mark) -> None:
    health = assess([node(colour, mark, 150)], [], STARTED, 200)
    assert health.is_good is not (colour is Colour.RED and mark is Mark.RING)
    assert health.since == 150
    assert health.reason == (GOOD if health.is_good else "n: words")


def test_a_port_that_cannot_be_opened_is_the_meters_silence() -> None:
    failed = node(Colour.RED, Mark.RING, kind=Port)
    assert assess([failed], [], STARTED, 200).is_good


def test_a_meter_of_which_every_telegram_is_refused_is_not_called_silent() -> None:
    refusing = meter()
    refusing.identifiers = frozenset({"E0047000073608137"})
    for second in range(2):
        (telegram,) = TelegramReader().feed(later(own_telegram("v50_sagemcom-t210d"), second))
        refusing.take(telegram, STARTED + second, 0)
    reason = assess([node()], [refusing], STARTED, 200).reason
    assert reason == "house: no telegram accepted yet, the newest was refused: telegram of another meter"


def test_a_meter_that_was_never_online_is_a_problem_since_the_start() -> None:
    health = assess([node()], [meter()], STARTED, 200)
    assert (health.reason, health.since) == ("house: no telegram yet", STARTED)


def test_a_silent_meter_is_a_problem_since_its_newest_telegram() -> None:
    silent = meter(160, 161)
    assert assess([], [silent], STARTED, 165).is_good
    health = assess([], [silent], STARTED, 167)
    assert (health.reason, health.since) == ("house: no telegram for 6 s", 161)


def test_all_problems_are_named_the_oldest_first() -> None:
    health = assess([node(Colour.RED, Mark.RING, 190)], [meter(160, 161)], STARTED, 200)
    assert (health.reason, health.since) == ("house: no telegram for 39 s; n: words", 161)


def test_a_node_knows_since_when_it_fails_and_since_when_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([1.0, 2.0, 3.0, 4.0])
    monkeypatch.setattr("gateway.runtime.flow.now", lambda: next(clock))
    made = Some("n")
    assert made.since == 1
    for colour, mark, expected in (
        (Colour.GREEN, Mark.RING, 1),
        (Colour.RED, Mark.RING, 2),
        (Colour.RED, Mark.RING, 2),
        (Colour.RED, Mark.DOT, 3),
        (Colour.GREEN, Mark.DOT, 3),
    ):
        made.show(colour, mark, "ready")
        assert made.since == expected
