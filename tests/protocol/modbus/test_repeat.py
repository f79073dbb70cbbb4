"""A client gets each telegram once, however often it asks, if its unit is configured so."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.protocol.modbus.repeat import CYCLE_S, MAX_ASKED, MAX_ASKING, PAST_S, HeldRequest, Repeat, Repeats
from gateway.protocol.modbus.rtu import append_crc, respond_rtu
from gateway.protocol.modbus.tcp import respond_tcp
from gateway.protocol.modbus.unit import FOREVER, OnStale, Unit
from gateway.protocol.registers.register_map import RegisterMap
from tests.protocol.modbus.small_units import (
    block,
    mbap,
    no_status,
    number,
    read_pdu,
    register_map,
    responder_of,
    small_map,
    words,
)

WAIT_S = 0.9
LATER = CYCLE_S + 0.001
BUSY = ExceptionCode.SERVER_DEVICE_BUSY


def new_client() -> CountedClient:
    return CountedClient("192.0.2.1:50000", 0.0)


def repeating_unit(
    repeat: Repeat = Repeat.WAIT,
    *,
    compiled: RegisterMap | None = None,
    on_stale: OnStale = OnStale.EXCEPTION,
    fresh_until: float = FOREVER,
) -> Unit:
    unit = Unit(compiled or small_map(), on_stale, no_status, repeats=Repeats(repeat, WAIT_S))
    publish(unit, 0, fresh_until)
    return unit


def publish(unit: Unit, a: int, fresh_until: float = FOREVER) -> None:
    unit.publish(unit.register_map.readings.encode({"a": a}), fresh_until)


def held_after(unit: Unit, client: CountedClient, address: int, count: int, now: float) -> HeldRequest | None:
    """Return what holds a request back; None if it got its registers."""
    client.held = None
    data = unit.read_for(client, address, count, now)
    assert isinstance(data, bytes) or (data is None and client.held)
    return client.held


def test_a_request_that_was_answered_from_this_telegram_waits_for_the_next() -> None:
    unit, client = repeating_unit(), new_client()
    assert not held_after(unit, client, 0, 2, 0.0)
    held = held_after(unit, client, 0, 2, LATER)
    assert held
    assert held.until == LATER + WAIT_S
    publish(unit, 1)
    client.held = None
    assert unit.read_for(client, 0, 2, 0.5) == b"\0\1\0\2"
    assert client.held is None
    assert held_after(unit, client, 0, 2, 0.5 + LATER)


def test_a_request_that_has_waited_long_enough_gets_the_same_telegram_again() -> None:
    unit, client = repeating_unit(), new_client()
    held_after(unit, client, 0, 2, 0.0)
    held = held_after(unit, client, 0, 2, 0.2)
    assert held
    held.expire()
    assert not held_after(unit, client, 0, 2, held.until)
    assert held_after(unit, client, 0, 2, held.until + LATER)


def test_a_publication_wakes_all_that_wait_in_their_order() -> None:
    unit = repeating_unit()
    assert unit.repeats
    woken: list[int] = []
    for n in range(3):
        unit.repeats.waiting[n] = lambda n=n: woken.append(n)  # type: ignore[misc]
    publish(unit, 1)
    assert woken == [0, 1, 2]
    assert not unit.repeats.waiting


def test_a_withdrawal_wakes_too() -> None:
    unit = repeating_unit()
    woken: list[int] = []
    assert unit.repeats
    unit.repeats.waiting[0] = lambda: woken.append(0)
    unit.withdraw()
    assert woken == [0]


def test_other_units_wake_those_that_wait_at_a_reload() -> None:
    unit = repeating_unit()
    responder = responder_of({1: unit, 9: unit})
    woken: list[int] = []
    assert unit.repeats
    unit.repeats.waiting[0] = lambda: woken.append(0)
    responder.rewire(responder_of({}).units, responder.identification)
    assert woken == [0]


def test_a_cycle_of_several_reads_is_answered_at_once_also_when_it_repeats_one() -> None:
    unit, client = repeating_unit(), new_client()
    for tick in range(6):
        assert not held_after(unit, client, tick % 2, 1, tick * CYCLE_S / 5)
    assert held_after(unit, client, 0, 1, LATER)


def test_another_request_is_answered_at_once_at_any_time() -> None:
    unit, client = repeating_unit(), new_client()
    for tick in range(20):
        assert not held_after(unit, client, tick, 1, tick * 0.1)
    assert held_after(unit, client, 0, 1, 2.0)


def test_a_busy_unit_refuses_a_repeated_request_at_once() -> None:
    unit, client = repeating_unit(Repeat.BUSY), new_client()
    assert unit.read_for(client, 0, 1, 0.0) == b"\0\0"
    assert unit.read_for(client, 0, 1, LATER) is BUSY
    assert client.held is None
    publish(unit, 1)
    assert unit.read_for(client, 0, 1, LATER) == b"\0\1"


def test_each_client_has_its_own_telegrams() -> None:
    unit, one, other = repeating_unit(), new_client(), new_client()
    assert not held_after(unit, one, 0, 1, 0.0)
    assert not held_after(unit, other, 0, 1, 0.5)
    assert held_after(unit, one, 0, 1, 0.5)


@pytest.mark.parametrize("repeat", [Repeat.WAIT, Repeat.BUSY])
def test_the_gateways_own_state_is_always_served(repeat: Repeat) -> None:
    unit, client = repeating_unit(repeat), new_client()
    for tick in range(5):
        assert unit.read_for(client, 1000, 2, tick * 0.2) == b"\0\1\xff\xff"


def test_a_request_for_no_register_is_refused_at_once() -> None:
    unit, client = repeating_unit(), new_client()
    for tick in range(3):
        assert unit.read_for(client, 500, 1, tick * 0.2) is ExceptionCode.ILLEGAL_DATA_ADDRESS


@pytest.mark.parametrize(
    ("on_stale", "response"),
    [
        (OnStale.EXCEPTION, ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND),
        (OnStale.SILENT, None),
        (OnStale.ABSENT, b"\xff\xff"),
        (OnStale.HOLD, b"\0\0"),
    ],
)
def test_readings_that_get_stale_meanwhile_get_the_response_of_stale_ones(
    on_stale: OnStale, response: bytes | ExceptionCode | None
) -> None:
    unit, client = repeating_unit(on_stale=on_stale, fresh_until=0.5), new_client()
    held_after(unit, client, 0, 1, 0.0)
    held = held_after(unit, client, 0, 1, 0.2)
    assert held
    assert held.until == 0.5 + PAST_S
    held.expire()
    client.held = None
    for _ in range(2):
        assert unit.read_for(client, 0, 1, held.until) == response
        assert client.held is None


def test_a_test_pattern_never_waits() -> None:
    unit = Unit(
        small_map(), OnStale.EXCEPTION, no_status, shows_test_pattern=True, repeats=Repeats(Repeat.WAIT, WAIT_S)
    )
    client = new_client()
    for tick in range(3):
        assert not held_after(unit, client, 0, 1, tick * 0.2)


def test_the_other_half_of_a_value_does_not_wait() -> None:
    compiled = register_map([block(0, 4)], [number(0, "a * 65537", "uint32"), number(2, "a * 65537", "uint32")])
    unit, client = repeating_unit(compiled=compiled), new_client()
    publish(unit, 1)
    assert [unit.read_for(client, address, 1, 0.0) for address in range(4)] == [b"\0\1"] * 4
    assert held_after(unit, client, 0, 1, 0.2)
    publish(unit, 2)
    assert [unit.read_for(client, address, 1, 0.21) for address in (0, 1)] == [b"\0\2"] * 2
    # Low half first: it waits, and the high half comes with it.
    assert held_after(unit, client, 1, 1, 0.4)
    publish(unit, 3)
    assert [unit.read_for(client, address, 1, 0.41) for address in (1, 0)] == [b"\0\3"] * 2


def test_a_value_that_was_read_slowly_waits_like_any_other() -> None:
    unit, client = (
        repeating_unit(compiled=register_map([block(0, 2)], [number(0, "a * 65537", "uint32")])),
        new_client(),
    )
    publish(unit, 1)
    assert [unit.read_for(client, address, 1, now) for address, now in ((0, 0.0), (1, 0.3))] == [b"\0\1"] * 2
    assert held_after(unit, client, 0, 1, 0.45)
    publish(unit, 2)
    assert [unit.read_for(client, address, 1, now) for address, now in ((0, 0.6), (1, 0.75))] == [b"\0\2"] * 2


def test_halves_of_two_values_in_one_read_are_of_one_telegram_though_each_was_latched_by_itself() -> None:
    compiled = register_map([block(0, 4)], [number(0, "a * 65537", "uint32"), number(2, "a * 65537", "uint32")])
    unit, client = repeating_unit(compiled=compiled), new_client()
    for address, count in [(0, 1), (3, 1), (1, 2)]:
        assert unit.read_for(client, address, count, 0.0) == bytes(2 * count)


def test_responses_of_such_a_unit_are_not_kept_to_be_sent_again() -> None:
    responder, client = responder_of({1: repeating_unit()}), new_client()
    respond_tcp(mbap(1, read_pdu(0, 1)), responder, 0.0, client)
    assert not responder.ready


def test_requests_behind_one_that_is_held_back_stay_in_the_buffer() -> None:
    unit, client = repeating_unit(), new_client()
    responder = responder_of({1: unit})
    requests = [mbap(address, read_pdu(address, 1)) for address in (7, 0, 8)]
    respond_tcp(requests[1], responder, 0.0, client)
    noted = responder.monitor.noted
    responses, used, is_modbus = respond_tcp(b"".join(requests), responder, 0.2, client)
    assert responses == mbap(7, words(7))
    assert (used, is_modbus) == (len(requests[0]), True)
    assert responder.monitor.noted == noted + 1
    assert client.held
    client.held = None
    publish(unit, 1)
    responses, used, _ = respond_tcp(b"".join(requests[1:]), responder, 0.3, client)
    assert used == len(requests[1] + requests[2])
    assert client.held is None


def test_over_rtu_a_request_that_is_held_back_stays_in_the_buffer_until_the_next_one() -> None:
    unit, client = repeating_unit(), new_client()
    responder = responder_of({1: unit})
    before, held, behind = (append_crc(b"\1" + read_pdu(address, 1)) for address in (7, 0, 8))
    respond_rtu(held, responder, 0.0, client)
    assert respond_rtu(before + held + behind[:5], responder, 0.2, client) == (b"", len(before), True)
    assert client.held
    client.held = None
    assert respond_rtu(held + behind, responder, 0.3, client) == (append_crc(b"\1" + words(8)), 16, True)
    assert client.held is None


def test_what_is_remembered_of_clients_is_bounded() -> None:
    unit = repeating_unit()
    assert unit.repeats
    clients = [new_client() for _ in range(2 * MAX_ASKING)]
    for client in clients:
        held_after(unit, client, 0, 1, 0.0)
    assert len(unit.repeats._asking) == MAX_ASKING
    for address in range(2 * MAX_ASKED):
        held_after(unit, clients[-1], address, 1, 0.0)
    assert len(unit.repeats._asking[clients[-1]].asked) == MAX_ASKED
    assert not held_after(unit, clients[-1], 2 * MAX_ASKED - 1, 1, 1.0)
    publish(unit, 1)
    held_after(unit, clients[0], 0, 1, 1.0)
    assert len(unit.repeats._asking) == 1


@given(st.lists(st.tuples(st.floats(0.0, 0.4), st.booleans(), st.integers(0, 2)), max_size=60))
def test_no_request_gets_a_telegram_twice_and_none_waits_too_long(steps: list[tuple[float, bool, int]]) -> None:
    """Ask again when the time of a request that is held back is over, as a connection does."""
    unit, client = repeating_unit(), new_client()
    now, telegram = 0.0, 0
    got: dict[tuple[int, int], float] = {}
    first_of: dict[int, float] = {}

    def note(address: int, data: bytes, *, may_repeat: bool) -> None:
        a = int.from_bytes(data, "big") - address
        assert a == telegram
        first = first_of.setdefault(a, now)
        assert (address, a) not in got or may_repeat or now - first <= CYCLE_S
        got[address, a] = now

    for pause, is_new, address in steps:
        now += pause
        if is_new:
            telegram += 1
            publish(unit, telegram)
        client.held = None
        data = unit.read_for(client, address, 1, now)
        if client.held is None:
            assert isinstance(data, bytes)
            note(address, data, may_repeat=False)
            continue
        held = client.held
        assert now < held.until <= math.nextafter(now + WAIT_S, math.inf)
        now = held.until
        held.expire()
        client.held = None
        data = unit.read_for(client, address, 1, now)
        assert client.held is None
        assert isinstance(data, bytes)
        note(address, data, may_repeat=True)


def test_a_held_request_of_a_client_that_was_forgotten_is_answered_at_once() -> None:
    unit, client = repeating_unit(), new_client()
    held_after(unit, client, 0, 2, 0.0)
    held = held_after(unit, client, 0, 2, LATER)
    assert held
    publish(unit, 1)
    assert not held_after(unit, new_client(), 0, 2, LATER)
    held.expire()
    assert not held_after(unit, client, 0, 2, LATER)


def test_within_a_cycle_the_same_request_is_answered_at_once_at_any_time() -> None:
    unit, client = repeating_unit(), new_client()
    for now in (1000.0, 1000.0 + CYCLE_S):
        assert not held_after(unit, client, 0, 2, now)
    assert held_after(unit, client, 0, 2, 1000.0 + LATER)
