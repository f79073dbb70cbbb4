"""The flow that is exported for Node-RED, loaded into a real Node-RED with node-red-contrib-modbus."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

from gateway.exports import Target, export
from gateway.maps.load import find_map, load_map
from tests.peers.harness import Gateway, Program, free_port, running, wait_until
from tests.peers.npm import packages

NODE_RED = ("node-red@4.1.15", "node-red-contrib-modbus@5.23.3")
STARTED_WITHIN_S = 120

SETTINGS = """\
module.exports = {{
    uiPort: {port}, uiHost: "127.0.0.1", flowFile: "flow.json", userDir: __dirname,
    nodesDir: ["{modules}/node-red-contrib-modbus"],
    logging: {{console: {{level: "info"}}}}, disableEditor: true, telemetry: {{enabled: false}},
}};
"""


def test_the_exported_flow_brings_the_values_into_node_red(tmp_path: Path) -> None:
    modules = packages(*NODE_RED)
    gateway = Gateway(tmp_path / "gateway", {"simulate": True})
    port = free_port()
    flow = json.loads(export("node-red", load_map(find_map("dsmr", Path())), Target("127.0.0.1", gateway.port, 1)))
    # What its debug nodes would show in a browser is given out over HTTP.
    tab = next(node["id"] for node in flow if node["type"] == "tab")
    for node in flow:
        if node["type"] == "function":
            node["wires"] = [["keep"]]
    flow += [
        {"id": "keep", "type": "function", "z": tab, "func": KEEP, "outputs": 0, "wires": []},
        {"id": "in", "type": "http in", "z": tab, "url": "/values", "method": "get", "wires": [["give"]]},
        {"id": "give", "type": "function", "z": tab, "func": GIVE, "outputs": 1, "wires": [["out"]]},
        {"id": "out", "type": "http response", "z": tab, "wires": []},
    ]
    folder = tmp_path / "node-red"
    folder.mkdir()
    (folder / "flow.json").write_text(json.dumps(flow))
    (folder / "settings.js").write_text(SETTINGS.format(port=port, modules=modules))
    node_red = Program(
        ["node", modules / "node-red" / "red.js", "--settings", folder / "settings.js"], folder, "node-red"
    )
    with running(gateway, node_red):
        gateway.wait_for_telegrams(1)

        def values() -> dict[str, float | None]:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/values", timeout=5) as answer:
                    kept: dict[str, float | None] = json.load(answer)
            except (urllib.error.URLError, OSError):
                return {}
            return kept if {"power_net", "energy_import", "heartbeat"} <= kept.keys() else {}

        found = wait_until(values, lambda: f"values in Node-RED; it says:\n{node_red.log}", limit_s=STARTED_WITHIN_S)
    assert "error" not in node_red.log.lower().replace("showerrors", "")
    volts = found["voltage_l1"]
    assert volts is not None
    assert 200 < volts < 260
    assert found["energy_import"]
    assert found["frequency"] is None


KEEP = 'flow.set("values", Object.assign(flow.get("values") || {}, msg.payload));'
GIVE = 'msg.payload = flow.get("values") || {}; return msg;'
