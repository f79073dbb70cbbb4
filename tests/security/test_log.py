"""Finding 10: no text of a meter, a client or a file steers a terminal, fills the log or shows an identifier in it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from gateway.protocol.p1.redaction import mask_identifiers
from gateway.runtime.flow import Node
from gateway.runtime.log import BURST_LINES, CleanFormatter
from tests.cli.calling import invoke

ATTACKS = ["\x1b]0;owned\x07", "\x1b[2J", "\x9b31m", "a\r\n2026-11-30 error forged", "\u202eback", "\x00", "\u2028"]


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("gateway", logging.WARNING, "", 0, "%s", (text,), None)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_line_of_the_log_is_one_printable_line(attack: str) -> None:
    line = CleanFormatter("%(message)s").format(record(attack))
    assert line.isprintable()


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_problem_of_a_file_is_one_printable_line(tmp_path: Path, attack: str) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps({"meter": {"simulate": True, attack: 1, "dsmr_version": attack}}))
    result = invoke("check", str(path))
    assert result.exit_code == 78
    assert all(line.isprintable() for line in result.stderr.split("\n"))


@pytest.mark.parametrize(
    "text",
    ["E0026000024153615", "meter 24153615", "4B384547303034303436333935353037", "line: 0-0:96.1.1(24153615)"],
)
def test_a_line_of_the_log_shows_no_identifier(text: str) -> None:
    line = CleanFormatter("%(message)s").format(record(text))
    assert "24153615" not in line
    assert "30343034" not in line


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-30 02:10:11,123 info node=a",
        "in use by ser2net (process 4194303)",
        "/dev/serial/by-id/usb-FTDI_A50285BI-if00",
        "[2001:db8:1234:5678::1]:50123",
        "1234567.123 to 7654321.5 Wh",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert mask_identifiers(text) == text


class Talker(Node):
    """A node."""

    async def run(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING, logging.ERROR])
def test_a_node_logs_a_burst_and_then_little(caplog: pytest.LogCaptureFixture, level: int) -> None:
    node = Talker("node")
    with caplog.at_level(logging.INFO, "gateway"):
        for number in range(1000):
            node.log(level, f"change {number}")
    assert BURST_LINES <= len(caplog.records) < BURST_LINES + 10


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack != "\x00"])
def test_the_output_of_a_command_is_printable_and_its_json_is_ascii(tmp_path: Path, attack: str) -> None:
    path = tmp_path / "map.yaml"
    register = {"address": 0, "name": "p", "type": "int32", "value": "power_net", "unit": "W", "description": attack}
    path.write_text(json.dumps({"name": "own", "title": f"t{attack}", "registers": [register]}))
    for arguments in (
        ("map", str(path)),
        ("run", f"/no/{attack}.yaml"),
        ("probe", "--save", str(path), f"/no/{attack}"),
    ):
        result = invoke(*arguments)
        lines = (result.stdout + result.stderr).split("\n")
        assert all(line.isprintable() for line in lines), arguments
    for arguments in (("map", str(path)), ("check", f"/no/{attack}.yaml")):
        output = invoke(*arguments, "--json").stdout
        assert output.isascii(), arguments
        assert json.dumps(attack)[1:-1] in output, arguments
