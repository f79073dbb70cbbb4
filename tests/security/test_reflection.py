"""Findings 1 and 2: nothing that is sent with a false sender's address, or that comes back, makes the gateway loop."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from gateway.nodes.modbus_server import ModbusServer
from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.responder import Responder
from gateway.protocol.modbus.rtu import append_crc, respond_after_silence, respond_rtu
from gateway.protocol.modbus.tcp import respond_datagram
from tests.config.faults import faults_in, load
from tests.nodes.transports import MAP, DatagramClient, StreamClient, connect, make_unit, mbap, serve
from tests.protocol.modbus.small_units import read_pdu, responder_of, small_map, small_unit

WRITE = bytes.fromhex("06 0003 1234")
"""A write that gets its own bytes as the response, on a map that accepts it."""
REQUESTS = {
    "read": read_pdu(0, 10),
    "bad read": read_pdu(60000, 1),
    "unknown function": b"\x64",
    "write": WRITE,
    "write of several": bytes.fromhex("10 0003 0002 04 000a0102"),
    "identification": bytes.fromhex("2b 0e 02 00"),
    "diagnostics": bytes.fromhex("08 0000 a537"),
    "server id": b"\x11",
    "exception response": b"\x83\x02",
}
MORE_ROUNDS = 20
READ = read_pdu(5, 1)


def gateway(*, is_serial: bool = False) -> Responder:
    return responder_of({1: small_unit(small_map(accept_writes=(3, 4)))}, is_serial=is_serial)


@pytest.mark.parametrize("pdu", REQUESTS.values(), ids=REQUESTS)
def test_two_gateways_that_get_each_others_datagrams_fall_silent_within_two(pdu: bytes) -> None:
    here, there = (gateway(), CountedClient("there", 0.0)), (gateway(), CountedClient("here", 0.0))
    datagram, sent = mbap(1, 1, pdu), 0
    for moment in range(MORE_ROUNDS):
        responder, client = (here, there)[moment % 2]
        datagram = respond_datagram(datagram, responder, float(moment), client)
        if not datagram:
            break
        sent += 1
    assert sent <= 2


@pytest.mark.parametrize("pdu", REQUESTS.values(), ids=REQUESTS)
def test_a_gateway_on_a_serial_line_that_echoes_responds_once(pdu: bytes) -> None:
    line, client = gateway(is_serial=True), CountedClient("line", 0.0)
    frame, sent = append_crc(b"\x01" + pdu), 0
    for n in range(MORE_ROUNDS):
        moment = 100 + 0.05 * n
        responses, used, _ = respond_rtu(frame, line, moment, client)
        frame = responses or respond_after_silence(frame[used:] or frame, line, moment, client)
        if not frame:
            break
        sent += 1
    assert sent <= 1


@pytest.mark.parametrize("pdu", REQUESTS.values(), ids=REQUESTS)
def test_two_gateways_with_the_same_unit_id_on_one_line_fall_silent(pdu: bytes) -> None:
    gateways = [(gateway(is_serial=True), CountedClient("line", 0.0)) for _ in range(2)]
    frame, sent = append_crc(b"\x01" + pdu), 0
    for n in range(MORE_ROUNDS):
        responder, client = gateways[n % 2]
        responses, _, _ = respond_rtu(frame, responder, 100 + 0.05 * n, client)
        frame = responses or respond_after_silence(frame, responder, 100 + 0.05 * n, client)
        if not frame:
            break
        sent += 1
    assert sent <= 2


@pytest.mark.parametrize("function_code", [0x80, 0x83, 0x84, 0xAB, 0xFF])
@pytest.mark.parametrize("name", ["udp", "serial", "rtu_over_tcp"])
async def test_a_response_gets_no_response_where_it_may_come_back(
    tmp_path: Path, name: str, function_code: int
) -> None:
    async with serve(name, tmp_path, make_unit(tmp_path)) as server, connect(server, tmp_path) as client:
        assert await client.gets_no_answer(bytes((function_code, 2)))


async def test_a_serial_adapter_that_echoes_is_served_and_its_echoes_are_ignored(tmp_path: Path) -> None:
    text = MAP.replace("source: tests", "source: tests\naccept_writes: [3]")
    async with serve("serial", tmp_path, make_unit(tmp_path, text)) as server, connect(server, tmp_path) as client:
        assert isinstance(client, StreamClient)
        response = append_crc(bytes.fromhex("01 03 02 0005"))
        for _ in range(3):
            client.writer.write(append_crc(b"\1" + READ))
            assert await client.reader.readexactly(len(response)) == response
            client.writer.write(response)
            assert await client.gets_no_answer(b"\x83\x02")
        client.writer.write(append_crc(b"\1" + WRITE))
        client.writer.write(await client.reader.readexactly(8))
        assert await client.gets_no_answer(b"\x83\x02")


@asynccontextmanager
async def udp(folder: Path) -> AsyncIterator[tuple[ModbusServer, DatagramClient]]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve("udp", folder, make_unit(folder)))
        client = await stack.enter_async_context(connect(server, folder))
        assert isinstance(client, DatagramClient)
        yield server, client


async def test_a_datagram_with_more_than_one_request_gets_no_response_and_is_counted(tmp_path: Path) -> None:
    one = mbap(7, 1, READ)
    async with udp(tmp_path) as (server, client):
        for datagram in (one * 2, one * 21, one + b"\0", one[:-1], b"", b"\0"):
            client.transport.sendto(datagram)
        assert await client.ask(READ) == bytes.fromhex("03 02 0005")
        assert client.is_empty
        assert server.details()["requests_ignored"] >= 5  # an empty datagram may not arrive


async def test_a_datagram_gets_at_most_one_response_of_at_most_one_frame(tmp_path: Path) -> None:
    async with udp(tmp_path) as (_server, client):
        for pdu in REQUESTS.values():
            client.transport.sendto(mbap(7, 1, pdu))
        received = 0
        await client.send(1, READ)
        async with asyncio.timeout(10):
            while (await client.receive())[1] != bytes.fromhex("03 02 0005"):
                received += 1
        assert received <= len(REQUESTS) - 1


def test_udp_without_allow_is_a_problem_with_the_line_to_add(tmp_path: Path) -> None:
    (found,) = faults_in(tmp_path, "modbus:\n  - {transport: udp}")
    way_out = re.search(r"Add (allow: \[.+\]) to this server", found)
    assert way_out
    assert load(tmp_path, f"modbus:\n  - {{transport: udp, {way_out[1]}}}").modbus[0].allow


def test_a_unit_of_a_serial_line_responds_to_no_broadcast_and_no_reserved_unit_id() -> None:
    for unit_id in (0, 255):
        assert gateway(is_serial=True).respond(READ, unit_id, 0.0, CountedClient("line", 0.0)) is None
        assert gateway().respond(READ, unit_id, 0.0, CountedClient("tcp", 0.0)) is not None
