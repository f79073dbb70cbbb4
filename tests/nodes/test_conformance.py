"""The rules of the Modbus documents, one test each, on every transport that can carry it.

`docs/conformance.md` lists them; the last test here holds the two together.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.nodes.modbus_server import ModbusServer
from gateway.protocol.modbus.rtu import append_crc
from gateway.protocol.modbus.unit import OnStale, Unit
from tests.conftest import ROOT
from tests.nodes.transports import NAMES, Client, StreamClient, connect, make_unit, mbap, serve

READS = (3, 4)
IMPLEMENTED_ON_TCP = {3, 4, 43}
IMPLEMENTED_ON_SERIAL = {3, 4, 8, 17, 43}
# Over RTU, a request whose length its function code does not tell is answered after a silence, which a
# TCP stream does not show.
RTU_LENGTH_TOLD = {1, 2, 5, 6, 7, 8, 11, 12, 15, 16, 17, 20, 21, 22, 23, 24}
STREAMS = ("tcp", "tls")


class Served(NamedTuple):
    name: str
    client: Client
    unit: Unit
    server: ModbusServer


@pytest.fixture(params=NAMES)
async def served(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    unit = make_unit(tmp_path)
    async with serve(request.param, tmp_path, unit) as server, connect(server, tmp_path) as client:
        yield Served(request.param, client, unit, server)


@pytest.fixture(params=STREAMS)
async def stream(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StreamClient]:
    async with serve(request.param, tmp_path, make_unit(tmp_path)) as server, connect(server, tmp_path) as client:
        assert isinstance(client, StreamClient)
        yield client


def read(function_code: int, address: int, count: int) -> bytes:
    return bytes((function_code,)) + address.to_bytes(2, "big") + count.to_bytes(2, "big")


def registers(function_code: int, *addresses: int) -> bytes:
    return bytes((function_code, 2 * len(addresses))) + b"".join(a.to_bytes(2, "big") for a in addresses)


@pytest.mark.parametrize("function_code", READS)
async def test_read_gives_registers_high_byte_first(served: Served, function_code: int) -> None:
    assert await served.client.ask(read(function_code, 3, 4)) == registers(function_code, 3, 4, 5, 6)


@pytest.mark.parametrize("function_code", READS)
async def test_quantity_1_and_125_are_read(served: Served, function_code: int) -> None:
    assert await served.client.ask(read(function_code, 0, 1)) == registers(function_code, 0)
    assert await served.client.ask(read(function_code, 0, 125)) == registers(function_code, *range(125))


@pytest.mark.parametrize("count", [0, 126, 65535])
async def test_any_other_quantity_is_03(served: Served, count: int) -> None:
    for function_code in READS:
        assert await served.client.ask(read(function_code, 0, count)) == bytes((0x80 | function_code, 3))


@pytest.mark.parametrize(("address", "count"), [(130, 1), (201, 2), (60000, 125)])
async def test_address_without_register_is_02(served: Served, address: int, count: int) -> None:
    assert await served.client.ask(read(3, address, count)) == b"\x83\x02"


async def test_span_over_the_end_of_the_map_is_02_as_a_whole(served: Served) -> None:
    assert await served.client.ask(read(3, 128, 3)) == b"\x83\x02"
    assert await served.client.ask(read(3, 199, 3)) == b"\x83\x02"


async def test_address_past_65535_is_02_and_65535_is_read(served: Served) -> None:
    assert await served.client.ask(read(3, 65534, 2)) == registers(3, 5534, 5535)
    assert await served.client.ask(read(3, 65535, 2)) == b"\x83\x02"


async def test_quantity_is_checked_before_address(served: Served) -> None:
    assert await served.client.ask(read(3, 60000, 126)) == b"\x83\x03"


async def test_address_is_checked_before_processing(tmp_path: Path) -> None:
    async with (
        serve("tcp", tmp_path, make_unit(tmp_path, is_fresh=False)) as server,
        connect(server, tmp_path) as client,
    ):
        assert await client.ask(read(3, 60000, 1)) == b"\x83\x02"
        assert await client.ask(read(3, 0, 1)) == b"\x83\x0b"


async def test_request_of_a_wrong_length_is_03(served: Served) -> None:
    if served.name in ("rtu_over_tcp", "serial"):
        pytest.skip("in RTU the length is part of what makes a frame; a wrong one is no request")
    for pdu in (b"\x03", b"\x03\x00", b"\x03\x00\x00\x00", read(3, 0, 1) + b"\x00"):
        assert await served.client.ask(pdu) == b"\x83\x03"


async def test_function_that_is_not_there_is_01(served: Served) -> None:
    missing = set(range(128)) - (IMPLEMENTED_ON_SERIAL if served.name == "serial" else IMPLEMENTED_ON_TCP)
    for function_code in sorted(missing & RTU_LENGTH_TOLD if served.name == "rtu_over_tcp" else missing):
        pdu = bytes((function_code,)) + RTU_BODIES.get(function_code, b"\0\0\0\0")
        assert await served.client.ask(pdu) == bytes((0x80 | function_code, 1))


RTU_BODIES = {
    **dict.fromkeys((7, 11, 12, 17), b""),
    24: b"\0\0",
    22: b"\0\0\0\0\0\0",
    15: b"\0\0\0\1\1\0",
    16: b"\0\0\0\1\2\0\0",
    20: b"\7\6\0\0\0\0\0\1",
    21: b"\x09\6\0\0\0\0\0\1\0\0",
    23: b"\0\0\0\1\0\0\0\1\2\0\0",
}


@pytest.mark.parametrize("function_code", [0x81, 0x83, 0xFF])
async def test_function_code_from_128_is_01_or_where_responses_may_come_back_silence(
    served: Served, function_code: int
) -> None:
    pdu = bytes((function_code, 0, 0, 0, 1))
    if served.name in ("tcp", "tls"):
        assert await served.client.ask(pdu) == bytes((function_code, 1))
    else:
        assert await served.client.gets_no_answer(pdu)


@pytest.mark.parametrize(
    "pdu",
    ["050000ff00", "0600000001", "0f00000001 01ff", "1000000001020001", "16000000ff0000", "170000000100000001020001"],
)
async def test_write_is_01_and_changes_nothing(served: Served, pdu: str) -> None:
    request = bytes.fromhex(pdu)
    assert await served.client.ask(request) == bytes((0x80 | request[0], 1))
    assert await served.client.ask(read(3, 0, 2)) == registers(3, 0, 1)


async def test_diagnostics_is_for_serial_lines(served: Served) -> None:
    expected = bytes.fromhex("080000a537") if served.name == "serial" else b"\x88\x01"
    assert await served.client.ask(bytes.fromhex("080000a537")) == expected
    assert await served.client.ask(bytes.fromhex("0800010000")) == b"\x88\x01"


async def test_server_id_is_for_serial_lines(served: Served) -> None:
    expected = b"\x11\x05CODE\xff" if served.name == "serial" else b"\x91\x01"
    assert await served.client.ask(b"\x11") == expected


def objects(read_code: int, *values: tuple[int, bytes]) -> bytes:
    head = bytes((43, 14, read_code, 0x82, 0, 0, len(values)))
    return head + b"".join(bytes((index, len(value))) + value for index, value in values)


BASIC = ((0, b"Vendor"), (1, b"CODE"), (2, b"1.2"))
REGULAR = (*BASIC, (3, b"https://example.org"), (4, b"Product"), (5, b"Model"), (6, b"Application"))


async def test_identification_by_category(served: Served) -> None:
    assert await served.client.ask(bytes((43, 14, 1, 0))) == objects(1, *BASIC)
    assert await served.client.ask(bytes((43, 14, 2, 0))) == objects(2, *REGULAR)
    assert await served.client.ask(bytes((43, 14, 3, 0))) == objects(3, *REGULAR)


async def test_identification_one_by_one(served: Served) -> None:
    assert await served.client.ask(bytes((43, 14, 4, 5))) == objects(4, (5, b"Model"))
    assert await served.client.ask(bytes((43, 14, 4, 7))) == b"\xab\x02"


async def test_identification_starts_from_the_beginning_at_a_missing_object(served: Served) -> None:
    assert await served.client.ask(bytes((43, 14, 1, 99))) == objects(1, *BASIC)
    assert await served.client.ask(bytes((43, 14, 2, 5))) == objects(2, *REGULAR[5:])


@pytest.mark.parametrize("read_code", [0, 5, 255])
async def test_identification_of_an_unknown_category_is_03(served: Served, read_code: int) -> None:
    assert await served.client.ask(bytes((43, 14, read_code, 0))) == b"\xab\x03"


async def test_another_mei_type_is_01(served: Served) -> None:
    assert await served.client.ask(bytes((43, 13, 1, 0))) == b"\xab\x01"


async def test_unit_id_is_given_back(served: Served) -> None:
    assert await served.client.ask(read(3, 9, 1), unit_id=9) == registers(3, 9)


async def test_unit_ids_0_and_255_are_the_device_itself(served: Served) -> None:
    if served.name == "serial":
        assert await served.client.gets_no_answer(read(3, 9, 1), unit_id=255)
        return
    assert await served.client.ask(read(3, 9, 1), unit_id=0) == registers(3, 9)
    assert await served.client.ask(read(3, 9, 1), unit_id=255) == registers(3, 9)


async def test_unit_id_that_is_not_wired_is_0a_or_on_a_serial_line_silence(served: Served) -> None:
    if served.name == "serial":
        assert await served.client.gets_no_answer(read(3, 9, 1), unit_id=17)
    else:
        assert await served.client.ask(read(3, 9, 1), unit_id=17) == b"\x83\x0a"


async def test_broadcast_is_not_answered(served: Served) -> None:
    if served.name != "serial":
        pytest.skip("there is no broadcast on TCP")
    assert await served.client.gets_no_answer(read(3, 9, 1), unit_id=0)


async def test_frame_with_a_wrong_crc_is_not_answered(served: Served) -> None:
    if served.name not in ("serial", "rtu_over_tcp"):
        pytest.skip("has no CRC")
    assert isinstance(served.client, StreamClient)
    served.client.writer.write(bytes.fromhex("0103000000018409"))
    assert await served.client.ask(read(3, 5, 1)) == registers(3, 5)


async def test_over_rtu_the_last_of_several_requests_gets_a_response(served: Served) -> None:
    if served.name not in ("serial", "rtu_over_tcp"):
        pytest.skip("has transaction ids")
    assert isinstance(served.client, StreamClient)
    served.client.writer.write(append_crc(b"\1" + read(3, 9, 1)) + append_crc(b"\1" + read(3, 7, 1)))
    assert await served.client.receive() == (1, registers(3, 7))
    assert await served.client.ask(read(3, 5, 1)) == registers(3, 5)


async def test_silent_meter_is_0b(served: Served) -> None:
    served.unit.publish(served.unit.register_map.readings.encode({}), float("-inf"))
    for function_code in READS:
        assert await served.client.ask(read(function_code, 0, 1)) == bytes((0x80 | function_code, 0x0B))


async def test_silent_policy_gives_no_answer(tmp_path: Path) -> None:
    unit = make_unit(tmp_path, on_stale=OnStale.SILENT, is_fresh=False)
    async with serve("tcp", tmp_path, unit) as server, connect(server, tmp_path) as client:
        await client.send(1, read(3, 0, 1))
        assert await client.ask(read(3, 60000, 1)) == b"\x83\x02"


def pipeline() -> tuple[list[bytes], list[bytes]]:
    """Sixteen requests, good and bad, and their answers."""
    pdus = [read(3, i, 1 + i % 3) for i in range(12)] + [read(3, 0, 0), read(4, 60000, 1), b"\x64", read(3, 7, 1)]
    answers = [registers(3, *range(i, i + 1 + i % 3)) for i in range(12)]
    answers += [b"\x83\x03", b"\x84\x02", b"\xe4\x01", registers(3, 7)]
    requests = [mbap(1000 + i, 1, pdu) for i, pdu in enumerate(pdus)]
    return requests, [mbap(1000 + i, 1, pdu) for i, pdu in enumerate(answers)]


async def test_sixteen_requests_in_one_segment_are_answered_in_order(stream: StreamClient) -> None:
    requests, answers = pipeline()
    stream.writer.write(b"".join(requests))
    assert await stream.reader.readexactly(len(b"".join(answers))) == b"".join(answers)


async def test_sixteen_requests_in_segments_of_their_own_are_answered_in_order(stream: StreamClient) -> None:
    requests, answers = pipeline()
    for request in requests:
        stream.writer.write(request)
        await asyncio.sleep(0)  # lets the transport send each by itself
    assert await stream.reader.readexactly(len(b"".join(answers))) == b"".join(answers)


async def test_request_may_come_byte_by_byte(stream: StreamClient) -> None:
    requests, answers = pipeline()
    for byte in b"".join(requests[:4]):
        stream.writer.write(bytes((byte,)))
        await stream.writer.drain()
        await asyncio.sleep(0)
    assert await stream.reader.readexactly(len(b"".join(answers[:4]))) == b"".join(answers[:4])


async def test_transaction_id_is_given_back(stream: StreamClient) -> None:
    for transaction_id in (0, 1, 0xFFFF):
        stream.writer.write(mbap(transaction_id, 1, read(3, 5, 1)))
        assert await stream.reader.readexactly(11) == mbap(transaction_id, 1, registers(3, 5))


@pytest.mark.parametrize("protocol_id", [1, 0xFFFF])
async def test_foreign_protocol_id_closes(stream: StreamClient, protocol_id: int) -> None:
    good = mbap(1, 1, read(3, 5, 1))
    stream.writer.write(good + b"\0\2" + protocol_id.to_bytes(2, "big") + b"\0\6\1" + read(3, 5, 1))
    assert await stream.reader.read() == mbap(1, 1, registers(3, 5))


@pytest.mark.parametrize("length", [0, 1, 255, 300, 65535])
async def test_impossible_length_closes(stream: StreamClient, length: int) -> None:
    good = mbap(1, 1, read(3, 5, 1))
    stream.writer.write(good + b"\0\2\0\0" + length.to_bytes(2, "big") + b"\1" + read(3, 5, 1))
    assert await stream.reader.read() == mbap(1, 1, registers(3, 5))


async def test_longest_request_is_answered(stream: StreamClient) -> None:
    stream.writer.write(mbap(1, 1, b"\x64" + b"\0" * 252))
    assert await stream.reader.readexactly(9) == mbap(1, 1, b"\xe4\x01")


async def test_half_closed_client_still_gets_its_answers(tmp_path: Path) -> None:
    async with serve("tcp", tmp_path, make_unit(tmp_path)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        requests, answers = pipeline()
        writer.write(b"".join(requests))
        writer.write_eof()
        assert await reader.read() == b"".join(answers)
        writer.close()


def test_the_document_lists_every_rule_with_its_test() -> None:
    table = (ROOT / "docs" / "conformance.md").read_text()
    listed = set(re.findall(r"`(test_\w+)`", table))
    here = {name for name, _ in inspect.getmembers(__import__(__name__, fromlist=["_"]), inspect.isfunction)}
    tests = {name for name in here if name.startswith("test_")} - {inspect.currentframe().f_code.co_name}  # type: ignore[union-attr]
    assert listed == tests
