"""A request that is held back, on each transport: it gets its response, and so do those behind it, in order."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.nodes.modbus_server.hold import Hold
from gateway.protocol.modbus.repeat import Repeat, Repeats
from gateway.protocol.modbus.responder import UnitTable
from gateway.protocol.modbus.rtu import append_crc
from gateway.protocol.modbus.unit import FOREVER, Unit
from gateway.runtime.clock import now
from tests.nodes.transports import IDENTIFICATION, StreamClient, connect, make_unit, mbap, serve
from tests.waiting import until

MAP = "title: One reading\nsource: tests\nregisters:\n" + "".join(
    f"  - {{address: {n}, name: r{n}, type: uint16, value: power_import, unit: W}}\n" for n in range(9)
)
HOLDING = ("tcp", "tls", "rtu_over_tcp", "udp")
"""Transports on which a request is held back."""
READ = bytes.fromhex("0300000001")
OTHER_READ = bytes.fromhex("0300010001")
LONG_S = 60.0


@pytest.fixture(autouse=True)
def no_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a request count as repeated at once."""
    monkeypatch.setattr("gateway.protocol.modbus.repeat.CYCLE_S", -1.0)


def waiting_unit(folder: Path, wait_up_to_s: float = LONG_S, repeat: Repeat = Repeat.WAIT) -> Unit:
    unit = make_unit(folder, MAP, is_fresh=False)
    unit.repeats = Repeats(repeat, wait_up_to_s)
    publish(unit, 1)
    return unit


def publish(unit: Unit, watts: int, fresh_until: float = FOREVER) -> None:
    unit.publish(unit.register_map.readings.encode({"power_import": watts}), fresh_until)


def shows(watts: int) -> bytes:
    return bytes((3, 2)) + watts.to_bytes(2, "big")


def waits(unit: Unit) -> bool:
    assert unit.repeats
    return bool(unit.repeats.waiting)


@pytest.mark.parametrize("transport", HOLDING)
async def test_a_repeated_request_is_answered_with_the_next_telegram(transport: str, tmp_path: Path) -> None:
    unit = waiting_unit(tmp_path)
    async with serve(transport, tmp_path, unit) as server, connect(server, tmp_path) as client:
        assert await client.ask(READ) == shows(1)
        for watts in (2, 3):
            await client.send(1, READ)
            await until(lambda: waits(unit))
            publish(unit, watts)
            assert await client.receive() == (1, shows(watts))
        assert not waits(unit)
        assert server.responder.monitor.noted == 3


@pytest.mark.parametrize("transport", HOLDING)
async def test_it_is_answered_with_the_same_telegram_when_its_time_is_over(transport: str, tmp_path: Path) -> None:
    unit = waiting_unit(tmp_path, 0.1)
    async with serve(transport, tmp_path, unit) as server, connect(server, tmp_path) as client:
        assert await client.ask(READ) == shows(1)
        begun = now()
        assert await client.ask(READ) == shows(1)
        assert now() - begun > 0.09
        assert not waits(unit)


@pytest.mark.parametrize("transport", [*HOLDING, "serial"])
async def test_a_busy_unit_refuses_it_at_once(transport: str, tmp_path: Path) -> None:
    unit = waiting_unit(tmp_path, repeat=Repeat.BUSY)
    async with serve(transport, tmp_path, unit) as server, connect(server, tmp_path) as client:
        assert await client.ask(READ) == shows(1)
        assert await client.ask(READ) == b"\x83\6"
        publish(unit, 2)
        assert await client.ask(READ) == shows(2)


@pytest.mark.parametrize("transport", HOLDING)
async def test_readings_that_get_stale_meanwhile_are_not_served(transport: str, tmp_path: Path) -> None:
    unit = waiting_unit(tmp_path)
    async with serve(transport, tmp_path, unit) as server, connect(server, tmp_path) as client:
        publish(unit, 2, now() + 0.3)
        assert await client.ask(READ) == shows(2)
        assert await client.ask(READ) == b"\x83\x0b"
        assert not waits(unit)


@pytest.mark.parametrize("transport", HOLDING)
async def test_a_withdrawal_ends_the_wait(transport: str, tmp_path: Path) -> None:
    unit = waiting_unit(tmp_path)
    async with serve(transport, tmp_path, unit) as server, connect(server, tmp_path) as client:
        await client.ask(READ)
        await client.send(1, READ)
        await until(lambda: waits(unit))
        unit.withdraw()
        assert await client.receive() == (1, b"\x83\x0b")


@pytest.mark.parametrize("transport", HOLDING)
async def test_a_reload_ends_the_wait_with_the_new_units_response(transport: str, tmp_path: Path) -> None:
    unit, other = waiting_unit(tmp_path), waiting_unit(tmp_path)
    publish(other, 7)
    async with serve(transport, tmp_path, unit) as server, connect(server, tmp_path) as client:
        await client.ask(READ)
        await client.send(1, READ)
        await until(lambda: waits(unit))
        server.responder.rewire(UnitTable({1: other}), IDENTIFICATION)
        assert await client.receive() == (1, shows(7))


