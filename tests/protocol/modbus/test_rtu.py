"""RTU framing: CRC, frame lengths from function codes, and recovery from a garbled stream."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.responder import Responder
from gateway.protocol.modbus.rtu import (
    ECHO_S,
    MAX_FRAME_BYTES,
    MAX_NOISE_BYTES,
    append_crc,
    respond_after_silence,
    respond_rtu,
)
from gateway.protocol.modbus.unit import OnStale
from tests.protocol.modbus.small_units import CLIENT, read_pdu, responder_of, small_map, small_unit, words


def crc(data: bytes) -> bytes:
    """Compute the CRC bit by bit, by the procedure of the serial line document, 6.2.2; low byte first."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            carry = register & 1
            register >>= 1
            if carry:
                register ^= 0xA001
    return bytes((register & 0xFF, register >> 8))


def frame(pdu: bytes, unit_id: int = 1) -> bytes:
    body = bytes((unit_id,)) + pdu
    return body + crc(body)


def responder(*, is_serial: bool = False) -> Responder:
    return responder_of({1: small_unit(small_map(accept_writes=(3, 4)))}, is_serial=is_serial)


def ask(buffer: bytes, to: Responder | None = None, client: CountedClient | None = None) -> tuple[bytes, int]:
    """Return the responses, and how many bytes are used."""
    client = client or CountedClient("line", 0.0)
    answers, used, is_modbus = respond_rtu(buffer, to or responder(), 0.0, client)
    assert is_modbus
    return answers, used


def feed(segments: Iterable[bytes]) -> tuple[bytes, bytes]:
    """Return the responses, and the bytes that are left."""
    to, client, buffer, answers = responder(), CountedClient("line", 0.0), b"", b""
    for segment in segments:
        buffer += segment
        answer, used = ask(buffer, to, client)
        answers += answer
        buffer = buffer[used:]
    return answers, buffer


@pytest.mark.parametrize(
    ("body", "expected"),
    # 02 07 is the document's own example, 6.2.2.
    [("0207", "4112"), ("010300000001", "840a"), ("010300000002", "c40b"), ("", "ffff")],
)
def test_the_crc_is_the_documents(body: str, expected: str) -> None:
    data = bytes.fromhex(body)
    assert append_crc(data) == data + bytes.fromhex(expected) == data + crc(data)


@given(st.binary(max_size=256))
@settings(max_examples=200)
def test_the_crc_agrees_with_the_one_worked_out_bit_by_bit(data: bytes) -> None:
    assert append_crc(data) == data + crc(data)


# Each function whose request has a known length, as in V1.1b3, 6.
EXCHANGES = [
    (read_pdu(0, 2), words(0, 1)),
    (read_pdu(7, 1, 4), words(7, function_code=4)),
    (read_pdu(0, 0), b"\x83\x03"),
    (read_pdu(0, 126), b"\x83\x03"),
    (read_pdu(200, 1), b"\x83\x02"),
    (bytes.fromhex("01 0000 0001"), b"\x81\x01"),
    (bytes.fromhex("02 0000 0001"), b"\x82\x01"),
    (bytes.fromhex("05 0000 ff00"), b"\x85\x01"),
    (bytes.fromhex("06 0003 0001"), bytes.fromhex("06 0003 0001")),
    (bytes.fromhex("07"), b"\x87\x01"),
    (bytes.fromhex("08 0000 a537"), b"\x88\x01"),
    (bytes.fromhex("0b"), b"\x8b\x01"),
    (bytes.fromhex("0c"), b"\x8c\x01"),
    (bytes.fromhex("0f 0013 000a 02 cd01"), b"\x8f\x01"),
    (bytes.fromhex("10 0003 0002 04 000a0102"), bytes.fromhex("10 0003 0002")),
    (bytes.fromhex("11"), b"\x91\x01"),
    (bytes.fromhex("14 0e 06 0004 0001 0002 06 0003 0009 0002"), b"\x94\x01"),
    (bytes.fromhex("15 0d 06 0004 0007 0003 06af04be100d"), b"\x95\x01"),
    (bytes.fromhex("16 0004 00f2 0025"), b"\x96\x01"),
    (bytes.fromhex("17 0003 0006 000e 0003 06 00ff00ff00ff"), b"\x97\x01"),
    (bytes.fromhex("18 04de"), b"\x98\x01"),
    (bytes.fromhex("2b 0e 04 00"), bytes.fromhex("2b 0e 04 82 00 00 01 00 06") + b"Vendor"),
]
STREAM = b"".join(frame(pdu) for pdu, _ in EXCHANGES)
ANSWERS = b"".join(frame(pdu) for _, pdu in EXCHANGES)
LAST_ANSWER = frame(EXCHANGES[-1][1])


