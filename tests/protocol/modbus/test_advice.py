"""The usual mistakes of clients are recognised, and what is no mistake is not called one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.maps.load import find_map, load_map
from gateway.protocol.modbus.advice import Advice, Mistake, advice_text, advise
from gateway.protocol.modbus.monitor import Exchange, Monitor
from gateway.protocol.modbus.responder import Responder, UnitTable
from gateway.protocol.modbus.unit import OnStale, Unit
from gateway.protocol.registers.register import TABLE
from tests.conftest import ROOT
from tests.protocol.modbus.small_units import CLIENT, IDENTIFICATION, block, number, register_map, small_unit, text


def unit(name: str, *, is_silent: bool = False) -> Unit:
    made = Unit(load_map(find_map(name, ROOT)), OnStale.EXCEPTION, lambda _now: {})
    if not is_silent:
        made.publish(made.register_map.readings.encode({}), 1000)
    return made


UNITS = UnitTable({1: unit("dsmr"), 2: unit("eastron-sdm630"), 3: unit("dsmr-5", is_silent=True)})


def advice_on(request: str, unit_id: int = 1, units: UnitTable = UNITS) -> Advice | None:
    """Send a request, and return the advice on it."""
    responder = Responder(units, IDENTIFICATION, Monitor())
    pdu = bytes.fromhex(request)
    return advise(Exchange(0, CLIENT.name, unit_id, pdu, responder.respond(pdu, unit_id, 0, CLIENT)), units)


def read(address: int, count: int, function_code: int = 3) -> str:
    return bytes((function_code, *address.to_bytes(2, "big"), *count.to_bytes(2, "big"))).hex()


@pytest.mark.parametrize(
    ("request_pdu", "unit_id", "expected"),
    [
        (read(100, 2), 1, None),
        (read(100, 100), 1, None),
        # Half a number and whole blocks are read by those who know what they do.
        (read(101, 1), 1, None),
        (read(101, 9), 1, None),
        (read(52, 10, 4), 2, None),
        (read(0, 20, 4), 2, Advice(Mistake.ABSENT_VALUE, register="current_l1")),
        (read(101, 2), 1, Advice(Mistake.ONE_OFF, 100, "power_net")),
        (read(201, 4), 1, Advice(Mistake.ONE_OFF, 200, "energy_import")),
        (read(99, 2), 1, Advice(Mistake.ONE_OFF, 100, "power_net")),
        (read(40_101, 2), 1, Advice(Mistake.MANUAL_NUMBER, 100, "power_net")),
        (read(30_053, 2, 4), 2, Advice(Mistake.MANUAL_NUMBER, 52, "power")),
        (read(72, 2), 1, Advice(Mistake.OTHER_UNIT, 2, "energy_import")),
        (read(50_000, 2), 1, Advice(Mistake.MAP)),
        (read(0xFFFF, 2), 1, Advice(Mistake.MAP)),
        (read(100, 126), 1, Advice(Mistake.QUANTITY, 125)),
        (read(100, 0), 1, Advice(Mistake.QUANTITY, 125)),
        (read(100, 2), 9, Advice(Mistake.UNIT_ID)),
        (read(100, 2), 3, Advice(Mistake.SILENT_METER)),
        ("0600640001", 1, Advice(Mistake.FUNCTION)),
        ("01000000ff", 1, Advice(Mistake.FUNCTION)),
        ("2b0e0100", 1, None),
    ],
)
def test_it_is_named_with_what_to_ask_instead(request_pdu: str, unit_id: int, expected: Advice | None) -> None:
    assert advice_on(request_pdu, unit_id) == expected


def test_the_only_unit_is_named_for_a_wrong_one() -> None:
    units = UnitTable({7: unit("dsmr")})
    assert advice_on(read(100, 2), 1, units) == Advice(Mistake.UNIT_ID, 7)


def test_a_map_for_one_function_code_says_which() -> None:
    sdm = load_map(find_map("eastron-sdm630", ROOT))
    only = Unit(sdm, OnStale.EXCEPTION, lambda _now: {})
    only.function_codes = frozenset({4})
    assert advice_on(read(0, 2), 1, UnitTable({1: only})) == Advice(Mistake.FUNCTION, 4)


def text_on(advice: Advice, request: str, unit_id: int = 1) -> str:
    return advice_text(advice, Exchange(0, CLIENT.name, unit_id, bytes.fromhex(request), None))


def test_an_advice_says_what_to_change_and_why() -> None:
    assert text_on(Advice(Mistake.ONE_OFF, 100, "power_net"), read(101, 2)) == (
        "Read power_net at address 100 instead of 101. Address 101 is off by one. "
        "Some programs count addresses from 1, the gateway counts from 0."
    )
    assert text_on(Advice(Mistake.UNIT_ID, 7), read(100, 2), 9) == (
        "Read unit 7 instead of unit 9. Unit 9 is not configured."
    )
    assert text_on(Advice(Mistake.QUANTITY, 125), read(100, 126)) == (
        "Read 1 to 125 registers with one request. The request asks for 126 registers."
    )


def test_an_advice_without_a_known_remedy_names_none() -> None:
    assert (
        text_on(Advice(Mistake.UNIT_ID), read(100, 2), 9) == "Read a unit that is configured. Unit 9 is not configured."
    )
    assert text_on(Advice(Mistake.FUNCTION), "0600640001") == (
        "Turn this request off in the client, if that is possible. Function code 6 is not supported."
    )
    assert text_on(Advice(Mistake.MAP), read(50_000, 2)) == (
        "Choose the register map that this client expects. No unit has a register at address 50000."
    )


def test_a_register_of_another_table_is_named_with_its_function_code() -> None:
    in_table = replace(number(10, name="power"), function_code=4)
    compiled = register_map([block(2 * TABLE + 10, 2 * TABLE + 11)], [in_table])
    units = UnitTable({1: small_unit(compiled)})
    assert advice_on(read(10, 1, 4), 1, units) is None
    assert advice_on(read(10, 1, 3), 1, units) == Advice(Mistake.OTHER_FUNCTION, 4, "power")


def test_a_part_of_a_text_or_of_another_table_is_no_mistake() -> None:
    in_table = replace(number(10, "a", "uint32"), function_code=4)
    compiled = register_map(
        [block(0, 20), block(in_table.place, in_table.place + 2)],
        [text(0, "t", 2), number(10, "a", "uint32"), in_table],
    )
    units = UnitTable({1: small_unit(compiled)})
    assert advice_on(read(1, 2), 1, units) is None
    assert advice_on(read(11, 2), 1, units) == Advice(Mistake.ONE_OFF, 10, "r10")


def test_address_0_has_registers_too() -> None:
    first, other = register_map([block(0, 1)], [number(0, name="first")]), register_map([block(5, 6)], [number(5)])
    units = UnitTable({1: small_unit(first), 2: small_unit(other)})
    assert advice_on(read(0, 1), 2, units) == Advice(Mistake.OTHER_UNIT, 1, "first")
    assert advice_on(read(1, 1), 1, units) == Advice(Mistake.ONE_OFF, 0, "first")


@pytest.mark.parametrize(("address", "count"), [(10, 1), (10, 4), (11, 1), (11, 3), (8, 3), (8, 4)])
def test_a_value_that_is_absent_is_named_for_each_read_that_has_a_part_of_it(address: int, count: int) -> None:
    absent = replace(number(10, "absent", "uint32", name="power"), refuses_absent=True)
    later = replace(number(12, "absent", "uint32", name="later"), refuses_absent=True)
    compiled = register_map([block(0, 14)], [number(8), number(9), absent, later])
    units = UnitTable({1: small_unit(compiled)})
    assert advice_on(read(address, count), 1, units) == Advice(Mistake.ABSENT_VALUE, register="power")
    assert advice_on(read(12, 2), 1, units) == Advice(Mistake.ABSENT_VALUE, register="later")
    assert advice_on(read(8, 2), 1, units) is None


def test_a_value_that_the_telegram_has_is_not_named_as_absent() -> None:
    registers = [number(10, "a", name="power"), number(11, "absent", name="frequency")]
    compiled = register_map([block(0, 14)], [replace(each, refuses_absent=True) for each in registers])
    units = UnitTable({1: small_unit(compiled)})
    assert advice_on(read(10, 2), 1, units) == Advice(Mistake.ABSENT_VALUE, register="frequency")


def test_there_is_no_advice_on_a_request_that_was_busy() -> None:
    pdu = bytes.fromhex(read(101, 2))
    assert advise(Exchange(0, CLIENT.name, 1, pdu, b"\x83\x06"), UNITS) is None


@pytest.mark.parametrize("count", [1, 125])
def test_there_is_no_advice_on_the_smallest_and_the_largest_read(count: int) -> None:
    assert advice_on(read(0, count), 1, UnitTable({1: small_unit()})) is None