async def test_over_rtu_a_request_behind_it_replaces_it(tmp_path: Path) -> None:
    unit = waiting_unit(tmp_path)
    async with serve("rtu_over_tcp", tmp_path, unit) as server, connect(server, tmp_path) as client:
        assert isinstance(client, StreamClient)
        assert await client.ask(READ) == shows(1)
        client.writer.write(append_crc(b"\1" + READ))
        await until(lambda: waits(unit))
        # Without a transaction id, the client would take a late response to the first one for register 1.
        assert await client.ask(OTHER_READ) == shows(1)
        assert not waits(unit)
        publish(unit, 2)
        assert await client.ask(READ) == shows(2)
        assert server.responder.monitor.noted == 3


async def test_over_rtu_the_wait_of_a_request_that_is_sent_again_does_not_begin_again(tmp_path: Path) -> None:
    unit = waiting_unit(tmp_path)
    async with serve("rtu_over_tcp", tmp_path, unit) as server, connect(server, tmp_path) as client:
        assert unit.repeats
        assert await client.ask(READ) == shows(1)
        await client.send(1, READ)
        await until(lambda: waits(unit))
        (first,) = unit.repeats.waiting
        await client.send(1, READ)
        await until(lambda: waits(unit) and first not in unit.repeats.waiting)  # type: ignore[union-attr]
        (second,) = unit.repeats.waiting
        assert isinstance(first, Hold)
        assert isinstance(second, Hold)
        assert second.held.until == first.held.until


async def test_over_rtu_half_a_request_behind_it_leaves_it_waiting(tmp_path: Path) -> None:
    unit = waiting_unit(tmp_path)
    async with serve("rtu_over_tcp", tmp_path, unit) as server, connect(server, tmp_path) as client:
        assert isinstance(client, StreamClient)
        assert await client.ask(READ) == shows(1)
        client.writer.write(append_crc(b"\1" + READ) + append_crc(b"\1" + OTHER_READ)[:4])
        await until(lambda: waits(unit))
        client.writer.write(append_crc(b"\1" + OTHER_READ)[4:])
        assert await client.receive() == (1, shows(1))
        assert not waits(unit)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_requests_behind_it_wait_and_are_answered_in_order(transport: str, tmp_path: Path) -> None:
    unit = waiting_unit(tmp_path)
    many = 600  # more than the receive buffer holds

    async with serve(transport, tmp_path, unit) as server, connect(server, tmp_path) as client:
        assert isinstance(client, StreamClient)
        assert await client.ask(READ) == shows(1)
        client.writer.write(mbap(0, 1, READ))
        await until(lambda: waits(unit))
        client.writer.write(b"".join(mbap(number, 1, OTHER_READ) for number in range(1, many)))
        publish(unit, 2)
        for number in range(many):
            if number > 1:  # each but the first of the others is a repeated request
                await until(lambda: waits(unit))
                publish(unit, 2 + number)
            expected = mbap(number, 1, shows(2 if number < 2 else 2 + number))
            assert await client.reader.readexactly(len(expected)) == expected


@pytest.mark.parametrize("transport", ["tcp", "tls", "rtu_over_tcp"])
async def test_a_client_that_leaves_is_forgotten(transport: str, tmp_path: Path) -> None:
    unit = waiting_unit(tmp_path)
    async with serve(transport, tmp_path, unit) as server:
        async with connect(server, tmp_path) as client:
            await client.ask(READ)
            await client.send(1, READ)
            await until(lambda: waits(unit))
        await until(lambda: not waits(unit) and not len(server.clients))


@pytest.mark.parametrize("transport", HOLDING)
async def test_a_stop_ends_the_wait(transport: str, tmp_path: Path) -> None:
    unit = waiting_unit(tmp_path)
    async with serve(transport, tmp_path, unit) as server:
        context = connect(server, tmp_path)
        client = await context.__aenter__()
        await client.ask(READ)
        await client.send(1, READ)
        await until(lambda: waits(unit))
    await until(lambda: not waits(unit))
    if isinstance(client, StreamClient):
        assert await client.reader.read() == b""
    publish(unit, 2)
    await context.__aexit__(None, None, None)


async def test_a_client_over_udp_that_asks_again_meanwhile_gets_one_response(tmp_path: Path) -> None:
    unit = waiting_unit(tmp_path)
    async with serve("udp", tmp_path, unit) as server, connect(server, tmp_path) as client:
        assert await client.ask(READ) == shows(1)
        for transaction_id in (5, 6, 7):
            client.transport.sendto(mbap(transaction_id, 1, READ))  # type: ignore[attr-defined]
        assert await client.ask(OTHER_READ) == shows(1)
        publish(unit, 2)
        assert await client.receive() == (1, shows(2))  # which checks the newest transaction id
        assert await client.ask(OTHER_READ) == shows(2)
        assert client.is_empty  # type: ignore[attr-defined]


async def test_a_client_that_waits_does_not_keep_others_waiting(tmp_path: Path) -> None:
    unit = waiting_unit(tmp_path)
    async with serve("tcp", tmp_path, unit) as server, connect(server, tmp_path) as one:
        await one.ask(READ)
        await one.send(1, READ)
        await until(lambda: waits(unit))
        async with connect(server, tmp_path) as other:
            assert await other.ask(READ) == shows(1)
        await asyncio.sleep(0)
        assert waits(unit)
