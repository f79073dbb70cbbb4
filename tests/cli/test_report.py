"""`dsmr-gateway report`: everything that helps to find a defect, and no personal data."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from gateway.protocol.p1.redaction import redact
from tests.cli.calling import invoke
from tests.conftest import own_telegram
from tests.peers.harness import Gateway, SerialPort, running

TELEGRAM = own_telegram("v50_iskra-am550-solar")
IDENTIFIERS = [
    line.split(b"(")[1][:-1].decode() for line in TELEGRAM.split(b"\r\n") if b":96.1." in line and b"()" not in line
]


def report(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    result = invoke("report", str(folder / "gateway.yaml"), *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def test_a_running_gateway_shows_its_newest_telegram_without_identifiers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = TELEGRAM.replace(b"!", b"!F", 1)[:-3] + b"\r\n"
    by_id = tmp_path / "by-id"
    by_id.mkdir()
    with SerialPort(by_id / "usb-FTDI_UART_A50285BI-if00") as port:
        gateway = Gateway(tmp_path, {"port": str(port.link), "dsmr_version": "5"})
        with running(gateway):
            gateway.wait_until_connected()
            port.send(bad)
            gateway.wait_for_log("refused: checksum")
            port.send(TELEGRAM)
            gateway.wait_for_telegrams(1)
            text, data = report(tmp_path, monkeypatch), json.loads(report(tmp_path, monkeypatch, "--json"))
    assert len(IDENTIFIERS) >= 2
    for shown in (text, json.dumps(data)):
        assert all(identifier not in shown for identifier in IDENTIFIERS)
        assert "A50285BI" not in shown
    (meter,) = data["running"]["meters"]
    assert meter["newest"]["telegram"] == redact(TELEGRAM).decode()
    assert meter["newest"]["variant"] == "5"
    assert (meter["accepted"], meter["refused"]) == (1, {"checksum": 1})
    assert meter["newest_refused"]["telegram"] == redact(bad).decode()
    assert f"dsmr-modbus-gateway {version('dsmr-modbus-gateway')}" in text
    assert "The checksums of the telegrams\ntherefore no longer match" in text
    assert "1 refused (checksum)" in text
    for line in redact(TELEGRAM).decode().split():
        assert line in text
    assert {"P1 port", "DSMR parser", "register map", "Modbus server"} <= {n["kind"] for n in data["running"]["nodes"]}
    for library in ("click", "pymodbus", "pydantic", "Python", "system"):
        assert library.lower() in {name.lower() for name in data["versions"]}


def test_without_a_gateway_the_problems_of_the_file_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gateway.yaml").write_text("meter: {prot: /dev/a}\n")
    data = json.loads(report(tmp_path, monkeypatch, "--json"))
    assert "no gateway is running that this user has access to" in data["running"]["none"]
    assert data["configuration"]["faults"] == ["line 1, column 9: unknown-key"]
    text = report(tmp_path, monkeypatch)
    assert "line 1, column 9: unknown-key" in text
    assert "no gateway is running that this user has access to" in text


def test_without_a_file_there_is_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no-such-file" in report(tmp_path, monkeypatch)
