"""The bound of a tick is never below the true age, and memory is bounded whatever is published."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.fleet.ticks import (
    FORGET_AFTER_S,
    KEPT_TICKS,
    MAX_NUMBER,
    MAX_STEP,
    MAX_TICKS,
    SeenTicks,
    Tick,
    Ticks,
    decode_tick,
    encode_tick,
    tick_of,
    tick_text,
)

GATEWAY, BOOT = "serving-1", 77


def test_a_tick_is_read_as_it_was_written() -> None:
    tick = Ticks(GATEWAY, BOOT, lambda: 1).next(5.0)
    assert encode_tick(tick) == b"77:1"
    assert decode_tick(GATEWAY, b"77:1") == tick == tick_of(tick_text(tick)) == Tick(GATEWAY, BOOT, 1)
    assert tick_of("a:b:1:2") == Tick("a:b", 1, 2)


def test_a_tick_of_the_largest_numbers_is_read() -> None:
    tick = Tick(GATEWAY, MAX_NUMBER, MAX_NUMBER)
    assert decode_tick(GATEWAY, encode_tick(tick)) == tick
    assert decode_tick(GATEWAY, encode_tick(Tick(GATEWAY, 1, MAX_NUMBER + 1))) is None
    assert decode_tick(GATEWAY, encode_tick(tick) + b"0") is None


@pytest.mark.parametrize("payload", [b"", b"77", b"77:", b":1", b"77:1:1", b"-1:1", b"77:1 ", b"\xff:1", b"9" * 10_000])
def test_another_message_is_not_a_tick(payload: bytes) -> None:
    assert decode_tick(GATEWAY, payload) is None


def test_a_telegram_was_sent_after_the_newest_of_its_ticks() -> None:
    ticks = Ticks(GATEWAY, BOOT, lambda: 1)
    first, second = ticks.next(5.0), ticks.next(6.0)
    assert ticks.moment_of([first]) == 5.0
    assert ticks.moment_of([second, first]) == 6.0
    assert ticks.moment_of([Tick("serving-2", 3, 9), first]) == 5.0


def test_a_tick_of_another_run_or_gateway_or_of_the_future_proves_nothing() -> None:
    ticks = Ticks(GATEWAY, BOOT, lambda: 1)
    ticks.next(5.0)
    others = [Tick(GATEWAY, BOOT + 1, 1), Tick("serving-2", BOOT, 1), Tick(GATEWAY, BOOT, 2), Tick(GATEWAY, BOOT, 0)]
    assert ticks.moment_of(others) is None
    assert not ticks.is_own(others)


def test_a_tick_that_was_published_before_this_gateway_sent_it_proves_nothing() -> None:
    choose = random.Random(1)
    ticks = Ticks(GATEWAY, BOOT, lambda: choose.randint(1, MAX_STEP))
    known = ticks.next(0.0)
    forged = [known._replace(number=known.number + step) for step in range(1, 100)]
    for second in range(1, 60):
        ticks.next(float(second))
        assert ticks.moment_of(forged) is None
    assert ticks.is_forged(forged[:1])
    assert ticks.forged == 59 * len(forged)
    assert ticks.moment_of([*forged, known]) == 0.0
    assert not ticks.is_forged([known, known._replace(boot=BOOT + 1), known._replace(gateway="serving-2")])


def test_a_tick_that_is_too_old_is_known_and_proves_nothing() -> None:
    ticks = Ticks(GATEWAY, BOOT, lambda: 1)
    first = ticks.next(0.0)
    for count in range(KEPT_TICKS):
        ticks.next(float(count))
    assert ticks.moment_of([first]) is None
    assert ticks.is_own([first])
    assert not ticks.is_forged([first])
    assert len(ticks._moments) == KEPT_TICKS


def test_an_edge_sends_the_newest_tick_of_each_gateway_that_still_ticks() -> None:
    seen = SeenTicks()
    seen.note(Tick("a", 1, 5), 0.0)
    seen.note(Tick("a", 1, 4), 1.0)
    seen.note(Tick("b", 2, 1), 2.0)
    assert set(seen.newest(3.1)) == {Tick("a", 1, 5), Tick("b", 2, 1)}
    assert seen.newest(FORGET_AFTER_S + 1.1) == (Tick("b", 2, 1),)
    seen.note(Tick("b", 3, 1), 12.0)
    assert set(seen.newest(12.0)) == {Tick("b", 2, 1), Tick("b", 3, 1)}, "a late one of an earlier run takes no place"


def test_a_forged_tick_with_a_high_number_does_not_hide_the_true_ones() -> None:
    seen, ticks = SeenTicks(), Ticks(GATEWAY, BOOT, lambda: 1)
    for second in range(40):
        true = ticks.next(float(second))
        seen.note(true, float(second))
        seen.note(true._replace(number=1000 + second // 20), second + 0.1)
        seen.note(true, second + 0.2)  # from a second broker
        for part in (0.3, 0.9):
            assert ticks.moment_of(seen.newest(second + part)) == second
    seen.note(true, 41.0)
    assert len(seen.newest(44.0)) == 1, "a late tick is not sent for long"
    seen.newest(60.0)
    assert not seen._seen
    assert not seen._lower


def test_late_ticks_take_no_place_from_other_gateways() -> None:
    seen = SeenTicks()
    for number in range(MAX_TICKS):
        seen.note(Tick(f"gateway-{number}", 1, 5), 0.0)
        seen.note(Tick(f"gateway-{number}", 1, 4), 0.0)
    assert {each.number for each in seen.newest(1.0)} == {5}
    assert len(seen.newest(1.0)) == MAX_TICKS


def test_a_flood_of_gateways_takes_no_place_from_those_that_are_known() -> None:
    seen = SeenTicks()
    seen.note(Tick("a", 1, 1), 0.0)
    for boot in range(1000):
        seen.note(Tick("flood", boot, 1), 0.5)
    assert len(seen.newest(1.0)) == MAX_TICKS
    seen.note(Tick("a", 1, 2), 1.0)
    assert Tick("a", 1, 2) in seen.newest(2.0)
    seen.note(Tick("new", 1, 1), 11.0)
    assert set(seen.newest(11.0)) == {Tick("a", 1, 2), Tick("new", 1, 1)}


def test_many_runs_of_one_name_leave_the_other_names_their_places() -> None:
    seen = SeenTicks()
    for boot in range(MAX_TICKS):
        seen.note(Tick("flood", boot, 1), 0.0)
    others = [Tick(f"gateway-{number}", 1, 1) for number in range(MAX_TICKS - 2)]
    for tick in others:
        seen.note(tick, 1.0)
    assert set(others) < set(seen.newest(1.0))
    assert Tick("flood", 0, 1) in seen.newest(1.0), "its first run is not forgotten"
    assert seen.leaves_out(1.0)
    for boot in range(100, 200):
        seen.note(Tick("flood", boot, 1), 2.0)
    assert set(others) < set(seen.newest(2.0))


def test_a_name_gets_no_more_than_its_share_where_all_have_the_same() -> None:
    seen = SeenTicks()
    for number in range(MAX_TICKS):
        seen.note(Tick(f"gateway-{number % 2}", number, 1), 0.0)
    before = seen.newest(0.0)
    seen.note(Tick("gateway-0", 100, 1), 0.0)
    assert seen.newest(0.0) == before, "two names with eight runs each"
    seen.note(Tick("gateway-2", 1, 1), 0.0)
    assert len(seen.newest(0.0)) == MAX_TICKS
    assert Tick("gateway-2", 1, 1) in seen.newest(0.0)


def test_an_edge_knows_that_there_are_more_gateways_than_a_telegram_names() -> None:
    seen = SeenTicks()
    for number in range(MAX_TICKS):
        seen.note(Tick(f"gateway-{number}", 1, 1), 0.0)
    assert not seen.leaves_out(0.0)
    seen.note(Tick("one-more", 1, 1), 1.0)
    assert seen.leaves_out(1.0 + FORGET_AFTER_S)
    assert not seen.leaves_out(1.1 + FORGET_AFTER_S), "it has ended, or has a place by now"


WAYS = st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0.0, 90.0), st.integers(0, 3)), min_size=1, max_size=80)


def telegrams_of(ways: Iterable[tuple[float, float, int]], ticks: Ticks) -> Iterable[tuple[float, float, float | None]]:
    """Generate when each telegram was sent and read, and the moment that its ticks prove when it is read."""
    moment, seen, under_way, sent = 0.0, SeenTicks(), [], []
    for pause, way, kind in ways:
        moment += pause
        if kind:
            under_way.append((moment + way, ticks.next(moment)))
        for each in [each for each in under_way if each[0] <= moment]:
            under_way.remove(each)
            seen.note(each[1], moment)
        sent.append((moment, moment + way, seen.newest(moment)))
        for each_sent in [each_sent for each_sent in sent if each_sent[1] <= moment]:
            sent.remove(each_sent)
            yield each_sent[0], moment, ticks.moment_of(each_sent[2])


@given(WAYS)
def test_the_bound_is_never_below_the_age(ways: list[tuple[float, float, int]]) -> None:
    for sent, _read, proven in telegrams_of(ways, Ticks(GATEWAY, BOOT, lambda: 1)):
        assert proven is None or proven <= sent


@given(st.binary(max_size=60), st.text(max_size=60))
def test_any_bytes_are_a_tick_or_none(payload: bytes, text: str) -> None:
    for tick in (decode_tick(GATEWAY, payload), tick_of(text)):
        assert tick is None or tick_of(tick_text(tick)) == tick


def test_a_tick_that_comes_again_is_not_newer() -> None:
    seen, tick = SeenTicks(), Tick(GATEWAY, BOOT, 1)
    seen.note(tick, 0.0)
    seen.note(tick, FORGET_AFTER_S)
    assert seen.newest(FORGET_AFTER_S) == (tick,)
    assert seen.newest(FORGET_AFTER_S + 0.1) == ()
