"""`dsmr-gateway requests`: the requests of Modbus clients, as text and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway.transport.control_socket import SOCKET_NAME
from tests.cli.calling import invoke
from tests.peers.harness import SIMULATED, Gateway, free_port, running, wait_until


def test_each_request_is_a_line_of_text_or_of_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    gateway = Gateway(tmp_path, SIMULATED)
    with running(gateway), gateway.client() as client:
        client.registers(0, 1)
        text, data = invoke("requests").stdout, json.loads(invoke("requests", "--json").stdout)
    assert re.match(r"\d\d:\d\d:\d\d\.\d{6} .*FC03", text)
    assert data["text"] in text


def test_a_likely_mistake_is_a_line_below_its_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    gateway = Gateway(tmp_path, SIMULATED)
    with running(gateway), gateway.client() as client:
        client.read(40_109, 1)
        client.read(0, 1, 9)
        lines = invoke("requests").stdout.splitlines()
        data = [json.loads(line) for line in invoke("requests", "--json").stdout.splitlines()]
    assert "exception 0x02" in lines[0]
    assert lines[1].strip().startswith("Read power_net_l2 at address 108 instead of 40109.")
    assert lines[3].strip() == "Read unit 1 instead of unit 9. Unit 9 is not configured."
    assert [each["advice"] for each in data] == [lines[1].strip(), lines[3].strip()]


def test_a_configuration_that_cannot_be_used_is_reported_with_its_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    page = free_port()
    settings = {"status_page": {"listen": f"127.0.0.1:{page}"}}
    gateway = Gateway(tmp_path, {**SIMULATED, "watchdgo": 9}, settings=settings, waits=False)
    with running(gateway):
        gateway.wait_for_port(page)
        wait_until((tmp_path / SOCKET_NAME).exists, "the socket of the gateway")
        for arguments in ([], ["--follow"], ["--json"]):
            result = invoke("requests", *arguments)
            assert result.exit_code == 1
            first, problem = result.stderr.splitlines()
            assert first == "The gateway serves nothing, because its configuration has problems:"
            assert problem.endswith("gateway.yaml:3:3: meter.watchdgo: unknown key. Did you mean watchdog?")
        health = invoke("health")
        assert health.exit_code == 1
        assert health.stdout.startswith("the configuration cannot be used: 1 problem in gateway.yaml, since ")
        assert "control 1: green dot: ready" in invoke("report", str(tmp_path / "gateway.yaml")).stdout
