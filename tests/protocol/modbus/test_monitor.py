"""The monitor: what it counts, what it keeps, and how an exchange reads."""

from __future__ import annotations

import pytest

from gateway.protocol.modbus.monitor import (
    CLIENTS_GIVEN_UP,
    MAX_CLIENTS,
    MAX_COUNTERS,
    RECENT_REQUESTS,
    Exchange,
    Monitor,
)
from tests.protocol.modbus.small_units import CLIENT, read_pdu, words


def noted(count: int) -> Monitor:
    """A monitor that has seen reads of address 0, 1, 2 and so on."""
    monitor = Monitor()
    for address in range(count):
        monitor.note(float(address), CLIENT, 1, read_pdu(address, 1), words(address))
    return monitor


def test_requests_are_counted_by_unit_and_function() -> None:
    monitor = Monitor()
    monitor.name_units((1, 2))
    for unit_id, function_code in ((1, 3), (1, 3), (1, 4), (2, 3)):
        monitor.note(0.0, CLIENT, unit_id, read_pdu(0, 1, function_code), words(0))
    assert monitor.requests == {(1, 3): 2, (1, 4): 1, (2, 3): 1}
    assert monitor.noted == 4
    assert not monitor.exceptions


def test_exceptions_are_counted_by_their_code_too() -> None:
    monitor = Monitor()
    monitor.name_units([1])
    for answer in (b"\x83\x02", b"\x83\x02", b"\x83\x0b", words(1), None):
        monitor.note(0.0, CLIENT, 1, read_pdu(0, 1), answer)
    assert monitor.exceptions == {(1, 3, 2): 2, (1, 3, 11): 1}
    # A request without response is a request.
    assert monitor.requests == {(1, 3): 5}


def test_the_newest_thousand_are_kept_and_all_are_counted() -> None:
    monitor = noted(RECENT_REQUESTS + 7)
    assert len(monitor.recent) == RECENT_REQUESTS == 1000
    assert monitor.noted == RECENT_REQUESTS + 7
    kept = monitor.since(0)
    assert [exchange.at for exchange in kept] == [float(n) for n in range(7, RECENT_REQUESTS + 7)]
    assert kept[0] == Exchange(7.0, CLIENT.name, 1, read_pdu(7, 1), words(7))


@pytest.mark.parametrize(
    ("count", "since", "expected"),
    [
        (0, 0, []),
        (3, 0, [0, 1, 2]),
        (3, 1, [1, 2]),
        (3, 3, []),
        # The counters have started again since: nothing is invented.
        (3, 9, []),
        (1002, 1000, [1000, 1001]),
        (1002, 2, list(range(2, 1002))),
        (1002, 1, list(range(2, 1002))),
    ],
)
def test_who_follows_gets_each_exchange_once(count: int, since: int, expected: list[int]) -> None:
    assert [exchange.at for exchange in noted(count).since(since)] == expected


def test_following_a_growing_monitor_misses_nothing() -> None:
    monitor, seen, known = Monitor(), [], 0
    for burst in (1, 0, 5, 999, 1000, 2):
        for _ in range(burst):
            monitor.note(float(monitor.noted), CLIENT, 1, read_pdu(0, 1), None)
        seen += [exchange.at for exchange in monitor.since(known)]
        known = monitor.noted
    assert seen == [float(n) for n in range(2007)]