@pytest.mark.parametrize(("request_pdu", "response_pdu"), EXCHANGES, ids=[f"fc{pdu[0]}" for pdu, _ in EXCHANGES])
def test_a_request_is_answered_when_its_last_byte_has_come(request_pdu: bytes, response_pdu: bytes) -> None:
    whole = frame(request_pdu)
    assert ask(whole) == (frame(response_pdu), len(whole))
    for length in range(len(whole)):
        assert ask(whole[:length]) == (b"", 0)


def test_of_requests_that_come_together_the_last_one_gets_a_response() -> None:
    to = responder()
    assert ask(STREAM, to) == (LAST_ANSWER, len(STREAM))
    assert (to.monitor.noted, to.monitor.ignored) == (1, len(EXCHANGES) - 1)


def test_requests_to_other_devices_on_the_line_are_not_counted_as_ignored() -> None:
    to = responder(is_serial=True)
    assert ask(frame(read_pdu(0, 2), unit_id=9) * 2 + frame(read_pdu(0, 2)), to) == (frame(words(0, 1)), 24)
    assert to.monitor.ignored == 0


def test_a_request_that_was_given_up_is_not_answered_before_the_next_one() -> None:
    to = responder()
    given_up, next_one = frame(read_pdu(0, 2)), frame(read_pdu(2, 2))
    assert ask(given_up + next_one, to) == (frame(words(2, 3)), 16)
    assert ask(given_up + next_one[:5], to) == (frame(words(0, 1)), 8)


def test_a_stream_cut_anywhere_gives_the_last_response_of_each_part() -> None:
    for cut in range(len(STREAM) + 1):
        answers, rest = feed([STREAM[:cut], STREAM[cut:]])
        assert answers.endswith(LAST_ANSWER)
        assert rest == b""
    assert feed(bytes((byte,)) for byte in STREAM) == (ANSWERS, b"")


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_kind_of_buffer_is_read(kind: type) -> None:
    assert ask(kind(bytearray(STREAM))) == (LAST_ANSWER, len(STREAM))


