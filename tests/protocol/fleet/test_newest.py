"""The newest telegram of a meter is taken once, from whichever edge, start and broker, and no older one after it."""

from __future__ import annotations

from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.fleet.newest import MAX_EDGES, REPLACED_AFTER_S, RESTARTED_AFTER_S, Newest, Numbers, Order, Stamp

NEVER = float("-inf")


def stamps(clock: int | None = 0, used: int | None = 0, identity: str = "A", used_identity: str = "A") -> object:
    return lambda: (Stamp(clock, identity), Stamp(used, used_identity))


def refuse() -> tuple[Stamp, Stamp | None]:
    raise AssertionError("the telegrams of one start of an edge are ordered by their numbers alone")


def take(
    newest: Newest, numbers: tuple[str, int, int], arrived: float = 0.0, sent: float = NEVER, **more: object
) -> Order:
    look = more.get("stamps", refuse)
    return newest.take(Numbers(*numbers), arrived, sent, more.get("written", NEVER), look)  # type: ignore[arg-type]


def test_the_copies_of_a_second_broker_and_older_telegrams_are_dropped() -> None:
    newest = Newest()
    orders = [take(newest, ("e", 1, seq)) for seq in (1, 1, 2, 1, 2, 5, 4)]
    assert orders == [
        *(Order.NEWER, Order.COPY, Order.NEWER, Order.OLDER),
        *(Order.COPY, Order.NEWER, Order.OLDER),
    ]


def test_the_telegrams_of_an_earlier_start_are_dropped() -> None:
    newest = Newest()
    assert take(newest, ("e", 1, 900)) is Order.NEWER
    assert take(newest, ("e", 2, 1), stamps=stamps()) is Order.NEWER
    assert take(newest, ("e", 1, 901)) is Order.OLDER


@pytest.mark.parametrize(("boot", "sent"), [(9, NEVER), (2, 10.5)])
def test_a_second_edge_with_the_name_of_the_first_is_refused_if_it_has_another_meter(boot: int, sent: float) -> None:
    newest, other = Newest(), stamps(identity="B")
    assert take(newest, ("e", 5, 1), arrived=10.0) is Order.NEWER
    late = 10.0 + RESTARTED_AFTER_S
    assert take(newest, ("e", boot, 1), arrived=late, sent=sent, stamps=other) is Order.OTHER_METER
    assert take(newest, ("e", 5, 2), arrived=late) is Order.NEWER, "the first one goes on"
    replaced = late + REPLACED_AFTER_S
    assert take(newest, ("e", boot, 2), arrived=replaced - 0.1, sent=late + 0.5, stamps=other) is Order.OTHER_METER
    assert take(newest, ("e", boot, 3), arrived=replaced, sent=late + 0.6, stamps=other) is Order.NEWER


def test_an_edge_that_starts_again_may_have_a_meter_whose_last_telegram_was_not_accepted() -> None:
    newest = Newest()
    assert take(newest, ("e", 5, 1)) is Order.NEWER
    assert take(newest, ("e", 6, 1), stamps=lambda: (Stamp(0, "B"), None)) is Order.NEWER


def test_a_higher_number_that_was_sent_before_is_that_of_an_earlier_start_with_the_same_number() -> None:
    newest = Newest()
    assert take(newest, ("e", 1, 5), arrived=10.0, sent=9.0) is Order.NEWER
    assert take(newest, ("e", 1, 9), arrived=11.0, sent=8.0) is Order.OLDER
    assert take(newest, ("e", 1, 6), arrived=11.0, sent=9.0) is Order.NEWER


def test_an_edge_that_lost_the_number_of_its_starts_is_taken_when_a_tick_proves_it() -> None:
    newest = Newest()
    assert take(newest, ("e", 7, 900), arrived=10.0) is Order.NEWER
    late = 10.0 + RESTARTED_AFTER_S
    assert take(newest, ("e", 1, 1), arrived=late, sent=9.9) is Order.OLDER, "it may have been under way"
    assert take(newest, ("e", 1, 1), arrived=late - 0.1, sent=10.1) is Order.OLDER, "two edges with one name"
    assert take(newest, ("e", 1, 1), arrived=late, sent=10.1, stamps=stamps()) is Order.NEWER
    assert take(newest, ("e", 1, 2), arrived=late + 1, sent=late) is Order.NEWER
    assert take(newest, ("e", 7, 901), arrived=late + 2, sent=late + 1, stamps=stamps()) is Order.NEWER, (
        "a higher number is always newer"
    )


