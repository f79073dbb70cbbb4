"""A Node-RED flow reads all numbers, in allowed requests, and its wires end at its nodes."""

from __future__ import annotations

from pathlib import Path

from gateway.exports import ExportedUnit, Target, export
from gateway.maps.load import find_map, load_map
from tests.exports.bench import TARGET
from tests.exports.readers import node_red_nodes


def test_a_node_red_flow_asks_for_all_numbers_in_requests_that_are_allowed() -> None:
    register_map = load_map(find_map("dsmr", Path()))
    nodes = node_red_nodes(export("node-red", [ExportedUnit(register_map, TARGET)]))
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


def test_units_of_one_server_share_its_client_and_have_a_tab_each() -> None:
    register_map = load_map(find_map("abb-b23", Path()))
    units = [ExportedUnit(register_map, Target(host, 502, unit)) for host in ("a", "b") for unit in (1, 2, 3)]
    nodes = node_red_nodes(export("node-red", units))
    assert (len(nodes["modbus-client"]), len(nodes["tab"])) == (2, 6)
    assert all(client["bufferCommands"] for client in nodes["modbus-client"])
    ids = [node["id"] for group in nodes.values() for node in group]
    assert len(set(ids)) == len(ids)
    assert {(read["server"], read["unitid"]) for read in nodes["modbus-read"]} == {
        (client["id"], unit) for client in nodes["modbus-client"] for unit in ("1", "2", "3")
    }


def test_requests_in_rtu_framing_wait_for_each_other() -> None:
    unit = ExportedUnit(load_map(find_map("abb-b23", Path())), Target("h", 502, 1, "rtu_over_tcp"))
    (client,) = node_red_nodes(export("node-red", [unit]))["modbus-client"]
    assert (client["tcpType"], client["parallelUnitIdsAllowed"]) == ("TELNET", False)