@pytest.mark.parametrize("bit", range(8 * 8))
def test_a_request_with_one_wrong_bit_is_not_answered(bit: int) -> None:
    garbled = bytearray(frame(read_pdu(5, 1)))
    garbled[bit // 8] ^= 1 << bit % 8
    assert ask(bytes(garbled))[0] == b""
    assert respond_after_silence(bytes(garbled), responder(), 0.0, CLIENT) == b""


@pytest.mark.parametrize(
    "garbage", ["00", "ff", "00ff00", "010300050001ffff", "0164", "ffffffff", "0000000000000000", "010300"]
)
def test_a_request_behind_garbage_is_answered(garbage: str) -> None:
    good = frame(read_pdu(5, 2))
    answers, _ = feed([bytes.fromhex(garbage), good, good])
    # The one right behind may be needed to see that the garbage was no request.
    assert answers in {frame(words(5, 6)), frame(words(5, 6)) * 2}


def test_a_request_of_unknown_length_is_answered_after_a_silence_only() -> None:
    for function_code in (0x09, 0x64, 0x7F):
        request = frame(bytes((function_code, 1, 2, 3)))
        assert ask(request)[0] == b""
        answer = respond_after_silence(request, responder(is_serial=True), 0.0, CLIENT)
        assert answer == frame(bytes((function_code | 0x80, 1)))


def test_a_frame_of_another_length_than_its_request_gets_no_response() -> None:
    # The last ones are responses.
    for pdu in (read_pdu(0, 1)[:4], read_pdu(0, 1) + b"\0", b"\x03", words(1), words(1, 2, 3), b"\x11\x02P\xff"):
        assert respond_after_silence(frame(pdu), responder(is_serial=True), 0.0, CLIENT) == b""


@pytest.mark.parametrize("function_code", range(0x80, 0x100))
def test_an_exception_response_gets_no_response(function_code: int) -> None:
    line = responder(is_serial=True)
    exception = frame(bytes((function_code, 1)))
    assert ask(exception, line)[0] == respond_after_silence(exception, line, 0.0, CLIENT) == b""
    assert line.monitor.ignored == 1


def test_an_echo_gets_no_response_and_the_same_request_later_does() -> None:
    line, write, client = responder(is_serial=True), frame(bytes.fromhex("06 0003 0001")), CountedClient("line", 0.0)
    assert respond_rtu(write, line, 10.0, client)[0] == write
    assert respond_rtu(write, line, 10.0 + ECHO_S / 2, client)[0] == b""
    assert respond_rtu(write, line, 10.0 + ECHO_S, client)[0] == write
    assert respond_rtu(write, line, 20.0, client)[0] == write
    assert (line.monitor.noted, line.monitor.ignored) == (3, 1)


@pytest.mark.parametrize("length", [0, 1, 2, 3, MAX_FRAME_BYTES + 1])
def test_what_is_too_short_or_too_long_between_silences_is_no_frame(length: int) -> None:
    noise = frame(b"\x64" + bytes(max(0, length - 4)))[:length] if length > 3 else bytes(length)
    assert len(noise) == length
    assert respond_after_silence(noise, responder(), 0.0, CLIENT) == b""


def test_the_longest_frame_between_silences_is_answered() -> None:
    request = frame(b"\x64" + bytes(MAX_FRAME_BYTES - 4))
    assert len(request) == MAX_FRAME_BYTES
    assert respond_after_silence(request, responder(), 0.0, CLIENT) == frame(b"\xe4\x01")


def test_what_is_not_answered_is_noted_once_and_counts_as_no_answer() -> None:
    silent = responder_of({1: small_unit(on_stale=OnStale.SILENT, a=None)}, is_serial=True)
    client, request = CountedClient("line", 0.0), frame(read_pdu(0, 1))
    assert respond_rtu(request, silent, 0.0, client) == (b"", len(request), True)
    # On a line a silence follows every request.
    assert respond_after_silence(request, silent, 0.0, client) == b""
    assert (silent.monitor.noted, client.responses) == (1, 0)


def test_no_answer_is_no_bytes() -> None:
    silent = responder_of({1: small_unit(on_stale=OnStale.SILENT, a=None)}, is_serial=True)
    request = frame(read_pdu(0, 1))
    assert ask(request, silent) == (b"", len(request))
    assert respond_after_silence(request, silent, 0.0, CLIENT) == b""
    # Broadcast, and another's request.
    for unit_id in (0, 2):
        other = frame(read_pdu(0, 1), unit_id)
        assert ask(other, responder(is_serial=True)) == (b"", len(other))


def test_others_requests_and_answers_on_the_line_do_not_hide_ours() -> None:
    line = responder(is_serial=True)
    ours = frame(read_pdu(5, 1))
    # A request to unit 2, and the response of unit 2, which is not a request: its bytes are skipped.
    stream = frame(read_pdu(0, 4), 2) + frame(words(1, 2, 3, 4), 2) + ours
    answers, used = ask(stream, line)
    assert answers == frame(words(5))
    assert used == len(stream)


pieces = st.lists(
    st.binary(max_size=12)
    | st.builds(lambda i: frame(EXCHANGES[i][0]), st.integers(0, len(EXCHANGES) - 1))
    | st.builds(frame, st.binary(min_size=1, max_size=20), st.integers(0, 255)),
    max_size=6,
)


@given(pieces, st.booleans())
@settings(max_examples=300)
def test_any_bytes_give_only_whole_frames(parts: list[bytes], is_serial: bool) -> None:
    received = b"".join(parts)
    to = responder(is_serial=is_serial)
    answers, used = ask(received, to)
    assert 0 <= used <= len(received)
    # Every response is noted, and the bytes are exactly those responses, framed.
    expected = b"".join(frame(pdu, unit_id) for _, _, unit_id, _, pdu in to.monitor.since(0) if pdu is not None)
    assert answers == expected
    silent = respond_after_silence(received, responder(is_serial=is_serial), 0.0, CLIENT)
    assert silent == b"" or crc(silent[:-2]) == silent[-2:]
    assert feed(bytes((byte,)) for byte in received)[0].endswith(ask(received)[0])


def test_the_rest_of_much_noise_is_skipped() -> None:
    noise, request = b"\x03" * (MAX_NOISE_BYTES // 8), frame(read_pdu(0, 1))
    assert ask(noise + request) == (frame(words(0)), len(noise) + len(request))
    much = noise + b"\x03" * 8
    assert ask(much + request) == (b"", len(much) + len(request))


def test_each_response_is_counted_at_its_client() -> None:
    client = CountedClient("line", 0.0)
    for _ in range(4):
        ask(frame(read_pdu(0, 1)), client=client)
    assert client.responses == 4


def test_each_exception_response_to_a_unit_of_this_server_is_counted() -> None:
    line = responder(is_serial=True)
    for count in (1, 2, 3):
        assert respond_after_silence(frame(b"\x83\x02"), line, 0.0, CLIENT) == b""
        assert line.monitor.ignored == count
    respond_after_silence(frame(b"\x83\x02", unit_id=9), line, 0.0, CLIENT)
    assert line.monitor.ignored == 3, "the response of another unit of the line is no fault"


COUNTED = {
    15: "0f 0000 000a 02 ffff",
    16: "10 0003 0002 04 0001 0002",
    20: "14 07 06 0004 0001 0002",
    21: "15 09 06 0004 0007 0001 06af",
    23: "17 0000 0002 0003 0001 02 00ff",
}
"""Function code → a request whose length is in it (V1.1b3, 6.11 to 6.17)."""


@pytest.mark.parametrize("function_code", COUNTED)
def test_a_request_with_a_byte_count_ends_where_that_says(function_code: int) -> None:
    request = frame(bytes.fromhex(COUNTED[function_code]))
    assert ask(request + frame(read_pdu(0, 1))) == (frame(words(0)), len(request) + 8)
    response, used = ask(request)
    assert used == len(request)
    assert response[1] & 0x7F == function_code
    for size in range(len(request)):
        assert ask(request[:size]) == (b"", 0), "it is not complete"


def test_the_shortest_request_is_a_frame_of_four_bytes() -> None:
    assert ask(frame(b"\x07")) == (frame(b"\x87\x01"), 4)
    assert ask(frame(b"\x07")[:3]) == (b"", 0)


def test_each_response_after_a_silence_is_counted() -> None:
    line, client = responder(is_serial=True), CountedClient("line", 0.0)
    for count in (1, 2):
        assert respond_after_silence(frame(b"\x64\x01"), line, 7.0 + count, client) == frame(b"\xe4\x01")
        assert client.responses == count
        assert next(line.monitor.newest()).at == 7.0 + count
