"""Both halves of a value come from one snapshot, for a client that reads them with two requests."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.modbus.latch import FORGET_S, LATCH_S, MAX_CUTS, MAX_LATCHES, Image
from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.protocol.modbus.repeat import Repeat, Repeats
from gateway.protocol.modbus.responder import Responder
from gateway.protocol.modbus.unit import FOREVER, OnStale, Unit
from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.register_map import RegisterMap
from tests.protocol.modbus.small_units import (
    CLIENT,
    ask,
    block,
    mbap,
    number,
    read_pdu,
    register_map,
    responder_of,
    small_unit,
)

OTHER_CLIENT = CountedClient("192.0.2.2:50000", 0.0)
MOMENT_S = 0.001
BUSY = ExceptionCode.SERVER_DEVICE_BUSY
OFFLINE = ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND
END = 12
STATUS = 1000


@cache
def wide_map() -> RegisterMap:
    """A value of one, two, two, four and two registers from 0, and one of two in the status block.

    Each register of a value made of `a` shows `a`.
    """
    return register_map(
        [block(0, END, "zero"), block(STATUS, STATUS + 2, is_status=True)],
        [
            number(0, "a"),
            number(1, "a * 65537", "uint32"),
            number(3, "a * 65537", "uint32"),
            number(5, "a * 281479271743489", "uint64"),
            number(9, "a * 65537", "uint32"),
            number(STATUS, "b", "uint32"),
        ],
    )


WIDE = [range(1, 3), range(3, 5), range(5, 9), range(9, 11)]
"""The values of several registers."""


def wide_unit(on_stale: OnStale = OnStale.EXCEPTION, *, fresh_until: float = FOREVER) -> Unit:
    return small_unit(wide_map(), on_stale, a=1, fresh_until=fresh_until)


def publish(unit: Unit, a: int, fresh_until: float = FOREVER) -> None:
    unit.publish(unit.register_map.readings.encode({"a": a}), fresh_until)


def read(unit: Unit, address: int, now: float, count: int = 1, client: CountedClient = CLIENT) -> list[int]:
    data = unit.read_for(client, address, count, now)
    assert isinstance(data, bytes), data
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
def test_the_other_half_comes_from_the_same_telegram(first: int, second: int) -> None:
    unit = wide_unit()
    assert read(unit, first, 0.0) == [1]
    publish(unit, 2)
    assert read(unit, second, LATCH_S) == [1]


def test_a_value_that_is_read_whole_comes_from_the_newest_telegram() -> None:
    unit = wide_unit()
    assert read(unit, 1, 0.0) == [1]
    publish(unit, 2)
    assert read(unit, 1, 0.0, count=2) == [2, 2]
    assert read(unit, 0, 0.0, count=9) == [2] * 9
    assert read(unit, 2, 0.0) == [1]


def test_a_half_that_is_read_again_and_again_is_never_older_than_the_latch() -> None:
    unit = wide_unit()
    for tick in range(200):
        now = tick * 0.01
        publish(unit, tick)
        (a,) = read(unit, 1, now)
        assert tick - a <= 25


def test_a_client_that_goes_slowly_through_a_value_gets_all_of_it_from_one_telegram() -> None:
    for order in ([5, 6, 7, 8], [8, 7, 6, 5], [6, 5, 8, 7]):
        unit = wide_unit()
        for tick, address in enumerate(order):
            assert read(unit, address, tick * LATCH_S) == [1]
            publish(unit, 2 + tick)
        assert read(unit, order[0], len(order) * LATCH_S) == [5]


def test_a_client_that_is_too_slow_gets_the_newest_telegram() -> None:
    unit = wide_unit()
    assert read(unit, 1, 0.0) == [1]
    publish(unit, 2)
    assert read(unit, 2, LATCH_S + MOMENT_S) == [2]


def test_a_half_read_late_stays_with_its_value_when_another_value_is_latched() -> None:
    unit = wide_unit()
    assert read(unit, 9, 0.0) == [1]
    assert read(unit, 1, LATCH_S) == [1]
    publish(unit, 2)
    assert read(unit, 9, LATCH_S + MOMENT_S) == [2]
    assert read(unit, 2, LATCH_S + MOMENT_S) == [1]


def test_a_read_that_would_complete_two_values_of_two_telegrams_has_to_be_repeated() -> None:
    unit = wide_unit()
    assert read(unit, 4, 0.0) == [1]
    assert read(unit, 1, LATCH_S) == [1]
    publish(unit, 2)
    assert read(unit, 4, LATCH_S + MOMENT_S) == [2]
    assert unit.read_for(CLIENT, 2, 2, LATCH_S + MOMENT_S) is BUSY
    publish(unit, 3)
    assert read(unit, 2, 2 * LATCH_S + 2 * MOMENT_S, count=2) == [3, 3]


@pytest.mark.parametrize(("first", "both", "last"), [(1, 2, 4), (4, 2, 1)])
def test_a_read_that_ends_a_value_and_begins_another_keeps_that_one_together(first: int, both: int, last: int) -> None:
    unit = wide_unit()
    assert read(unit, first, 0.0) == [1]
    publish(unit, 2)
    assert read(unit, both, LATCH_S, count=2) == [1, 1]
    publish(unit, 3)
    assert read(unit, last, 2 * LATCH_S) == [1]


def test_the_half_of_another_value_comes_from_the_latched_telegram_for_a_quarter_of_a_second() -> None:
    unit = wide_unit()
    assert read(unit, 1, 0.0) == [1]
    publish(unit, 2)
    assert read(unit, 3, LATCH_S) == [1]
    assert read(unit, 5, LATCH_S + MOMENT_S) == [2]


def test_where_a_client_gets_each_telegram_once_another_value_comes_from_the_newest() -> None:
    unit = Unit(wide_map(), OnStale.EXCEPTION, lambda _now: {}, repeats=Repeats(Repeat.BUSY, 1.0))
    publish(unit, 1)
    assert read(unit, 1, 0.0) == [1]
    publish(unit, 2)
    assert read(unit, 3, LATCH_S) == [2]


def test_each_client_has_its_own_latch() -> None:
    unit = wide_unit()
    assert read(unit, 1, 0.0) == [1]
    publish(unit, 2)
    assert read(unit, 1, 0.0, client=OTHER_CLIENT) == [2]
    assert read(unit, 2, 0.0) == [1]
    assert read(unit, 2, 0.0, client=OTHER_CLIENT) == [2]


@pytest.mark.parametrize("function_code", [3, 4])
def test_a_response_that_splits_a_value_is_not_kept_to_be_sent_again(function_code: int) -> None:
    unit = wide_unit()
    responder: Responder = responder_of({1: unit})
    for address, count in [(1, 1), (2, 1), (0, 2), (2, 3), (6, 2)]:
        ask(mbap(1, read_pdu(address, count, function_code)), responder)
    assert not responder.ready
    for address, count in [(0, 1), (1, 2), (1, 4), (0, END)]:
        ask(mbap(1, read_pdu(address, count, function_code)), responder)
    assert len(responder.ready) == 4


def test_the_halves_may_be_read_with_different_functions() -> None:
    unit = wide_unit()
    responder = responder_of({1: unit})
    assert ask(mbap(1, read_pdu(1, 1, 3)), responder)[-2:] == b"\0\1"
    publish(unit, 2)
    assert ask(mbap(1, read_pdu(2, 1, 4)), responder)[-2:] == b"\0\1"


@pytest.mark.parametrize(
    ("on_stale", "response"),
    [
        (OnStale.EXCEPTION, OFFLINE),
        (OnStale.SILENT, None),
        (OnStale.ABSENT, OFFLINE),
        (OnStale.HOLD, b"\0\1"),
    ],
)
def test_the_other_half_of_a_telegram_that_is_stale_is_not_served_as_fresh(
    on_stale: OnStale, response: bytes | ExceptionCode | None
) -> None:
    unit = wide_unit(on_stale, fresh_until=0.1)
    assert read(unit, 1, 0.1) == [1]
    publish(unit, 2)
    assert unit.read_for(CLIENT, 2, 1, 0.1 + MOMENT_S) == response


def test_a_code_for_absent_is_not_mixed_with_a_number_either() -> None:
    unit = wide_unit(OnStale.ABSENT, fresh_until=0.0)
    assert read(unit, 1, 0.1) == [0xFFFF]
    publish(unit, 2)
    assert read(unit, 2, 0.1) == [0xFFFF]
    assert read(unit, 2, 0.1 + LATCH_S + MOMENT_S) == [2]


def test_a_snapshot_that_was_withdrawn_is_not_served_any_more() -> None:
    unit = wide_unit(OnStale.HOLD)
    assert read(unit, 1, 0.0) == [1]
    unit.withdraw()
    assert unit.read_for(CLIENT, 2, 1, 0.0) is OFFLINE
    publish(unit, 2)
    assert read(unit, 2, 0.0) == [2]


def test_halves_of_the_gateways_own_state_belong_together_too() -> None:
    state: dict[str, Value] = {"b": 0x1FFFF}
    unit = small_unit(wide_map(), status_values=lambda _now: state)
    assert read(unit, STATUS, 0.0) == [1]
    state["b"] = 0x20000
    assert read(unit, STATUS + 1, 0.1) == [0xFFFF]
    assert read(unit, STATUS, 0.1, count=2) == [2, 0]


def test_state_that_was_latched_does_not_say_fresh_when_readings_are_stale() -> None:
    status = register_map(
        [block(0, 1), block(STATUS, STATUS + 3, is_status=True)],
        [number(0), number(STATUS, "gateway_fresh"), number(STATUS + 1, "b", "uint32")],
    )
    unit = small_unit(status, fresh_until=0.1, status_values=lambda _now: {"b": 0})
    assert read(unit, STATUS, 0.1, count=2) == [1, 0]
    assert read(unit, STATUS, 0.1 + MOMENT_S, count=2) == [0, 0]


def test_each_client_has_its_own_latch_of_state() -> None:
    state: dict[str, Value] = {"b": 0x10001}
    unit = small_unit(wide_map(), status_values=lambda _now: state)
    assert read(unit, STATUS, 0.0) == [1]
    state["b"] = 0x20002
    assert read(unit, STATUS, 0.0, client=OTHER_CLIENT) == [2]
    assert read(unit, STATUS + 1, 0.0) == [1]


def test_the_other_half_of_state_that_is_stale_is_that_of_now() -> None:
    state: dict[str, Value] = {"b": 0x10001}
    unit = small_unit(wide_map(), fresh_until=0.1, status_values=lambda _now: state)
    assert read(unit, STATUS, 0.1) == [1]
    state["b"] = 0x20002
    assert read(unit, STATUS + 1, 0.1 + MOMENT_S) == [2]


def test_a_test_pattern_is_read_in_parts_too() -> None:
    unit = small_unit(wide_map(), shows_test_pattern=True)
    unit.withdraw()
    assert [read(unit, address, 0.0) for address in (1, 2)] == [[0], [1]]


def test_the_latches_of_many_clients_take_bounded_memory() -> None:
    unit = wide_unit()
    clients = [CountedClient(f"192.0.2.3:{port}", 0.0) for port in range(2 * MAX_LATCHES)]
    for client in clients:
        read(unit, 1, 0.0, client=client)
    latches = unit._latches._latches
    assert len(latches) == MAX_LATCHES
    read(unit, 1, 2 * FORGET_S, client=clients[0])
    assert len(latches) == 1


def test_of_many_incomplete_values_of_a_client_the_oldest_is_forgotten() -> None:
    values = MAX_CUTS + 1
    numbers = [number(2 * n, "a * 65537", "uint32") for n in range(values + 1)]
    unit = small_unit(register_map([block(0, 2 * values + 2)], numbers), a=1)
    assert read(unit, 2 * values, 0.0) == [1]
    for n in range(values):
        assert read(unit, 2 * n, 0.2) == [1]
    publish(unit, 2)
    now = LATCH_S + MOMENT_S
    assert [read(unit, 2 * n + 1, now) for n in (1, values - 1)] == [[1], [1]]
    assert read(unit, 1, now) == [2]


def test_only_a_read_of_registers_that_are_lacking_completes_a_value() -> None:
    latches = wide_unit()._latches
    image = Image(wide_unit().register_map.readings.encode({"a": 1}), FOREVER)
    assert not latches.completes(2, 1, 0.0, CLIENT)
    assert latches.choose(1, 1, 0.0, CLIENT, lambda: image) is image
    assert not latches.completes(1, 1, 0.1, CLIENT)
    assert latches.completes(2, 1, 0.1, CLIENT)
    assert not latches.completes(2, 1, LATCH_S + MOMENT_S, CLIENT)


class Assembly:
    """A value as a client puts it together: the registers it has read, from which telegram, and when.

    After a pause the next register either belongs to those before it or begins the value; `restarted` is the second
    reading of it, up to the end of that value.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.read: set[int] = set()
        self.restarted: set[int] = set()
        self.telegram = 0
        self.at = 0.0

    def take(self, part: set[int], telegram: int, at: float) -> bool:
        """Add registers; return False if they are from another telegram than those that they complete."""
        continues, restarted_continues = self.continues(self.read, part), self.continues(self.restarted, part)
        in_time = at - self.at <= LATCH_S
        is_torn = in_time and (continues or restarted_continues) and telegram != self.telegram
        if in_time:
            self.restarted = self.restarted | part if restarted_continues else set()
        else:
            self.restarted = set(part) if continues else set()
        self.read = self.read | part if continues else set(part)
        self.telegram, self.at = telegram, at
        return not is_torn

    def continues(self, read: set[int], part: set[int]) -> bool:
        return 0 < len(read) < self.length and not part <= read


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.9]),
        st.booleans(),
        st.integers(0, END - 1),
        st.integers(1, 5),
    ),
    min_size=1,
    max_size=60,
)
"""Seconds since the step before, a new telegram or not, and the address and length of a read."""


