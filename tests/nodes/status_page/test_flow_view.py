"""The flow of a few meters: what passes over each wire, and who reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.nodes.status_page.flow_view import FlowChannel
from gateway.nodes.status_page.labels import short_label
from gateway.nodes.status_page.query import Page
from tests.nodes.status_page.bench import PAGE, SEVERAL, Bench, serving
from tests.nodes.status_page.test_fleet import FOUR, settle
from tests.peers.harness import ModbusClient, read_request
from tests.waiting import until


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(tmp_path, SEVERAL + PAGE) as bench:
        yield bench


async def read(channel: FlowChannel) -> Any:
    return json.loads(await channel.whole())


async def test_wires_carry_telegrams_requests_and_power(bench: Bench) -> None:
    def ask() -> None:
        with ModbusClient(bench.wiring.servers[0].port) as client:
            for _ in range(10):
                client.ask(read_request(100, 2), 1)

    await until(lambda: all(meter.served for meter in bench.wiring.meters.values()))
    await asyncio.to_thread(ask)
    page = Page(bench.wiring)
    flow = await read(FlowChannel(page, ""))
    assert [meter["name"] for meter in flow["meters"]] == ["house", "barn"]
    kinds = {node["name"]: node["kind"] for node in flow["nodes"]}
    assert "control" not in kinds.values()
    by_end = {(wire["source"], kinds.get(wire["target"], "client")): wire for wire in flow["wires"]}
    server = bench.wiring.servers[0].name
    unit = f"{server.removeprefix('modbus ')}/1"
    to_server = by_end[unit, "Modbus server"]
    assert (to_server["unit"], to_server["per_s"], to_server["is_alive"]) == ("requests", 1.0, True)
    # With the meter, the page marks the wire as stale by its own clock.
    assert to_server["meter"] == "house"
    assert by_end["house/parser", "register map"]["power_w"] is not None
    assert by_end["house/parser", "status page"]["unit"] == "telegrams"
    (client,) = flow["clients"]
    to_client = by_end[server, "client"]
    assert (to_client["target"], to_client["unit"], to_client["shows"]) == (
        "client modbus 127.0.0.1",
        "requests",
        "per_s",
    )
    assert {place["name"] for place in flow["places"]} == {*kinds, to_client["target"]}
    assert (client["host"], client["servers"]) == ("127.0.0.1", [server])
    assert flow["accepted"].keys() == {"house", "barn"}
    assert all(node["since"] > 1e9 for node in flow["nodes"])


def test_a_short_label_has_the_port_without_the_address() -> None:
    assert short_label("Modbus server", "Modbus/TCP 192.168.1.5:502") == "Modbus/TCP :502"
    assert short_label("P1 port", "P1 port host:2001") == "P1 port host:2001"


async def test_among_many_meters_one_is_shown_with_all_that_its_telegrams_pass(tmp_path: Path) -> None:
    async with serving(tmp_path, FOUR + PAGE, waits=False) as bench:
        await settle(bench)
        page = Page(bench.wiring)
        flow = await read(FlowChannel(page, "c"))
        kinds = sorted(node["kind"] for node in flow["nodes"])
        assert kinds == ["DSMR parser", "Modbus server", "register map", "simulated meter", "status page"]
        assert [meter["name"] for meter in flow["meters"]] == ["c"]
        assert list((await read(FlowChannel(page, "no such meter")))["accepted"]) == ["a"]
        channel = FlowChannel(page, "c")
        before = channel.signature()
        accepted = bench.wiring.meters["c"].accepted
        await until(lambda: bench.wiring.meters["c"].accepted != accepted)
        assert channel.signature() != before


MQTT = """\
meters: {flat: {source: mqtt}, house: {simulate: true}}
mqtt: {brokers: ["mqtt://127.0.0.1:1"], publish: [telegrams, readings]}
modbus: [{listen: "127.0.0.1:0", units: {1: {meter: flat}}}]
"""


async def test_a_meter_over_mqtt_is_drawn_from_left_to_right(tmp_path: Path) -> None:
    async with serving(tmp_path, MQTT + PAGE, waits=False) as bench:
        flow = await read(FlowChannel(Page(bench.wiring), ""))
    columns = {place["name"]: place["column"] for place in flow["places"]}
    received = next(wire for wire in flow["wires"] if wire["source"] == "mqtt receiver")
    assert (received["meter"], received["is_alive"], received["shows"]) == ("flat", False, None)
    assert [columns[name] for name in ("mqtt receiver", "flat/mqtt", "flat/parser")] == [1, 2, 3]
    assert all(columns[wire["source"]] < columns[wire["target"]] for wire in flow["wires"])
    assert ("flat/mqtt", "telegrams") in [(wire["source"], wire["shows"]) for wire in flow["wires"]]
