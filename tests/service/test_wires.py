"""The flow that is drawn is the way that the data takes: each wire has a receiver that works for its target."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Config, load_config, load_maps
from gateway.nodes.modbus_server import ModbusServer
from gateway.nodes.register_map import RegisterMapNode
from gateway.nodes.status_page.node import StatusPage
from gateway.protocol.p1.history import History
from gateway.runtime.flow import Flow, Node
from gateway.service.wiring import Wiring

CONFIGURATIONS = {
    "the smallest": (
        "meter: {port: /dev/a}\n",
        {"meter/port > meter/parser", "meter/parser > :502/1", ":502/1 > modbus :502"},
    ),
    "two servers, a passthrough in each mode and a page": (
        (
            "meters: {house: {port: /dev/a}, barn: {simulate: true}}\n"
            "modbus:\n"
            "  - {listen: 1, units: {1: {meter: house}, 2: {meter: barn, map: abb-b23}}}\n"
            "  - {listen: 2, units: {3: {meter: barn}}}\n"
            "passthrough:\n  - {meter: house, listen: 3, announce: true}\n  - {meter: barn, listen: 4, mode: raw}\n"
            "status_page: {listen: '127.0.0.1:5'}\n"
        ),
        {
            "house/port > passthrough :3",
            "house/port > house/parser",
            "house/parser > passthrough :3",
            "house/parser > :1/1",
            "house/parser > status page 127.0.0.1:5",
            "barn/port > passthrough :4",
            "barn/port > barn/parser",
            "barn/parser > :1/2",
            "barn/parser > :2/3",
            "barn/parser > status page 127.0.0.1:5",
            ":1/1 > modbus :1",
            ":1/2 > modbus :1",
            ":2/3 > modbus :2",
            "passthrough :3 > announcement :3",
        },
    ),
    "two ports of the system's choice": (
        (
            "meter: {simulate: true}\n"
            "modbus: [{listen: '127.0.0.1:0'}, {listen: '127.0.0.1:0'}]\n"
            "passthrough: [{listen: '127.0.0.1:0'}, {listen: '127.0.0.1:0', mode: raw}]\n"
        ),
        {
            "meter/port > passthrough 127.0.0.1:0",
            "meter/port > meter/parser",
            "meter/parser > passthrough 127.0.0.1:0",
            "meter/parser > 127.0.0.1:0/1",
            "127.0.0.1:0/1 > modbus 127.0.0.1:0",
        },
    ),
}


def read(folder: Path, text: str) -> Config:
    path = folder / "gateway.yaml"
    path.write_text(text)
    return load_config(path, {})


def wire(folder: Path, text: str) -> Wiring:
    config = read(folder, text)
    return Wiring(config, load_maps(config, folder), folder)


async def change(wiring: Wiring, folder: Path, text: str) -> None:
    config = read(folder, text)
    await wiring.change(config, load_maps(config, folder))


def drawn(wiring: Wiring) -> set[str]:
    return {f"{each.source.name} > {each.target.name}" for each in wiring.flow.wires}


def owner(receiver: object, source: Node, nodes: list[Node]) -> list[Node]:
    """The nodes that get what is sent to `receiver`, found without the wires."""
    served = getattr(receiver, "__self__", receiver)
    if isinstance(source, RegisterMapNode):
        return [n for n in nodes if isinstance(n, ModbusServer) and served in n.units.by_id]
    if isinstance(served, History):
        return [n for n in nodes if isinstance(n, StatusPage)]
    return [n for n in nodes if n is served]


def check(wiring: Wiring) -> None:
    """Compare the drawn wires with what each receiver really belongs to."""
    nodes = wiring.flow.nodes
    found = [
        (node, owner(receiver, node, nodes))
        for node in nodes
        for output in node.outputs
        for receiver in output.receivers
    ]
    assert all(len(owners) == 1 for _, owners in found)
    assert {(each.source, each.target) for each in wiring.flow.wires} == {(node, owners[0]) for node, owners in found}


@pytest.mark.parametrize("name", CONFIGURATIONS)
async def test_the_drawn_wires_are_the_connections(tmp_path: Path, name: str) -> None:
    text, expected = CONFIGURATIONS[name]
    wiring = wire(tmp_path, text)
    assert drawn(wiring) == expected
    check(wiring)


@pytest.mark.parametrize("name", CONFIGURATIONS)
async def test_after_a_reload_the_wires_are_those_of_a_new_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async def adopt(flow: Flow, nodes: list[Node]) -> None:
        """Take over the nodes without running any."""
        flow.nodes = list(nodes)

    monkeypatch.setattr(Flow, "change", adopt)
    text, expected = CONFIGURATIONS[name]
    for before, _ in CONFIGURATIONS.values():
        wiring = wire(tmp_path, before)
        await change(wiring, tmp_path, text)
        assert drawn(wiring) == expected
        check(wiring)
        await change(wiring, tmp_path, text)
        assert drawn(wiring) == expected
        check(wiring)


async def test_the_readers_of_a_passthrough_get_bytes_before_the_parser_works_on_them(tmp_path: Path) -> None:
    wiring = wire(tmp_path, CONFIGURATIONS["two ports of the system's choice"][0])
    port = wiring.flow.nodes[0]
    (output,) = port.outputs
    assert [getattr(sink, "kind", "") for sink in output.receivers] == ["passthrough", "passthrough", "DSMR parser"]