HALVES = st.lists(
    st.tuples(st.sampled_from([0.01, 0.15, LATCH_S, 0.3, 1.0]), st.booleans(), st.sampled_from([0, 1, 2, 3, 4])),
    min_size=1,
    max_size=40,
)
"""Seconds since the step before, a new telegram or not, and the address of a single read."""


@given(HALVES)
@settings(max_examples=500)
def test_two_halves_are_never_torn_as_pairs_from_the_first_read_nor_as_the_first_pair_after_a_pause(
    steps: list[tuple[float, bool, int]],
) -> None:
    unit = wide_unit()
    assemblies = {span.start: Assembly(len(span)) for span in WIDE[:2]}
    telegram, now = 1, 0.0
    for pause, is_new, address in steps:
        now += pause
        if is_new:
            telegram += 1
            publish(unit, telegram)
        (a,) = read(unit, address, now)
        for span in WIDE[:2]:
            if address in span:
                assert assemblies[span.start].take({address}, a, now), (span, address, now)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_pair_after_one_that_was_read_too_slowly_is_not_torn(order: tuple[int, int]) -> None:
    unit, (first, second) = wide_unit(), order
    assert read(unit, first, 0.0) == [1]
    assert read(unit, second, 0.3) == [1]
    publish(unit, 2)
    assert read(unit, first, 0.45) == read(unit, second, 0.6)
    publish(unit, 3)
    for now in (0.75, 1.05, 1.35):
        pair = read(unit, first, now)
        publish(unit, int(now * 100))
        assert read(unit, second, now + 0.15) == pair


