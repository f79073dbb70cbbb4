"""The PDU is decoded in one place; the copies on the path of a request agree with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.modbus.monitor import Monitor
from gateway.protocol.modbus.pdu import (
    READ_FUNCTION_CODES,
    ExceptionCode,
    ReadRequest,
    decode_read,
    exception_in,
    exception_response,
)
from gateway.protocol.modbus.responder import respond_to_read
from tests.protocol.modbus.small_units import CLIENT, ask, mbap, read_pdu, responder_of, small_unit, words


def test_the_worked_examples_of_the_specification_are_decoded() -> None:
    # V1.1b3, 6.3 and 6.4.
    assert decode_read(bytes.fromhex("03006B0003")) == ReadRequest(3, 0x6B, 3)
    assert decode_read(bytes.fromhex("0400080001")) == ReadRequest(4, 8, 1)
    assert exception_in(bytes.fromhex("8302")) == ExceptionCode.ILLEGAL_DATA_ADDRESS


@given(st.sampled_from(READ_FUNCTION_CODES), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_a_read_is_decoded_as_it_was_encoded_and_not_when_it_is_shorter_or_longer(
    function_code: int, address: int, count: int
) -> None:
    pdu = read_pdu(address, count, function_code)
    assert decode_read(pdu) == ReadRequest(function_code, address, count)
    assert all(decode_read(pdu[:length]) is None for length in range(1, len(pdu)))
    assert decode_read(pdu + b"\0") is None


@pytest.mark.parametrize("function_code", [n for n in range(256) if n not in READ_FUNCTION_CODES])
def test_another_function_is_not_a_read(function_code: int) -> None:
    assert decode_read(read_pdu(0, 1, function_code)) is None


def test_only_an_exception_response_has_an_exception_code() -> None:
    assert exception_in(None) is None
    assert exception_in(b"") is None
    for function_code in range(0x80):
        assert exception_in(bytes((function_code, 2))) is None
        for code in ExceptionCode:
            assert exception_in(exception_response(function_code, code)) == code


@given(st.binary(min_size=1, max_size=7))
def test_the_server_reads_registers_only_in_requests_that_decode(pdu: bytes) -> None:
    response = respond_to_read(pdu, small_unit(), 0.0, CLIENT)
    read = decode_read(pdu)
    if read is None:
        assert not response or exception_in(response) == ExceptionCode.ILLEGAL_DATA_VALUE
    elif exception_in(response) is None:
        assert response == words(*range(read.address, read.address + read.count), function_code=read.function_code)


@given(st.binary(min_size=2, max_size=4))
def test_the_monitor_counts_what_is_an_exception_response(response: bytes) -> None:
    monitor = Monitor()
    monitor.name_units([1])
    monitor.note(0, monitor.client("client", 0), 1, read_pdu(0, 1), response)
    code = exception_in(response)
    assert monitor.exceptions == ({} if code is None else {(1, 3, code): 1})


@given(st.integers(0, 20), st.integers(0, 20))
def test_the_server_keeps_no_exception_response_to_send_again(address: int, count: int) -> None:
    asked = responder_of({1: small_unit()})
    response = ask(mbap(1, read_pdu(address, count)), asked)
    assert bool(asked.ready) == (exception_in(response[7:]) is None)