@pytest.mark.parametrize(
    ("request_pdu", "answer", "expected"),
    [
        (read_pdu(107, 2), words(0x0102, 0xA0B0), "FC03 address 107 (40108) count 2: 4 bytes 0102 a0b0"),
        (read_pdu(9998, 1), b"\x83\x02", "FC03 address 9998 (49999) count 1: exception 0x02"),
        (read_pdu(9999, 1), b"\x83\x02", "FC03 address 9999 (410000) count 1: exception 0x02"),
        (read_pdu(40_107, 1, 4), b"\x84\x02", "FC04 address 40107 (340108) count 1: exception 0x02"),
        (read_pdu(0, 1, 4), words(7, function_code=4), "FC04 address 0 (30001) count 1: 2 bytes 0007"),
        (read_pdu(65535, 125), b"\x83\x02", "FC03 address 65535 (465536) count 125: exception 0x02"),
        (read_pdu(0, 1), b"\x83\x0b", "FC03 address 0 (40001) count 1: exception 0x0B"),
        (read_pdu(0, 1), None, "FC03 address 0 (40001) count 1: no response"),
        (b"\x03\x00", b"\x83\x03", "FC03: exception 0x03"),
        (read_pdu(0, 1) + b"\0", b"\x83\x03", "FC03: exception 0x03"),
        (b"\x06\0\1\0\2", b"\x86\x01", "FC06: exception 0x01"),
        (b"\xff", b"\xff\x01", "FC255: exception 0x01"),
        (b"\x11", b"\x11\x02A\xff", "FC17: 2 bytes 41ff"),
    ],
)
def test_an_exchange_reads_as_a_line(request_pdu: bytes, answer: bytes | None, expected: str) -> None:
    assert str(Exchange(0.0, CLIENT.name, 9, request_pdu, answer)) == f"{CLIENT.name} unit 9 {expected}"


def test_what_a_scanner_asks_is_counted_in_bounded_memory() -> None:
    monitor = Monitor()
    monitor.name_units(range(256))
    for unit_id in range(256):
        for function in range(1, 128):
            monitor.note(0, CLIENT, unit_id, bytes((function, 0)), bytes((function | 0x80, 1)))
    assert len(monitor.requests) == len(monitor.exceptions) == MAX_COUNTERS + 1
    assert monitor.noted == 256 * 127
    assert monitor.exceptions.total() == 256 * 127
    before = monitor.requests[0, 1]
    monitor.note(0, CLIENT, 0, b"\x01", None)
    assert monitor.requests[0, 1] == before + 1


def answer(monitor: Monitor, name: str, count: int, at: float) -> None:
    """Give a client `count` responses."""
    client = monitor.client(name, at)
    client.responses += count
    client.at = at


def test_answers_are_counted_by_client_and_those_silent_longest_are_given_up() -> None:
    monitor = Monitor()
    for number in range(MAX_CLIENTS):
        answer(monitor, f"client {number}", 2, number)
        answer(monitor, "client 0", 1, number)
    answer(monitor, "newcomer", 2, MAX_CLIENTS)
    given_up = [f"client {number}" for number in range(1, CLIENTS_GIVEN_UP + 1)]
    assert not set(given_up) & monitor.responses.keys()
    assert monitor.responses["client 0"] == 2 + MAX_CLIENTS
    assert monitor.responses["newcomer"] == 2
    assert len(monitor.responses) == MAX_CLIENTS - CLIENTS_GIVEN_UP + 1
    for number in range(2 * MAX_CLIENTS):
        answer(monitor, f"one of a crowd {number}", 1, MAX_CLIENTS + number)
        answer(monitor, "client 0", 1, MAX_CLIENTS + number)
        assert len(monitor.responses) <= MAX_CLIENTS
    assert monitor.responses["client 0"] == 2 + 3 * MAX_CLIENTS


def test_a_client_that_is_connected_is_not_given_up_however_many_others_come() -> None:
    monitor = Monitor()
    quiet, leaving = monitor.connect("quiet", 0.0), monitor.connect("leaving", 0.0)
    leaving.is_connected = False
    for number in range(2 * MAX_CLIENTS):
        answer(monitor, f"one of a crowd {number}", 1, float(number))
    quiet.responses += 1
    assert monitor.responses["quiet"] == 1
    assert "leaving" not in monitor.responses
    crowd = [monitor.connect(f"connected {number}", 0.0) for number in range(2 * MAX_CLIENTS)]
    assert monitor.responses.keys() == {"quiet", *(client.name for client in crowd)}


def test_a_client_that_returns_under_the_same_name_is_counted_from_zero() -> None:
    monitor = Monitor()
    first = monitor.connect("192.0.2.1:50000", 0.0)
    first.responses += 3
    again = monitor.connect("192.0.2.1:50000", 9.0)
    first.is_connected = False
    assert (again.responses, again.is_connected) == (0, True)
    assert monitor.responses == {"192.0.2.1:50000": 0}
