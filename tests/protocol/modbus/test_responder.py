"""Single requests: the order of checks, unit ids, and the functions besides reads."""

from __future__ import annotations

import pytest

from gateway.protocol.modbus.monitor import OTHER, Exchange
from gateway.protocol.modbus.pdu import ExceptionCode, exception_response
from gateway.protocol.modbus.responder import UnitTable, respond_to_read
from gateway.protocol.modbus.unit import OnStale, Unit
from tests.protocol.modbus.small_units import (
    CLIENT,
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


@pytest.mark.parametrize("function_code", [3, 4])
@pytest.mark.parametrize(
    ("address", "count", "code"),
    [
        # Function, quantity, address, then processing (V1.1b3, figures 13 and 14).
        (60000, 126, 3),
        (60000, 0, 3),
        (65535, 2, 2),
        (60000, 125, 2),
        (0, 125, 11),
    ],
)
def test_checks_are_made_in_the_order_of_the_document(function_code: int, address: int, count: int, code: int) -> None:
    unit = small_unit(a=None)
    answer = respond_to_read(read_pdu(address, count, function_code), unit, 0.0, CLIENT)
    assert answer == bytes((0x80 | function_code, code))


@pytest.mark.parametrize("function_codes", [(3,), (4,), (3, 4)])
def test_a_map_is_read_by_its_own_functions_only(function_codes: tuple[int, ...]) -> None:
    asked = responder_of({1: small_unit(small_map(function_codes))})
    for function_code in (3, 4):
        expected = words(2, function_code=function_code) if function_code in function_codes else None
        answer = asked.respond(read_pdu(2, 1, function_code), 1, 0.0, CLIENT)
        assert answer == (expected or exception_response(function_code, ExceptionCode.ILLEGAL_FUNCTION))


def answered_by(unit_id: int, wired: dict[int, Unit], other: Unit | None = None) -> bytes | None:
    return responder_of(wired, other).respond(read_pdu(0, 1), unit_id, 0.0, CLIENT)


def test_unit_ids_0_and_255_are_the_lowest_wired_unit_unless_they_are_wired() -> None:
    units = {n: small_unit(a=n) for n in (0, 3, 7, 9, 255)}
    some = {n: units[n] for n in (9, 7)}
    assert answered_by(0, some) == answered_by(255, some) == words(7)
    assert answered_by(0, units) == words(0)
    assert answered_by(255, units) == words(255)
    assert answered_by(3, some) == answered_by(1, some) == b"\x83\x0a"


def test_every_other_unit_id_is_the_one_that_is_wired_for_it() -> None:
    other, wired = small_unit(a=99), {5: small_unit(a=5)}
    assert answered_by(5, wired, other) == words(5)
    assert answered_by(0, wired, other) == answered_by(255, wired, other) == words(5)
    assert all(answered_by(n, wired, other) == words(99) for n in range(1, 255) if n != 5)
    assert answered_by(0, {}, other) == answered_by(255, {}, other) == words(99)
    assert UnitTable(wired, other).wired == (5,)


@pytest.mark.parametrize("pdu", ["0300000001", "06", "2b0e0100", "64", "ff"])
def test_a_unit_id_that_nothing_is_wired_to_is_0a_whatever_is_asked(pdu: str) -> None:
    request = bytes.fromhex(pdu)
    answer = responder_of({5: small_unit()}).respond(request, 1, 0.0, CLIENT)
    assert answer == bytes((request[0] | 0x80, 0x0A))
    assert responder_of({}).respond(request, 0, 0.0, CLIENT) == answer


WRITABLE = (3, 4, 5, 9)


@pytest.mark.parametrize(
    ("pdu", "answer"),
    [
        ("06 0003 1234", "06 0003 1234"),
        ("10 0003 0001 02 1234", "10 0003 0001"),
        ("10 0003 0003 06 000100020003", "10 0003 0003"),
        ("06 0002 1234", "86 02"),
        ("06 0006 1234", "86 02"),
        ("10 0002 0002 04 00010002", "90 02"),
        ("10 0005 0002 04 00010002", "90 02"),
        ("10 0005 0005 0a 00010002000300040005", "90 02"),
        ("10 ffff 0002 04 00010002", "90 02"),
        ("06", "86 03"),
        ("06 0003 12", "86 03"),
        ("06 0003 1234 00", "86 03"),
        ("10 0003", "90 03"),
        ("10 0003 0001", "90 03"),
        ("10 0003 0001 02", "90 03"),
        ("10 0003 0001 02 12", "90 03"),
        ("10 0003 0001 02 123400", "90 03"),
        ("10 0003 0001 04 12345678", "90 03"),
        ("10 0003 0002 02 1234", "90 03"),
        ("10 0003 0000 00", "90 03"),
        ("10 0003 007c f8" + "00" * 248, "90 03"),
        ("05 0003 ff00", "85 01"),
        ("16 0003 0000 0000", "96 01"),
        ("17 0003 0001 0003 0001 02 0001", "97 01"),
    ],
)
def test_a_write_that_a_map_accepts_is_answered_and_changes_nothing(pdu: str, answer: str) -> None:
    asked = responder_of({1: small_unit(small_map(accept_writes=WRITABLE))})
    before = ask(mbap(1, read_pdu(0, 125)), asked)
    assert asked.respond(bytes.fromhex(pdu), 1, 0.0, CLIENT) == bytes.fromhex(answer)
    assert ask(mbap(1, read_pdu(0, 125)), asked) == before


def test_the_most_registers_of_one_write_are_accepted() -> None:
    asked = responder_of({1: small_unit(small_map(accept_writes=tuple(range(123))))})
    request = bytes.fromhex("100000007bf6") + bytes(246)
    assert asked.respond(request, 1, 0.0, CLIENT) == bytes.fromhex("100000007b")


@pytest.mark.parametrize("pdu", ["0600031234", "1000030001021234"])
@pytest.mark.parametrize("on_stale", OnStale)
def test_a_write_to_any_other_map_is_01_fresh_or_stale(pdu: str, on_stale: OnStale) -> None:
    request = bytes.fromhex(pdu)
    for a in (1, None):
        asked = responder_of({1: small_unit(on_stale=on_stale, a=a)})
        assert asked.respond(request, 1, 0.0, CLIENT) == bytes((request[0] | 0x80, 1))


def test_a_serial_line_has_diagnostics_and_the_server_id_and_tcp_has_not() -> None:
    line, tcp = (responder_of({1: small_unit()}, is_serial=is_serial) for is_serial in (True, False))
    for pdu, on_a_line in {
        "080000": "080000",
        "0800001234": "0800001234",
        "0800001234567890": "0800001234567890",
        "0800010000": "8801",
        "08001b0000": "8801",
        "08": "8803",
        "0800": "8803",
        "11": "1105434f4445ff",
        "1100": "9103",
        "07": "8701",
        "0b": "8b01",
        "0c": "8c01",
    }.items():
        request = bytes.fromhex(pdu)
        assert line.respond(request, 1, 0.0, CLIENT) == bytes.fromhex(on_a_line)
        assert tcp.respond(request, 1, 0.0, CLIENT) == bytes((request[0] | 0x80, 1))


def test_on_a_serial_line_only_its_own_units_are_answered_and_no_broadcast() -> None:
    line = responder_of({0: small_unit(), 5: small_unit(a=5)}, is_serial=True)
    assert [line.respond(read_pdu(0, 1), unit_id, 0.0, CLIENT) for unit_id in (0, 1, 5, 6)] == [
        None,
        None,
        words(5),
        None,
    ]
    # What is no business of this server is not counted as asked of it.
    assert line.monitor.requests == {(5, 3): 1}


def test_every_function_but_those_that_are_there_is_01() -> None:
    asked = responder_of({1: small_unit()})
    for function_code in set(range(256)) - {3, 4, 43}:
        request = bytes((function_code, 0, 0, 0, 1))
        assert asked.respond(request, 1, 0.0, CLIENT) == bytes((function_code | 0x80, 1))


def test_what_is_noted_is_what_was_asked_and_answered() -> None:
    asked = responder_of({1: small_unit()})
    ask(mbap(7, read_pdu(0, 1)) * 2 + mbap(8, b"\x64"), asked, now=3.5)
    assert list(asked.monitor.newest()) == [
        Exchange(3.5, CLIENT.name, 1, b"\x64", b"\xe4\x01"),
        Exchange(3.5, CLIENT.name, 1, read_pdu(0, 1), words(0)),
        Exchange(3.5, CLIENT.name, 1, read_pdu(0, 1), words(0)),
    ]
    assert asked.monitor.requests == {(1, 3): 2, (1, OTHER): 1}
    assert asked.monitor.exceptions == {(1, OTHER, 1): 1}


def test_the_last_address_can_be_read_and_none_beyond_it() -> None:
    last = register_map([block(0xFFFE, 0x10000)], [number(0xFFFE, "a"), number(0xFFFF, "a")])
    responder = responder_of({1: small_unit(last, a=7)})
    assert ask(mbap(1, read_pdu(0xFFFF, 1)), responder) == mbap(1, words(7))
    assert ask(mbap(1, read_pdu(0xFFFE, 2)), responder) == mbap(1, words(7, 7))
    assert ask(mbap(1, read_pdu(0xFFFF, 2)), responder) == mbap(1, b"\x83\x02")
