"""A Node-RED flow reads all numbers, in allowed requests, and its wires end at its nodes."""

from __future__ import annotations

from pathlib import Path

from gateway.exports import export
from gateway.maps.load import find_map, load_map
from tests.exports.bench import TARGET
from tests.exports.readers import node_red_nodes


def test_a_node_red_flow_asks_for_all_numbers_in_requests_that_are_allowed() -> None:
    register_map = load_map(find_map("dsmr", Path()))
    nodes = node_red_nodes(export("node-red", register_map, TARGET))
    reads = [(int(node["adr"]), int(node["quantity"])) for node in nodes["modbus-read"]]
    assert all(count <= 125 for _, count in reads)
    for register in register_map.registers:
        if register.uses and register.type_name not in ("string", "bitfield"):
            assert any(at <= register.address and register.end <= at + count for at, count in reads), register.name
    ids = {node["id"] for group in nodes.values() for node in group}
    assert len(ids) == sum(map(len, nodes.values()))
    assert {
        target for group in nodes.values() for node in group for wire in node.get("wires", []) for target in wire
    } <= ids