def test_between_two_edges_the_clock_of_the_meter_decides() -> None:
    newest = Newest()
    assert take(newest, ("e", 1, 1)) is Order.NEWER
    assert take(newest, ("f", 9, 5), stamps=stamps(clock=100, used=100)) is Order.OLDER
    assert take(newest, ("f", 9, 6), stamps=stamps(clock=101, used=100)) is Order.NEWER
    assert newest.edge == "f"
    assert take(newest, ("f", 9, 6), stamps=refuse) is Order.COPY
    assert take(newest, ("e", 1, 2), stamps=stamps(clock=101, used=101)) is Order.OLDER
    assert take(newest, ("e", 1, 3), stamps=stamps(clock=102, used=101)) is Order.NEWER


@pytest.mark.parametrize(("clock", "used"), [(None, None), (5, None), (None, 5), (5, 9)])
def test_without_a_clock_that_shows_it_only_what_was_written_later_is_newer(
    clock: int | None, used: int | None
) -> None:
    newest = Newest()
    assert take(newest, ("e", 1, 1), arrived=10.0) is Order.NEWER
    assert take(newest, ("f", 1, 1), 11.0, written=9.9, stamps=stamps(clock, used)) is Order.OLDER
    assert take(newest, ("f", 1, 2), 12.0, written=10.1, stamps=stamps(clock, used)) is Order.NEWER


def test_the_telegram_of_another_meter_is_never_taken_from_another_edge() -> None:
    newest = Newest()
    assert take(newest, ("e", 1, 1), arrived=0.0) is Order.NEWER
    other = stamps(clock=999, used=1, identity="B")
    assert take(newest, ("f", 1, 1), 9999.0, sent=9998.0, written=9998.0, stamps=other) is Order.OTHER_METER
    assert newest.edge == "e"
    assert take(newest, ("e", 1, 2), 10000.0, stamps=refuse) is Order.NEWER


def test_before_the_first_accepted_telegram_the_first_edge_that_sends_is_taken() -> None:
    newest = Newest()
    assert take(newest, ("e", 1, 1)) is Order.NEWER
    assert newest.take(Numbers("f", 1, 1), 1.0, NEVER, NEVER, lambda: (Stamp(1, "A"), None)) is Order.NEWER


def test_the_number_of_edges_that_are_kept_is_bounded() -> None:
    newest = Newest()
    assert take(newest, ("e", 1, 1)) is Order.NEWER
    for number in range(1000):
        take(newest, (f"flood{number}", 1, 1), float(number), stamps=stamps(identity="B"))
    assert len(newest._edges) == MAX_EDGES
    assert take(newest, ("e", 1, 1)) is Order.COPY


class Sent(NamedTuple):
    """A telegram that an edge sent."""

    numbers: Numbers
    sent: float
    clock: int


@given(
    st.lists(st.tuples(st.integers(0, 1), st.floats(0.1, 3.0), st.booleans(), st.booleans()), min_size=1, max_size=40),
    st.randoms(use_true_random=False),
)
def test_nothing_runs_backwards_whatever_the_brokers_do(
    sends: list[tuple[int, float, bool, bool]], random: object
) -> None:
    """Two edges that may start again send; two brokers lose, delay, double and mix up what they send."""
    boots, seqs, moment, sent = [1, 1], [0, 0], 0.0, []
    for edge, pause, restarts, forgets in sends:
        moment += pause
        if restarts:
            boots[edge], seqs[edge] = (boots[edge] if forgets else boots[edge] + 1), 0
        seqs[edge] += 1
        sent.append(Sent(Numbers("ef"[edge], boots[edge], seqs[edge]), moment, int(moment)))
    arrivals = [
        (each.sent + random.choice((0.01, 0.5, 8.0, 60.0)), index, each)  # type: ignore[attr-defined]
        for each in sent
        for index in range(random.choice((0, 1, 2, 3)))  # type: ignore[attr-defined]
    ]
    newest, used, numbers = Newest(), None, count()
    for arrived, _, each in sorted(arrivals, key=lambda item: (item[0], next(numbers))):
        last = used
        order = newest.take(
            each.numbers,
            arrived,
            each.sent - 0.5,
            each.sent - 0.5,
            lambda each=each, last=last: (Stamp(each.clock, "A"), last and Stamp(last.clock, "A")),  # type: ignore[misc]
        )
        if order is Order.NEWER:
            assert used is None or each.clock >= used.clock
            assert used is None or each.sent > used.sent
            used = each


def test_a_proof_of_the_same_moment_is_no_proof() -> None:
    newest = Newest()
    assert take(newest, ("e", 7, 900), arrived=10.0) is Order.NEWER
    assert take(newest, ("e", 1, 1), arrived=10.0 + RESTARTED_AFTER_S, sent=10.0) is Order.OLDER
    assert take(newest, ("f", 1, 1), arrived=11.0, stamps=stamps(), written=10.0) is Order.OLDER
    assert take(newest, ("f", 1, 2), arrived=11.0, stamps=stamps(), written=10.1) is Order.NEWER
