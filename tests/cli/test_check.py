"""`dsmr-gateway check`: every problem of a configuration is reported with its place; `run` refuses the same files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.calling import invoke, run_cli
from tests.config.faults import FOLDER, FOUR_LINES, FOUR_PROBLEMS
from tests.peers.harness import free_port

EX_CONFIG = 78
BROKEN = {
    "misspelt": ("meter: {port: /dev/p1, dsmr_versoin: 5}", r"1:24: meter\.dsmr_versoin: .*dsmr_version"),
    "given twice": ("meter: {port: /dev/a}\nmeter: {port: /dev/b}", r"2:1: meter: .*twice.* line 1"),
    "no YAML": ("meter: [\n", r"2:1: "),
    "tab": ("modbus:\n\t- listen: 3", r"2:1: .*with a tab"),
    "anchor": ("meter: &m {port: /dev/a}", r"1:8: .*anchors"),
    "a list": ("- meter", r"1:1: "),
    "no TCP port": ("meter:\n  host: 192.0.2.1\n  port: /dev/a", r"[12]:\d+: meter: .*TCP port"),
    "no host": ("meter:\n  port: 2001", r"[12]:\d+: meter: .*host"),
    "wrong version": ("meter:\n  dsmr_version: 6", r"2:3: meter\.dsmr_version: '6'"),
    "wrong address": ("modbus:\n  - listen: ':99999'", r"2:5: modbus\[0\]\.listen: .*':99999'"),
    "wrong unit id": ("modbus:\n  - units: {256: {}}", r"2:13: modbus\[0\]\.units\.256: .*255"),
    "wrong duration": ("meter: {stale_after: soon}", r"1:9: meter\.stale_after: .*'soon'"),
    "no such map": ("modbus:\n  - units:\n      1: {map: dsrm}", r"3:11: modbus\[0\]\.units\.1\.map: .*'dsrm'.*dsmr"),
    "no such meter": (
        "meters: {a: {port: /dev/a}}\nmodbus:\n  - units: {1: {meter: b}}",
        r"3:17: modbus\[0\]\.units\.1\.meter: .*'b'",
    ),
    "which meter": (
        "meters:\n  a: {port: /dev/a}\n  b: {port: /dev/b}\nmodbus:\n  - units: {1: {}}",
        r"5:13: modbus\[0\]\.units\.1: .*a or b",
    ),
    "no such other": ("modbus:\n  - units: {1: {}, other: 2}", r"2:20: modbus\[0\]\.units\.other: .*2"),
}


@pytest.mark.parametrize("command", ["run", "check"])
def test_every_problem_of_a_configuration_is_reported_with_its_place(tmp_path: Path, command: str) -> None:
    (tmp_path / "gateway.yaml").write_text("meter: {prot: a}\nmodbus:\n  - {lisen: 3}\n  - {units: {300: {}}}\n")
    result = run_cli(tmp_path, command)
    assert (result.returncode, result.stdout) == (EX_CONFIG, "")
    places = [line.split(" ")[0] for line in result.stderr.splitlines()]
    assert places == ["gateway.yaml:1:9:", "gateway.yaml:3:6:", "gateway.yaml:4:14:"]


@pytest.mark.parametrize("command", ["run", "check"])
def test_the_problems_of_all_stages_are_reported_at_once(tmp_path: Path, command: str) -> None:
    (tmp_path / "gateway.yaml").write_text(FOUR_PROBLEMS)
    result = run_cli(tmp_path, command)
    assert (result.returncode, result.stdout) == (EX_CONFIG, "")
    assert tuple(result.stderr.replace(str(tmp_path), FOLDER).splitlines()) == FOUR_LINES


@pytest.mark.parametrize(("text", "told"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_configuration_is_not_run(tmp_path: Path, text: str, told: str) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(text)
    for command in ("check", "run"):
        result = invoke(command, str(config))
        assert result.exit_code == EX_CONFIG, result.stderr
        assert re.match(re.escape(f"{config}:") + told, result.stderr), result.stderr


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    broken = tmp_path / "latin1.yaml"
    broken.write_bytes(b"meter: {port: /dev/\xe9}")
    for path in (tmp_path, broken):
        for command in ("check", "run"):
            result = invoke(command, str(path))
            assert result.exit_code == EX_CONFIG
            assert result.stderr.startswith(f"{path}:")


OWN_MAP = """\
registers:
  - {address: 0, name: power, type: int32, value: power_net, unit: W}
  - {address: 1, name: volts, type: uint16, value: voltage_l1, unit: W}
"""


def test_check_reads_the_maps_too(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    own = tmp_path / "maps" / "own.yaml"
    own.write_text(OWN_MAP)
    config = tmp_path / "gateway.yaml"
    served = f"modbus:\n  - listen: 127.0.0.1:{free_port()}\n    units: {{1: {{map: maps/own.yaml}}}}\n"
    config.write_text(f"meter: {{simulate: true}}\n{served}")
    for command in ("check", "run"):
        result = invoke(command, str(config))
        assert result.exit_code == EX_CONFIG
        assert re.search(r"own\.yaml:3:\d+: .*volts", result.stderr), result.stderr
    own.write_text("\n".join(OWN_MAP.splitlines()[:2]))
    result = run_cli(tmp_path, "check", str(config))
    assert (result.returncode, result.stderr) == (0, "")
    assert "1 meter, 1 unit" in result.stdout
