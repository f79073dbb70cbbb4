"""Framing of Modbus/TCP: whatever bytes come, and however they come.

What single requests are answered stands in `test_modbus_requests.py`, and answers given again in
`test_modbus_ready.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.responder import Responder
from gateway.protocol.modbus.tcp import MAX_ADU_BYTES, respond_again, respond_datagram, respond_tcp
from gateway.protocol.modbus.unit import OnStale
from tests.protocol.modbus.small_units import (
    CLIENT,
    ask,
    mbap,
    read_pdu,
    responder_of,
    small_map,
    small_unit,
    words,
)

BORDER = 1000.0
"""Until when the units here are fresh."""


def responder(on_stale: OnStale = OnStale.EXCEPTION) -> Responder:
    return responder_of({1: small_unit(on_stale=on_stale, fresh_until=BORDER)})


def feed(segments: Iterable[bytes], to: Responder, now: float = 0.0) -> tuple[bytes, bytes, bool]:
    """Answers, what is left over, and whether all was Modbus, as a connection gets them segment by segment."""
    buffer, answers, is_modbus = b"", b"", True
    for segment in segments:
        buffer += segment
        answer, used, is_modbus = respond_tcp(buffer, to, now, CLIENT)
        answers += answer
        buffer = buffer[used:]
        if not is_modbus:
            break
    return answers, buffer, is_modbus


def frames(stream: bytes) -> list[tuple[int, int, bytes]]:
    """Return transaction id, unit id and PDU of each response; fail on anything else."""
    found = []
    while stream:
        assert len(stream) >= 8
        assert stream[2:4] == b"\0\0"
        length = int.from_bytes(stream[4:6], "big")
        assert 2 <= length <= 254
        pdu = stream[7 : 6 + length]
        assert len(pdu) == length - 1
        found.append((int.from_bytes(stream[:2], "big"), stream[6], pdu))
        stream = stream[6 + length :]
    return found


EXCHANGES = [
    (read_pdu(0, 1), words(0)),
    (read_pdu(5, 3, 4), words(5, 6, 7, function_code=4)),
    (read_pdu(0, 0), b"\x83\x03"),
    (read_pdu(0, 126), b"\x83\x03"),
    (read_pdu(0, 125), words(*range(125))),
    (read_pdu(130, 1), b"\x83\x02"),
    (read_pdu(65535, 125, 4), b"\x84\x02"),
    (b"\x03", b"\x83\x03"),
    (read_pdu(0, 1) + b"\0", b"\x83\x03"),
    (bytes.fromhex("0600000001"), b"\x86\x01"),
    (b"\x64" + bytes(252), b"\xe4\x01"),
    (b"\xff", b"\xff\x01"),
    (bytes.fromhex("2b0e0400"), bytes.fromhex("2b0e04820000010006") + b"Vendor"),
    (read_pdu(0, 1), words(0)),
    (read_pdu(0, 1), words(0)),
    (read_pdu(129, 1), words(129)),
]
REQUESTS = [mbap(0xFFF8 + i & 0xFFFF, pdu) for i, (pdu, _) in enumerate(EXCHANGES)]
ANSWERS = b"".join(mbap(0xFFF8 + i & 0xFFFF, pdu) for i, (_, pdu) in enumerate(EXCHANGES))
STREAM = b"".join(REQUESTS)


def test_sixteen_requests_in_one_segment_are_answered_in_order_under_their_own_ids() -> None:
    assert len(REQUESTS) == 16
    assert ask(STREAM, responder()) == ANSWERS


def test_sixteen_requests_in_as_many_segments_are_answered_alike() -> None:
    assert feed(REQUESTS, responder()) == (ANSWERS, b"", True)


def test_a_stream_cut_anywhere_is_answered_alike() -> None:
    for cut in range(len(STREAM) + 1):
        assert feed([STREAM[:cut], STREAM[cut:]], responder()) == (ANSWERS, b"", True)


def test_a_stream_that_comes_byte_by_byte_is_answered_alike() -> None:
    assert feed((bytes((byte,)) for byte in STREAM), responder()) == (ANSWERS, b"", True)


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
@settings(max_examples=100)
def test_a_stream_cut_many_times_is_answered_alike(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    segments = [STREAM[a:b] for a, b in pairwise(places)]
    assert feed(segments, responder()) == (ANSWERS, b"", True)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_buffer_is_read_and_left_as_it_is(kind: Callable[[bytes], bytes]) -> None:
    received = kind(bytes(STREAM))
    assert ask(received, responder()) == ANSWERS
    assert bytes(received) == STREAM


@pytest.mark.parametrize("length", range(12))
def test_the_beginning_of_a_request_is_kept_for_its_rest(length: int) -> None:
    beginning = REQUESTS[0][:length]
    assert respond_tcp(beginning, responder(), 0.0, CLIENT) == (b"", 0, True)
    answers, used, is_modbus = respond_tcp(REQUESTS[1] + beginning, responder(), 0.0, CLIENT)
    assert (answers, used, is_modbus) == (ask(REQUESTS[1], responder()), 12, True)


@pytest.mark.parametrize(
    "header",
    ["000100010006", "0001ffff0006", "000101000006", "000100000000", "000100000001", "0001000000ff", "00010000ffff"],
)
def test_a_foreign_protocol_id_or_a_length_of_no_request_ends_the_stream(header: str) -> None:
    lie = bytes.fromhex(header) + b"\1" + read_pdu(0, 1)
    first, last = mbap(7, read_pdu(3, 1)), mbap(9, read_pdu(4, 1))
    # The responses before it are still sent, and nothing after it is taken for a request.
    assert respond_tcp(first + lie + last, responder(), 0.0, CLIENT) == (mbap(7, words(3)), 12, False)
    # The header is enough to tell.
    assert respond_tcp(lie[:6], responder(), 0.0, CLIENT) == (b"", 0, False)


def test_a_foreign_protocol_id_is_noticed_when_the_rest_of_the_request_is_known() -> None:
    asked = responder()
    assert ask(mbap(1, read_pdu(0, 1)), asked) == mbap(1, words(0))
    lie = bytes.fromhex("000200010006") + b"\1" + read_pdu(0, 1)
    assert respond_tcp(lie, asked, 0.0, CLIENT) == (b"", 0, False)


def test_a_length_that_is_too_short_makes_its_own_request_and_the_rest_no_request() -> None:
    # Unit id and function code alone; what follows them is read as a header with a foreign protocol id.
    lie = bytes.fromhex("0001 0000 0002 01 03 0000 0001 0000")
    assert respond_tcp(lie, responder(), 0.0, CLIENT) == (mbap(1, b"\x83\x03"), 8, False)


def test_a_length_that_is_too_long_takes_its_bytes_and_is_03() -> None:
    lie = bytes.fromhex("0001 0000 0012 01") + read_pdu(0, 1)
    assert respond_tcp(lie, responder(), 0.0, CLIENT) == (b"", 0, True)
    assert ask(lie + mbap(2, read_pdu(0, 1)), responder()) == mbap(1, b"\x83\x03")


def test_the_longest_request_fits_what_a_connection_keeps() -> None:
    request = mbap(1, b"\x64" + bytes(252))
    assert len(request) == MAX_ADU_BYTES
    assert ask(request, responder()) == mbap(1, b"\xe4\x01")


@given(
    st.lists(
        st.binary(max_size=40)
        | st.builds(mbap, st.integers(0, 0xFFFF), st.binary(min_size=1, max_size=12), st.integers(0, 255))
        | st.builds(
            lambda transaction_id, function_code, address, count: mbap(
                transaction_id, read_pdu(address, count, function_code)
            ),
            st.integers(0, 0xFFFF),
            st.sampled_from([3, 4, 6, 43]),
            st.sampled_from([0, 4, 125, 129, 1000, 65535]) | st.integers(0, 0xFFFF),
            st.sampled_from([0, 1, 2, 125, 126]) | st.integers(0, 0xFFFF),
        ),
        max_size=8,
    ),
    st.sampled_from(OnStale),
    st.booleans(),
)
@settings(max_examples=400)
def test_any_bytes_give_whole_answers_to_whole_requests(parts: list[bytes], on_stale: OnStale, is_fresh: bool) -> None:
    received = b"".join(parts)
    now = BORDER if is_fresh else BORDER + 1
    answers, used, is_modbus = respond_tcp(received, responder(on_stale), now, CLIENT)
    assert 0 <= used <= len(received)
    given = frames(answers)
    asked = frames(received[:used])
    if on_stale is not OnStale.SILENT:
        assert len(given) == len(asked)
    remaining = iter(asked)
    for transaction_id, unit_id, pdu in given:
        # Each in its turn, under its transaction id and unit id.
        request = next(r for r in remaining if r[:2] == (transaction_id, unit_id))[2]
        assert pdu[0] & 0x7F == request[0] & 0x7F
        if pdu[0] & 0x80:
            assert pdu[1] in {1, 2, 3, 10, 11}
            assert len(pdu) == 2
        elif pdu[0] in (3, 4):
            assert len(pdu) == 2 + pdu[1]
            assert pdu[1] == 2 * int.from_bytes(request[3:5], "big")
    if is_modbus:
        rest = received[used:]
        assert len(rest) < 6 or len(rest) < 6 + int.from_bytes(rest[4:6], "big") <= MAX_ADU_BYTES
    # The same in single bytes.
    again = feed((bytes((byte,)) for byte in received), responder(on_stale), now)
    assert again[0] == answers
    assert again[2] == is_modbus


def writable() -> Responder:
    return responder_of({1: small_unit(small_map((3, 4), (5,)))})


def test_a_datagram_gets_a_response_if_it_is_one_request_and_nothing_else() -> None:
    to, client, whole = responder(), CountedClient("192.0.2.1:50000", 0.0), mbap(1, read_pdu(0, 1))
    assert respond_datagram(whole, to, 0.0, client) == mbap(1, words(0))
    others = [whole[:-1], whole + b"\0", 2 * whole, whole[:7], b"", whole[:3] + b"\1" + whole[4:]]
    assert [respond_datagram(other, to, 0.0, client) for other in others] == [b""] * len(others)
    assert to.monitor.ignored == len(others)


def test_a_datagram_with_an_exception_gets_no_response() -> None:
    to, client = responder(), CountedClient("192.0.2.1:50000", 0.0)
    assert respond_datagram(mbap(1, b"\x83\x02"), to, 0.0, client) == b""
    assert to.monitor.ignored == 1


def test_a_response_that_equals_its_request_is_ignored_once_when_it_comes_back() -> None:
    to, client = writable(), CountedClient("192.0.2.1:50000", 0.0)
    write = mbap(1, bytes.fromhex("06 0005 0007"))
    assert respond_datagram(write, to, 0.0, client) == write
    assert respond_datagram(write, to, 0.0, client) == b""
    assert respond_datagram(write, to, 0.0, client) == write
    assert respond_datagram(mbap(2, read_pdu(0, 1)), to, 0.0, client) == mbap(2, words(0))
    # Another request came between, so this is not what came back.
    assert respond_datagram(write, to, 0.0, client) == write


def test_a_client_is_noted_with_its_responses_and_the_moment_at_which_it_sent_something() -> None:
    client = CountedClient("192.0.2.1:50000", 0.0)
    respond_tcp(2 * mbap(1, read_pdu(0, 1)) + b"\0", responder(), 7.0, client)
    assert (client.responses, client.at) == (2, 7.0)
    respond_tcp(b"\0", responder(), 8.0, client)
    assert (client.responses, client.at) == (2, 8.0)


def test_only_a_response_that_equals_its_request_is_ignored_when_it_comes_back() -> None:
    to, client = responder(), CountedClient("192.0.2.1:50000", 0.0)
    response = respond_datagram(mbap(1, read_pdu(0, 1)), to, 0.0, client)
    assert respond_datagram(response, to, 0.0, client) == mbap(1, b"\x83\x03")
    assert to.monitor.ignored == 0


def test_a_known_read_gets_its_response_again_while_that_is_valid() -> None:
    to, client = responder(), CountedClient("192.0.2.1:50000", 0.0)
    request = mbap(7, read_pdu(3, 2))
    assert respond_again(request, to, 0.0, client) is None
    first, _, _ = respond_tcp(request, to, 0.0, client)
    assert first == mbap(7, words(3, 4))
    assert respond_again(mbap(8, read_pdu(3, 2)), to, BORDER, client) == mbap(8, words(3, 4))
    assert (client.responses, client.at) == (2, BORDER)
    assert respond_again(request, to, BORDER + 1, client) is None
    assert respond_again(mbap(9, read_pdu(3, 1)), to, 0.0, client) is None
    unit = to.units.by_id[1]
    assert unit is not None
    unit.publish(unit.register_map.readings.encode({"a": 1}), BORDER)
    assert respond_again(request, to, 0.0, client) is None