def test_a_pair_after_a_half_that_was_given_up_is_not_torn() -> None:
    unit = wide_unit()
    read(unit, 2, 0.0)
    for second in range(1, 10):
        half = read(unit, 1, second)
        publish(unit, second)
        assert read(unit, 2, second + 0.01) == half


@given(STEPS)
@settings(max_examples=500)
def test_no_interleaving_of_reads_and_telegrams_tears_a_value(steps: list[tuple[float, bool, int, int]]) -> None:
    unit = wide_unit()
    assemblies = {span.start: Assembly(len(span)) for span in WIDE}
    telegram, now = 1, 0.0
    for pause, is_new, address, length in steps:
        now += pause
        if is_new:
            telegram += 1
            publish(unit, telegram)
        count = min(length, END - address)
        data = unit.read_for(CLIENT, address, count, now)
        if data is BUSY:
            continue
        assert isinstance(data, bytes)
        shown = {address + i: int.from_bytes(data[2 * i : 2 * i + 2], "big") for i in range(count)}
        assert len({a for at, a in shown.items() if at != END - 1}) <= 1, "one response, one telegram"
        for span in WIDE:
            part = set(span) & shown.keys()
            if part == set(span):
                continue  # whole: nothing to complete, and nothing completed
            if part:
                assert assemblies[span.start].take(part, shown[min(part)], now), (span, shown)


def test_register_by_register_no_value_is_torn_and_none_is_refused() -> None:
    """A client goes through all registers, at any pace up to the latch, for as long as it likes."""
    for pace in (0.01, 0.05, 0.1, 0.2, 0.25):
        unit = wide_unit()
        seen: Counter[int] = Counter()
        now, telegram = 0.0, 1
        for _ in range(50):
            for span in WIDE:
                parts = []
                for address in span:
                    now += pace
                    if now > telegram * 0.05:
                        telegram = int(now / 0.05) + 1
                        publish(unit, telegram)
                    parts += read(unit, address, now)
                seen[len(set(parts))] += 1
        assert set(seen) == {1}
