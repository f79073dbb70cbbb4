"""A response that is sent again is the one that would be computed again."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.modbus.device_identification import Identification
from gateway.protocol.modbus.monitor import Monitor
from gateway.protocol.modbus.responder import MAX_READY, Responder, UnitTable
from gateway.protocol.modbus.tcp import respond_again
from gateway.protocol.modbus.unit import OnStale
from tests.protocol.modbus.small_units import (
    CLIENT,
    IDENTIFICATION,
    ask,
    block,
    mbap,
    number,
    read_pdu,
    register_map,
    responder_of,
    small_map,
    small_unit,
    words,
)

BORDER = 1000.0
"""Until when the units here are fresh."""


def test_the_same_request_gives_the_same_registers_under_its_own_id() -> None:
    asked = responder_of({1: small_unit()})
    for transaction_id in (1, 2, 0xFFFF, 2):
        assert ask(mbap(transaction_id, read_pdu(3, 2)), asked) == mbap(transaction_id, words(3, 4))
    assert len(asked.ready) == 1


def test_requests_that_differ_in_one_byte_are_not_taken_for_each_other() -> None:
    asked = responder_of({1: small_unit(a=0), 2: small_unit(a=100)})
    for _ in range(2):
        assert ask(mbap(1, read_pdu(3, 1)), asked) == mbap(1, words(3))
        assert ask(mbap(1, read_pdu(3, 1, 4)), asked) == mbap(1, words(3, function_code=4))
        assert ask(mbap(1, read_pdu(3, 2)), asked) == mbap(1, words(3, 4))
        assert ask(mbap(1, read_pdu(4, 1)), asked) == mbap(1, words(4))
        assert ask(mbap(1, read_pdu(3, 1), unit_id=2), asked) == mbap(1, words(103), unit_id=2)
        assert ask(mbap(1, read_pdu(3, 1), unit_id=0), asked) == mbap(1, words(3), unit_id=0)
        assert ask(mbap(1, read_pdu(3, 1), unit_id=3), asked) == mbap(1, b"\x83\x0a", unit_id=3)


def test_a_new_telegram_is_in_the_very_next_answer() -> None:
    unit = small_unit(a=0)
    asked = responder_of({1: unit})
    request = mbap(1, read_pdu(0, 2))
    for a in (0, 5, 9, 5):
        unit.publish(unit.register_map.readings.encode({"a": a}), BORDER)
        assert ask(request + request, asked) == mbap(1, words(a, a + 1)) * 2


@pytest.mark.parametrize("on_stale", OnStale)
def test_an_answer_is_not_given_again_when_it_is_stale(on_stale: OnStale) -> None:
    asked = responder_of({1: small_unit(on_stale=on_stale, fresh_until=BORDER)})
    request = mbap(1, read_pdu(3, 1))
    stale = {
        OnStale.EXCEPTION: mbap(1, b"\x83\x0b"),
        OnStale.SILENT: b"",
        OnStale.ABSENT: mbap(1, words(0xFFFF)),
        OnStale.HOLD: mbap(1, words(3)),
    }
    for _ in range(2):
        assert ask(request, asked, BORDER) == mbap(1, words(3))
        assert ask(request, asked, math.nextafter(BORDER, math.inf)) == stale[on_stale]
    assert asked.monitor.requests[1, 3] == 4


def test_a_stale_answer_is_not_given_again_when_a_telegram_has_come() -> None:
    unit = small_unit(on_stale=OnStale.ABSENT, a=None)
    asked = responder_of({1: unit})
    request = mbap(1, read_pdu(3, 1))
    assert ask(request, asked) == mbap(1, words(0xFFFF))
    unit.publish(unit.register_map.readings.encode({"a": 1}), BORDER)
    assert ask(request, asked) == mbap(1, words(4))


def test_a_silent_unit_leaves_the_others_their_answers() -> None:
    silent = small_unit(on_stale=OnStale.SILENT, a=None)
    asked = responder_of({1: silent, 2: small_unit()})
    pipeline = [mbap(i, read_pdu(i, 1), unit_id=1 + i % 2) for i in range(6)]
    answers = b"".join(mbap(i, words(i), unit_id=2) for i in (1, 3, 5))
    assert ask(b"".join(pipeline), asked) == answers
    assert asked.monitor.requests == {(1, 3): 3, (2, 3): 3}


def test_what_the_gateway_says_of_itself_is_never_old() -> None:
    said = iter(range(10))
    unit = small_unit(status_values=lambda _now: {"gateway_simulated": next(said)})
    asked = responder_of({1: unit})
    for n in range(3):
        assert ask(mbap(1, read_pdu(1001, 1)), asked) == mbap(1, words(n))


@pytest.mark.parametrize("pdu", ["0300000000", "030000007e", "0600000001", "0600000000"])
def test_a_refusal_is_counted_each_time(pdu: str) -> None:
    asked = responder_of({1: small_unit()})
    request = bytes.fromhex(pdu)
    code = 1 if request[0] == 6 else 3
    for n in (1, 2, 3):
        assert ask(mbap(n, request), asked) == mbap(n, bytes((request[0] | 0x80, code)))
        assert asked.monitor.exceptions == {(1, request[0], code): n}
    assert not asked.ready


def test_no_more_answers_are_kept_than_the_limit_says() -> None:
    asked = responder_of({1: small_unit()})
    for _ in range(2):
        for address in range(130):
            for count in range(1, min(6, 131 - address)):
                expected = mbap(1, words(*range(address, address + count)))
                assert ask(mbap(1, read_pdu(address, count)), asked) == expected
                assert 0 < len(asked.ready) <= MAX_READY


def test_other_units_answer_from_the_next_request_on() -> None:
    compiled = small_map()
    asked = responder_of({1: small_unit(compiled, a=0)})
    request = mbap(1, read_pdu(0, 1)) + mbap(2, bytes.fromhex("2b0e0400"))
    assert ask(request, asked) == mbap(1, words(0)) + mbap(2, bytes.fromhex("2b0e04820000010006") + b"Vendor")
    asked.rewire(
        UnitTable({1: small_unit(compiled, a=50), 2: small_unit(compiled, a=7)}), Identification("New", "1", "1")
    )
    assert ask(request, asked) == mbap(1, words(50)) + mbap(2, bytes.fromhex("2b0e04820000010003") + b"New")
    asked.rewire(UnitTable({2: small_unit(compiled, a=7)}), Identification("New", "1", "1"))
    assert ask(mbap(1, read_pdu(0, 1)), asked) == mbap(1, b"\x83\x0a")


steps = st.one_of(
    st.tuples(st.just("rewire"), st.sampled_from([(1, 2), (2, 1), (1,), (2,)])),
    st.tuples(st.just("telegram"), st.integers(1, 2), st.integers(0, 2)),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 1.0, 10.0])),
    st.tuples(
        st.just("request"),
        st.sampled_from([3, 4, 6]),
        st.sampled_from([0, 1, 128, 1000, 60000]),
        st.integers(0, 3),
        st.sampled_from([0, 1, 2, 3, 255]),
    ),
)


@given(st.lists(steps, max_size=40), st.sampled_from(OnStale))
@settings(max_examples=300)
def test_responses_are_the_same_as_if_each_were_computed_from_scratch(
    story: list[tuple[Any, ...]], on_stale: OnStale
) -> None:
    compiled = small_map(accept_writes=(1,))
    units = {n: small_unit(compiled, on_stale, a=None) for n in (1, 2)}
    asked = responder_of(units)
    now, requests, exceptions = 0.0, Counter[tuple[int, int]](), Counter[tuple[int, int, int]]()
    for transaction_id, (what, *step) in enumerate(story):
        if what == "wait":
            now += step[0]
        elif what == "telegram":
            units[step[0]].publish(compiled.readings.encode({"a": step[1]}), now + 10)
        elif what == "rewire":
            asked.rewire(UnitTable({n: units[unit] for n, unit in enumerate(step[0], start=1)}), IDENTIFICATION)
        else:
            function_code, address, count, unit_id = step
            request = mbap(transaction_id, read_pdu(address, count, function_code), unit_id)
            fresh_mind = Responder(asked.units, IDENTIFICATION, Monitor())
            fresh_mind.monitor.name_units(units)
            expected = ask(request, fresh_mind, now)
            assert ask(request, asked, now) == expected
            requests += fresh_mind.monitor.requests
            exceptions += fresh_mind.monitor.exceptions
            assert next(asked.monitor.newest()) == next(fresh_mind.monitor.newest())
    assert asked.monitor.requests == requests
    assert asked.monitor.exceptions == exceptions


def test_a_response_that_is_sent_again_is_counted_once() -> None:
    asked, frame = responder_of({1: small_unit()}), mbap(1, read_pdu(3, 2))
    ask(frame, asked)
    before, of_client = dict(asked.monitor.requests), CLIENT.responses
    assert respond_again(frame, asked, 0.0, CLIENT) == mbap(1, words(3, 4))
    assert asked.monitor.requests == {key: count + 1 for key, count in before.items()}
    assert CLIENT.responses == of_client + 1


def test_a_response_from_the_table_of_a_function_code_is_kept_too() -> None:
    in_table = replace(number(4, "a"), function_code=4)
    compiled = register_map([block(in_table.place, in_table.place + 1)], [in_table])
    asked = responder_of({1: small_unit(compiled, a=7)})
    for _ in range(2):
        assert ask(mbap(1, read_pdu(4, 1, 4)), asked) == mbap(1, words(7, function_code=4))
    assert len(asked.ready) == 1
