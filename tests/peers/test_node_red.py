"""The flow that is exported for Node-RED, loaded into a real Node-RED with node-red-contrib-modbus."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from gateway.exports import ExportedUnit, Target, export
from gateway.maps.load import find_map, load_map
from tests.cli.calling import run_cli
from tests.peers.harness import SIMULATED, Gateway, Program, free_port, running, wait_until
from tests.peers.npm import packages

NODE_RED = ("node-red@4.1.15", "node-red-contrib-modbus@5.23.3")
STARTED_WITHIN_S = 120
FIVE = {1: "dsmr", 2: "abb-b23", 3: "cg-em24", 7: "eastron-sdm72", 240: "sunspec-213"}
TWO = {1: "dsmr", 2: "abb-b23"}
VOLTAGE = re.compile("voltage|ph_v")
"""Begin of the names of voltages in these maps."""
OF_NODES = ("id", "type", "z", "x", "y", "wires", "d")
"""Fields that the editor adds to the fields of a type."""

SETTINGS = """\
module.exports = {{
    uiPort: {port}, uiHost: "127.0.0.1", flowFile: "flow.json", userDir: __dirname,
    nodesDir: ["{modules}/node-red-contrib-modbus"],
    logging: {{console: {{level: "info"}}}}, disableEditor: true, telemetry: {{enabled: false}},
}};
"""
KEEP = """\
const all = flow.get("values") || {};
all[LABEL] = Object.assign(all[LABEL] || {}, msg.payload);
global.set("values", Object.assign(global.get("values") || {}, all));
flow.set("values", all);
"""
GIVE = 'msg.payload = global.get("values") || {}; return msg;'


def kept(flow: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the flow with its values served over HTTP, by the label of their tab, in place of debug nodes."""
    labels = {node["id"]: node["label"] for node in flow if node["type"] == "tab"}
    more: list[dict[str, Any]] = []
    for tab, label in labels.items():
        func = KEEP.replace("LABEL", json.dumps(label))
        more.append({"id": f"keep-{tab}", "type": "function", "z": tab, "func": func, "outputs": 0, "wires": []})
    for node in flow:
        if node["type"] == "function":
            node["wires"] = [[f"keep-{node['z']}"]]
    tab = next(iter(labels))
    return [
        *flow,
        *more,
        {"id": "in", "type": "http in", "z": tab, "url": "/values", "method": "get", "wires": [["give"]]},
        {"id": "give", "type": "function", "z": tab, "func": GIVE, "outputs": 1, "wires": [["out"]]},
        {"id": "out", "type": "http response", "z": tab, "wires": []},
    ]


def test_five_units_and_a_gateway_that_speaks_rtu_over_tcp_bring_their_values_into_node_red(tmp_path: Path) -> None:
    modules = packages(*NODE_RED)
    gateways = {
        name: Gateway(
            tmp_path / name, SIMULATED, {"transport": transport, "units": {i: {"map": m} for i, m in units.items()}}
        )
        for name, transport, units in (("house", "tcp", FIVE), ("barn", "rtu_over_tcp", TWO))
    }
    flow = [node for name in gateways for node in json.loads(run_cli(tmp_path / name, "export", "node-red").stdout)]
    expected = {
        f"{name}, unit {unit_id}, 127.0.0.1:{gateways[house].port}"
        for house, units in (("house", FIVE), ("barn", TWO))
        for unit_id, name in units.items()
    }
    port = free_port()
    folder = tmp_path / "node-red"
    folder.mkdir()
    (folder / "flow.json").write_text(json.dumps(kept(flow)))
    (folder / "settings.js").write_text(SETTINGS.format(port=port, modules=modules))
    node_red = Program(
        ["node", modules / "node-red" / "red.js", "--settings", folder / "settings.js"], folder, "node-red"
    )

    def values() -> dict[str, dict[str, float | None]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/values", timeout=5) as answer:
                found: dict[str, dict[str, float | None]] = json.load(answer)
        except (urllib.error.URLError, OSError):
            return {}
        return found if found.keys() == expected and all(map(is_whole, found.items())) else {}

    def is_whole(found: tuple[str, dict[str, float | None]]) -> bool:
        label, values = found
        wanted = {"power_net", "energy_import", "heartbeat"} if label.startswith("dsmr") else set()
        return wanted <= values.keys() and any(map(VOLTAGE.match, values))

    with running(*gateways.values(), node_red):
        found = wait_until(values, lambda: f"values in Node-RED; it says:\n{node_red.log}", limit_s=STARTED_WITHIN_S)
    for label, read in found.items():
        volts = [value for name, value in read.items() if VOLTAGE.match(name) and value]
        assert any(200 < value < 260 for value in volts), label
    native = next(read for label, read in found.items() if label.startswith("dsmr"))
    assert native["energy_import"]
    assert native["frequency"] is None


def test_each_node_has_every_field_that_its_editor_writes() -> None:
    modules = packages(*NODE_RED)
    unit = ExportedUnit(load_map(find_map("abb-b23", Path())), Target("192.0.2.1", 502, 1))
    nodes = {node["type"]: node for node in json.loads(export("node-red", [unit]))}
    core = modules / "@node-red" / "nodes" / "core"
    editors = {
        "modbus-client": modules / "node-red-contrib-modbus" / "modbus" / "modbus-client.html",
        "modbus-read": modules / "node-red-contrib-modbus" / "modbus" / "modbus-read.html",
        "function": core / "function" / "10-function.html",
        "debug": core / "common" / "21-debug.html",
    }
    for kind, path in editors.items():
        assert set(nodes[kind]) - set(OF_NODES) == fields_of(path.read_text(), kind), kind


def fields_of(page: str, kind: str) -> set[str]:
    """Return the keys of `defaults` of a type in the page of its editor."""
    begun = re.search(rf"registerType\(\s*['\"]{kind}['\"]", page)
    assert begun
    at = page.index("{", page.index("defaults", begun.end()))
    depth, key, keys = 0, "", set[str]()
    for character in page[at:]:
        depth += (character in "{[(") - (character in "}])")
        if depth == 0:
            return keys
        if depth == 1 and character == ":":
            keys.add(key.strip())
        key = "" if character in "{},\n" else key + character
    raise AssertionError(kind)
