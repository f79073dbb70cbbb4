"""Read Device Identification: what each category gives, and how a long one goes on."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.modbus.device_identification import MAX_OBJECT_BYTES, Identification, respond_identification
from gateway.protocol.modbus.pdu import MAX_PDU_BYTES, ExceptionCode

SHORT = Identification("Vendor", "CODE", "1.2", "https://example.org", "Product", "Model", "Application")
VALUES = [b"Vendor", b"CODE", b"1.2", b"https://example.org", b"Product", b"Model", b"Application"]


def parse(answer: bytes | ExceptionCode) -> tuple[int, bool, int, dict[int, bytes]]:
    """Return category, more follows, next object and objects; fail on a response of another form."""
    assert isinstance(answer, bytes)
    assert len(answer) <= 253
    function_code, mei_type, read_code, conformity, more, following, number = answer[:7]
    assert (function_code, mei_type, conformity) == (0x2B, 0x0E, 0x82)
    assert more in (0x00, 0xFF)
    found, rest = {}, answer[7:]
    for _ in range(number):
        length = rest[1]
        assert len(rest) >= 2 + length
        found[rest[0]] = rest[2 : 2 + length]
        rest = rest[2 + length :]
    assert rest == b""
    return read_code, more == 0xFF, following, found


def ask(read_code: int, object_id: int, identification: Identification = SHORT) -> bytes | ExceptionCode:
    return respond_identification(bytes((0x2B, 0x0E, read_code, object_id)), identification)


def test_an_answer_is_laid_out_as_the_example_of_the_document_is() -> None:
    # V1.1b3, 6.21: its example has conformity 01; ours can be asked for one object and has the regular ones.
    identification = Identification("Company identification", "Product code XX", "V2.11")
    assert ask(1, 0, identification) == (
        bytes.fromhex("2b 0e 01 82 00 00 03")
        + bytes((0, 22))
        + b"Company identification"
        + bytes((1, 15))
        + b"Product code XX"
        + bytes((2, 5))
        + b"V2.11"
    )


@pytest.mark.parametrize(("read_code", "last"), [(1, 2), (2, 6), (3, 6)])
def test_a_category_is_given_from_the_object_asked_for_on(read_code: int, last: int) -> None:
    for first in range(last + 1):
        expected = {index: VALUES[index] for index in range(first, last + 1)}
        assert parse(ask(read_code, first)) == (read_code, False, 0, expected)


@pytest.mark.parametrize(("read_code", "last"), [(1, 2), (2, 6), (3, 6)])
def test_a_category_starts_from_its_beginning_at_a_missing_object(read_code: int, last: int) -> None:
    for first in (last + 1, 7, 127, 128, 255):
        if first > last:
            assert ask(read_code, first) == ask(read_code, 0)


def test_one_object_is_given_by_itself_or_02() -> None:
    for index, value in enumerate(VALUES):
        assert parse(ask(4, index)) == (4, False, 0, {index: value})
    for index in (7, 127, 128, 255):
        assert ask(4, index) is ExceptionCode.ILLEGAL_DATA_ADDRESS


def test_an_object_that_is_not_configured_is_empty() -> None:
    identification = Identification("Vendor", "CODE", "1.2")
    assert parse(ask(2, 0, identification))[3] == dict(enumerate([b"Vendor", b"CODE", b"1.2", b"", b"", b"", b""]))
    assert parse(ask(4, 5, identification))[3] == {5: b""}


@pytest.mark.parametrize("read_code", [0, 5, 0x0E, 255])
def test_an_unknown_category_is_03(read_code: int) -> None:
    assert ask(read_code, 0) is ExceptionCode.ILLEGAL_DATA_VALUE


@pytest.mark.parametrize("pdu", ["2b", "2b0e", "2b0e01", "2b0e010000", "2b0e01000000"])
def test_a_request_of_another_length_is_03(pdu: str) -> None:
    assert respond_identification(bytes.fromhex(pdu), SHORT) is ExceptionCode.ILLEGAL_DATA_VALUE


@pytest.mark.parametrize("pdu", ["2b0d", "2b0d0100", "2b000000", "2bff", "2b0d010000000000"])
def test_another_mei_type_is_01_whatever_follows(pdu: str) -> None:
    assert respond_identification(bytes.fromhex(pdu), SHORT) is ExceptionCode.ILLEGAL_FUNCTION


def test_what_is_no_ascii_is_a_question_mark() -> None:
    assert parse(ask(4, 0, Identification("Zähler", "1", "1")))[3] == {0: b"Z?hler"}


@pytest.mark.parametrize("length", [MAX_OBJECT_BYTES - 1, MAX_OBJECT_BYTES, MAX_OBJECT_BYTES + 1, 1000])
def test_a_long_object_is_cut_to_what_one_answer_holds(length: int) -> None:
    identification = Identification("V" * length, "CODE", "1.2")
    kept = b"V" * min(length, MAX_OBJECT_BYTES)
    answer = ask(4, 0, identification)
    assert parse(answer)[3] == {0: kept}
    assert isinstance(answer, bytes)
    assert len(answer) == min(MAX_PDU_BYTES, 9 + length)
    # And in a stream it is the first and only object of its response.
    assert parse(ask(1, 0, identification)) == (1, True, 1, {0: kept})


@pytest.mark.parametrize(("last", "more"), [(21, False), (22, True)])
def test_an_answer_is_filled_to_its_last_byte_and_no_further(last: int, more: bool) -> None:
    # 7 bytes of head, then 2 + 100, 2 + 119 and 2 + 21 make 253.
    identification = Identification("V" * 100, "C" * 119, "1" * last)
    answer = ask(1, 0, identification)
    assert isinstance(answer, bytes)
    assert parse(answer)[1] is more
    assert len(answer) == (7 + 102 + 121 if more else MAX_PDU_BYTES)


texts = st.text(max_size=300)


@given(st.builds(Identification, texts, texts, texts, texts, texts, texts, texts), st.integers(1, 3))
@settings(max_examples=200)
def test_asking_on_where_more_follows_gives_every_object_once(identification: Identification, read_code: int) -> None:
    found: dict[int, bytes] = {}
    object_id = 0
    for turn in count(1):
        assert turn <= 7
        _, more, following, objects = parse(ask(read_code, object_id, identification))
        assert objects
        assert not found.keys() & objects.keys()
        found |= objects
        assert bool(following) is more
        if not more:
            break
        assert following == max(objects) + 1
        object_id = following
    last = 2 if read_code == 1 else 6
    assert list(found) == list(range(last + 1))
    assert list(found.values()) == list(identification.objects())[: last + 1]
