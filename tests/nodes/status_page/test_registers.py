"""The registers that the page shows are those that a client reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.protocol.modbus.pdu import ExceptionCode
from gateway.protocol.modbus.unit import OnStale
from gateway.runtime.clock import now
from tests.nodes.status_page.bench import PAGE, Bench, serving
from tests.peers.harness import ModbusClient

OWN_MAP = """\
registers:
  - {address: 0, name: version, type: uint16, value: 7}
  - {address: 1, name: power, type: int32, value: power_net, unit: W}
"""
"""A constant and a reading."""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(tmp_path) as bench:
        yield bench


async def test_registers_hold_what_a_client_reads(bench: Bench) -> None:
    port = bench.wiring.servers[0].port
    for unit_id in (1, 2):
        table = (await bench.get(f"/api/registers?unit={unit_id}&identifiers=true")).data
        assert table["is_fresh"]
        assert len(table["registers"]) == len(bench.wiring.served[0].units[unit_id - 1].unit.register_map.registers)

        def read(register: dict[str, object], unit_id: int = unit_id) -> bytes | int:
            with ModbusClient(port) as client:
                return client.read(int(str(register["address"])), int(str(register["length"])), unit_id)

        for register in table["registers"][20:60]:
            raw = await asyncio.to_thread(read, register)
            if not register["name"].startswith(("power_", "current_", "voltage_", "energy_")):
                assert isinstance(raw, bytes)
                assert raw.hex(" ", 2) == register["words"], register["name"]


@pytest.mark.parametrize("on_stale", list(OnStale))
async def test_registers_hold_what_a_client_gets_while_the_readings_are_stale(
    tmp_path: Path, on_stale: OnStale
) -> None:
    (tmp_path / "own.yaml").write_text(OWN_MAP)
    settings = f"{{map: own.yaml, on_stale: {on_stale}}}"
    text = f'meter: {{simulate: true}}\nmodbus: [{{listen: "127.0.0.1:0", units: {{1: {settings}}}}}]\n'
    async with serving(tmp_path, text + PAGE) as bench:
        unit = bench.wiring.served[0].units[0].unit
        last = {
            register.name: unit.read(register.address, register.length, now())
            for register in unit.register_map.registers
        }
        unit.fresh_until = 0
        table = (await bench.get("/api/registers?identifiers=true")).data
    assert not table["is_fresh"]
    by_name = {register["name"]: register for register in table["registers"]}
    for register in unit.register_map.registers:
        view = by_name[register.name]
        served = unit.read(register.address, register.length, now())
        assert view["words"] == (served.hex(" ", 2) if isinstance(served, bytes) else "")
        assert view["is_answered"] == (served is not None)
        assert view["exception"] == (served if isinstance(served, ExceptionCode) else None)
        assert view["is_stale"] == bool(register.uses)
        if on_stale is OnStale.HOLD or (on_stale is OnStale.ABSENT and not register.uses):
            assert served == last[register.name]
        elif register.uses or on_stale is not OnStale.ABSENT:
            assert view["text"] is None


async def test_a_register_leads_to_its_lines(bench: Bench) -> None:
    table = (await bench.get("/api/registers")).data
    telegram = (await bench.get("/api/telegram")).data
    by_name = {register["name"]: register for register in table["registers"]}
    lines = [telegram["lines"][at]["code"] for at in by_name["power_net"]["lines"]]
    assert lines == by_name["power_net"]["codes"] == ["1-0:1.7.0", "1-0:2.7.0"]
    assert by_name["frequency"]["text"] is None
    assert by_name["layout_version"]["codes"] == []
    # It is as old as its own time stamp, which the simulated meter may have just written.
    assert by_name["gas_reading"]["age_s"] != table["age_s"]
    assert by_name["power_net"]["number"] == by_name["power_net"]["address"] + 40_001
