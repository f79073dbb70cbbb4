"""The unit of systemd is installed for the program where it is, and only where its user can read it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.problems.problem import ProblemError
from gateway.tools import service_unit
from gateway.tools.service_unit import CONFIGURATION, PACKAGED_PROGRAM, UNIT, Installation

ELSEWHERE = Installation(Path("/opt/gateway/bin/dsmr-gateway"), Path("/srv/p1.yaml"), {})
PACKAGED = Installation(PACKAGED_PROGRAM, CONFIGURATION, {"page-password": Path("/etc/dsmr-gateway/page-password")})


def test_the_unit_has_the_paths_of_the_program_and_its_configuration(tmp_path: Path) -> None:
    (unit,) = service_unit.install(ELSEWHERE, tmp_path)
    text = unit.read_text()
    assert unit == tmp_path / "etc/systemd/system" / UNIT
    assert "ExecStart=/opt/gateway/bin/dsmr-gateway run /srv/p1.yaml\n" in text
    assert str(PACKAGED_PROGRAM) not in text


def test_the_unit_of_the_package_stays_and_gets_a_drop_in_with_the_secrets(tmp_path: Path) -> None:
    packaged = tmp_path / "usr/lib/systemd/system" / UNIT
    packaged.parent.mkdir(parents=True)
    packaged.touch()
    (drop_in,) = service_unit.install(PACKAGED, tmp_path)
    assert "\n[Service]\nLoadCredential=page-password:/etc/dsmr-gateway/page-password\n" in drop_in.read_text()
    # A later set-up without secrets leaves no drop-in behind.
    assert service_unit.install(replace(PACKAGED, secrets={}), tmp_path) == []
    assert not drop_in.exists()


@pytest.mark.parametrize(("device", "is_named"), [("/dev/ttyUSB0", False), ("/dev/ttymxc0", True), ("", False)])
def test_an_unusual_serial_port_is_allowed_by_name(device: str, *, is_named: bool) -> None:
    text = service_unit.drop_in_text(replace(ELSEWHERE, device=device))
    assert (f"DeviceAllow={device} rw" in text) is is_named


def test_a_program_that_the_service_cannot_run_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_unit, "_RUNNING_SYSTEMD", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    problem = service_unit.service_problem(Path("/usr/bin/dsmr-gateway"))
    assert problem is not None
    assert "sudo /usr/bin/dsmr-gateway setup --service" in problem.hint
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    problem = service_unit.service_problem(Path("/home/pi/dsmr/.venv/bin/dsmr-gateway"))
    assert problem is not None
    assert problem.what.endswith("cannot read /home")
    assert "/opt/dsmr-gateway" in problem.hint
    monkeypatch.setattr(service_unit, "_RUNNING_SYSTEMD", tmp_path / "nowhere")
    problem = service_unit.service_problem(Path("/usr/bin/dsmr-gateway"))
    assert problem is not None
    assert problem.code == "no-systemd"


def test_a_service_that_does_not_start_is_a_problem_with_its_output() -> None:
    with pytest.raises(ProblemError, match="sh -c echo no; exit 3 failed: no"):
        service_unit.run_command(["sh", "-c", "echo no; exit 3"])
    with pytest.raises(ProblemError, match="No such file"):
        service_unit.run_command(["/nowhere/systemctl"])


def test_a_service_that_does_not_run_is_not_stopped() -> None:
    asked: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> str:
        asked.append(command)
        return service_unit.run_command(["false"])

    assert not service_unit.stop_running(run)
    assert len(asked) == 1
