"""Finding 11: a report has only what is known to be harmless, however the configuration and the meter hide a secret."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from gateway.config import load_config
from gateway.config.masking import masked
from gateway.problems.problem import problem_of
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.flow import Node
from gateway.runtime.report_data import describe
from gateway.runtime.status import Colour, Mark, label, label_of
from gateway.tools.reporting import collect

CONFIG = """\
meters:
  jansen-house: {port: /dev/jansen/p1}
  jansen-barn: {host: p1.jansen.example, port: 2001, dsmr_version: "5"}
modbus:
  - listen: "jansen.example:5020"
    tls: {certificate: jansen/server.pem, key: /home/jansen/server.key, client_ca: jansen-ca.pem}
    allow: [84.22.33.44/32]
    priority: [84.22.33.44/32]
    identification: {vendor_name: Jansen, product_code: Jansen, vendor_url: "https://jansen.example"}
    units: {1: {meter: jansen-house, map: jansen.yaml}}
passthrough:
  - {meter: jansen-barn, listen: ":2001", tls: {certificate: jansen.pem, key: jansen.key}}
status_page:
  password_file: jansen-password
  host_names: [p1.jansen.example]
  framed_by: ["https://jansen.example"]
"""
MAP = "title: t\nsource: s\nregisters:\n  - {address: 0, name: a, type: int32, value: power_net, unit: W}\n"


def test_no_text_of_the_user_is_in_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(CONFIG)
    (tmp_path / "jansen.yaml").write_text(MAP)
    shown = masked(load_config(tmp_path / "gateway.yaml", {}))
    text = json.dumps(shown)
    assert "jansen" not in text.lower()
    assert "84.22" not in text
    assert shown["modbus"][0]["units"]["1"]["meter"] in shown["meters"]
    assert shown["passthrough"][0]["meter"] == list(shown["meters"])[1]


@pytest.mark.parametrize(
    "text", ["meter: {jansen: 1}", "meter: {port: jansen", "jansen", "modbus: [{allow: [jansen]}]"]
)
def test_no_text_of_the_user_is_in_the_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = tmp_path / "jansen"
    folder.mkdir()
    (folder / "jansen.yaml").write_text(text)
    configuration = collect(folder / "jansen.yaml")["configuration"]
    assert configuration["faults"]
    assert "jansen" not in json.dumps(configuration)


class Talker(Node):
    """A node whose name, label, status and log have a secret."""

    kind = "P1 port"

    async def run(self) -> None:
        """Do nothing."""


def test_no_text_of_the_user_is_in_the_state_of_the_gateway() -> None:
    node, other = Talker("jansen/port"), Talker("jansen/port 2")
    node.label = "jansen"
    node.show(Colour.RED, Mark.RING, "retrying", problem=label("connecting", line="/dev/jansen"), seconds=6)
    node.log(logging.WARNING, "jansen.example does not respond")
    problem = problem_of("port-in-use", "jansen uses it", short="in use by jansen", user="jansen", port=502)
    other.show(Colour.RED, Mark.RING, label_of(problem))
    meter = MeterState("jansen", None)
    data = describe({"jansen": meter}, [node, other], 0.0)
    assert "jansen" not in json.dumps(data)
    assert data["nodes"] == [
        {
            "name": "1",
            "kind": "P1 port",
            "status": "red ring: retrying (problem connecting, seconds 6)",
            "troubles": [{"time": pytest.approx(node.recent_problems[0][0], abs=0.01), "text": "retrying"}],
        },
        {"name": "2", "kind": "P1 port", "status": "red ring: port-in-use (port 502)", "troubles": []},
    ]
