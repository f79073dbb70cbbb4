"""A message is used if a tick of this run proves its age; what cannot be used has its reason and changes nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.fleet.envelope import Envelope, encode
from gateway.protocol.fleet.inbox import EDGE_GONE_AFTER_S, Inbox, Incoming, Outcome, Verdict
from gateway.protocol.fleet.newest import Stamp
from gateway.protocol.fleet.ticks import KEPT_TICKS, Tick, Ticks

PING = 3.0


def incoming(properties: object, arrived: float = 10.0, *, edge: str = "e", is_retained: bool = False) -> Incoming:
    stamp = Stamp(0, "A")
    return Incoming(edge, properties, is_retained, arrived, PING, lambda: (stamp, stamp))  # type: ignore[arg-type]


def properties(*ticks: Tick, seq: int = 1, held: float = 0.0, delay: float = 0.0) -> object:
    return encode(Envelope("e", 1, seq, held, delay, True, ticks))


def test_the_age_counts_from_the_tick_and_what_the_edge_knows_of() -> None:
    ticks, inbox = Ticks("g", 1, lambda: 1), Inbox()
    tick = ticks.next(9.5)
    assert inbox.take(incoming(properties(tick)), ticks) == Verdict(Outcome.USED, 9.5)
    later = properties(tick, seq=2, held=0.25, delay=2.0)
    assert inbox.take(incoming(later), ticks) == Verdict(Outcome.USED, 7.25)
    assert inbox.take(incoming(later), ticks).outcome is Outcome.COPY


def test_a_new_start_of_an_edge_is_newer_than_any_number_of_the_start_before() -> None:
    ticks, inbox = Ticks("g", 1, lambda: 1), Inbox()
    tick = ticks.next(9.5)
    of_start = {boot: encode(Envelope("e", boot, seq, 0.0, 0.0, True, (tick,))) for boot, seq in ((1, 90), (2, 1))}
    assert inbox.take(incoming(of_start[1]), ticks).outcome is Outcome.USED
    assert inbox.take(incoming(of_start[2]), ticks).outcome is Outcome.USED
    assert inbox.take(incoming(of_start[1]), ticks).outcome is Outcome.OLDER


def test_a_message_without_a_tick_of_this_run_proves_nothing() -> None:
    ticks, inbox = Ticks("g", 1, lambda: 1), Inbox()
    assert inbox.take(incoming(properties()), ticks) == Verdict(Outcome.UNKNOWN_AGE)
    assert inbox.take(incoming(properties(Tick("g", 2, 1))), ticks) == Verdict(Outcome.UNKNOWN_AGE)
    first = ticks.next(0.0)
    for _ in range(KEPT_TICKS):
        ticks.next(1.0)
    assert inbox.take(incoming(properties(first)), ticks) == Verdict(Outcome.TOO_OLD)
    assert inbox.take(incoming(properties(ticks.next(2.0))), ticks).outcome is Outcome.USED, "nothing was remembered"


def test_a_tick_that_was_never_sent_is_reported_as_forged() -> None:
    ticks, inbox = Ticks("g", 1, lambda: 2), Inbox()
    tick = ticks.next(9.5)
    assert inbox.take(incoming(properties(tick._replace(number=tick.number + 1))), ticks).outcome is Outcome.FORGED_TICK


def test_a_stored_message_is_never_used() -> None:
    ticks, inbox = Ticks("g", 1, lambda: 1), Inbox()
    message = properties(ticks.next(9.5))
    assert inbox.take(incoming(message, is_retained=True), ticks) == Verdict(Outcome.RETAINED)
    assert inbox.take(incoming((), is_retained=True), ticks) == Verdict(Outcome.RETAINED)
    assert inbox.take(incoming(message), ticks).outcome is Outcome.USED


def test_a_bad_envelope_has_its_reason() -> None:
    ticks, inbox = Ticks("g", 1, lambda: 1), Inbox()
    good = properties(ticks.next(9.5))
    assert inbox.take(incoming(good[1:]), ticks) == Verdict(  # type: ignore[index]
        Outcome.BAD_ENVELOPE, reason="edge is missing"
    )
    other = inbox.take(incoming(good, edge="f"), ticks)
    assert other == Verdict(Outcome.BAD_ENVELOPE, reason="edge is another one than in the topic")


def test_telegrams_of_another_program_are_used_until_an_edge_publishes() -> None:
    ticks, inbox = Ticks("g", 1, lambda: 1), Inbox()
    before_ping = incoming(())._replace(forwarded_after=float("-inf"))
    assert inbox.take(before_ping, ticks) == Verdict(Outcome.UNKNOWN_AGE)
    assert inbox.take(incoming(()), ticks) == Verdict(Outcome.USED_WITHOUT_ENVELOPE, PING)
    assert inbox.take(incoming(properties()), ticks).outcome is Outcome.UNKNOWN_AGE
    assert inbox.take(incoming(()), ticks).outcome is Outcome.USED_WITHOUT_ENVELOPE
    assert inbox.take(incoming(properties(ticks.next(9.5))), ticks).outcome is Outcome.USED
    assert inbox.take(incoming(()), ticks).outcome is Outcome.WITHOUT_ENVELOPE


def test_a_telegram_of_an_edge_without_its_envelope_is_not_used() -> None:
    ticks, inbox = Ticks("g", 1, lambda: 1), Inbox()
    inbox.is_edge = {"e"}.__contains__
    assert inbox.take(incoming(()), ticks) == Verdict(Outcome.WITHOUT_ENVELOPE)
    assert inbox.take(incoming((), edge="other program"), ticks).outcome is Outcome.USED_WITHOUT_ENVELOPE


def test_another_program_takes_the_place_of_an_edge_that_is_gone_for_a_minute() -> None:
    ticks, inbox = Ticks("g", 1, lambda: 1), Inbox()
    assert inbox.take(incoming(properties(ticks.next(9.5)), 10.0), ticks).outcome is Outcome.USED
    gone = 10.0 + EDGE_GONE_AFTER_S
    assert inbox.take(incoming((), gone - 0.1), ticks).outcome is Outcome.WITHOUT_ENVELOPE
    assert inbox.take(incoming((), gone), ticks) == Verdict(Outcome.USED_WITHOUT_ENVELOPE, PING)
    back = properties(ticks.next(gone + 1.0), seq=2)
    assert inbox.take(incoming(back, gone + 1.5), ticks).outcome is Outcome.USED
    assert inbox.take(incoming((), gone + 2.0), ticks).outcome is Outcome.WITHOUT_ENVELOPE, "the edge is back"


PROPERTIES = st.lists(
    st.tuples(st.sampled_from(["edge", "boot", "seq", "held", "delay", "crc", "tick", "x"]), st.text(max_size=9)),
    max_size=9,
)


@given(st.lists(st.tuples(PROPERTIES, st.booleans()), max_size=9))
def test_garbage_is_never_used_and_never_in_the_way(messages: list[tuple[list[tuple[str, str]], bool]]) -> None:
    ticks, inbox = Ticks("g", 1, lambda: 1), Inbox()
    for garbage, is_retained in messages:
        verdict = inbox.take(incoming(garbage, is_retained=is_retained), ticks)
        if verdict.outcome is Outcome.USED_WITHOUT_ENVELOPE:
            assert not is_retained
            assert all(name == "x" for name, _ in garbage)
        else:
            assert verdict.outcome is not Outcome.USED
    assert inbox.take(incoming(properties(ticks.next(9.5))), ticks) == Verdict(Outcome.USED, 9.5)
    assert inbox.outcomes.total() == len(messages) + 1


def test_an_older_message_does_not_become_the_one_in_use() -> None:
    ticks, inbox = Ticks("g", 1, lambda: 1), Inbox()
    second, first = (properties(ticks.next(9.5), seq=seq) for seq in (2, 1))
    assert inbox.take(incoming(second), ticks).outcome is Outcome.USED
    for _ in range(2):
        assert inbox.take(incoming(first), ticks).outcome is Outcome.OLDER
    assert inbox.take(incoming(second), ticks).outcome is Outcome.COPY


def test_a_telegram_of_another_edge_is_used_if_it_was_written_after_the_one_in_use_came() -> None:
    ticks, inbox = Ticks("g", 1, lambda: 1), Inbox()
    assert inbox.take(incoming(properties(ticks.next(9.5))), ticks).outcome is Outcome.USED
    for sent_after, held, expected in ((10.5, 0.5, Outcome.OLDER), (11.5, 1.0, Outcome.USED)):
        other = encode(Envelope("f", 1, int(sent_after), held, 0.0, True, (ticks.next(sent_after),)))
        assert inbox.take(incoming(other, arrived=12.0, edge="f"), ticks).outcome is expected
