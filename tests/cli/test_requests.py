"""`dsmr-gateway requests`: the requests of Modbus clients, as text and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.calling import invoke
from tests.peers.harness import SIMULATED, Gateway, running


def test_each_request_is_a_line_of_text_or_of_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    gateway = Gateway(tmp_path, SIMULATED)
    with running(gateway), gateway.client() as client:
        client.registers(0, 1)
        text, data = invoke("requests").stdout, json.loads(invoke("requests", "--json").stdout)
    assert re.match(r"\d\d:\d\d:\d\d\.\d{6} .*FC03", text)
    assert data["text"] in text
