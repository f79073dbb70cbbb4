"""Finding 13: a key or password that other users can read is reported, with the command that sets its rights."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from gateway.config import check_config
from gateway.nodes.status_page.access import read_password
from gateway.problems.problem import ProblemError
from gateway.service.file_look import look_at_files
from gateway.service.secret_files import SecretFiles
from gateway.transport.secret_file import rights_problem
from tests.certificates import make_certificates
from tests.cli.calling import invoke
from tests.security.rotation_bench import HOUSE

MODES = {0o600: True, 0o640: True, 0o400: True, 0o440: True, 0o644: False, 0o660: False, 0o666: False, 0o604: False}


@pytest.mark.parametrize(("mode", "is_right"), MODES.items())
def test_a_secret_is_for_its_owner_and_the_readers_of_its_group(tmp_path: Path, mode: int, *, is_right: bool) -> None:
    secret = tmp_path / "a secret's file"
    secret.write_text("secret")
    secret.chmod(mode)
    problem = rights_problem(secret)
    assert (problem is None) is is_right
    if problem:
        assert f"(rights {mode:04o})" in problem.what
        command = problem.hint.removeprefix("Run: ")
        subprocess.run(["sh", "-c", command], check=True)
        assert rights_problem(secret) is None
        assert secret.read_text() == "secret"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_secret_of_another_user_is_reported(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    os.chown(secret, 12345, 0)
    problem = rights_problem(secret)
    assert problem is not None
    assert "belongs to another user (user id 12345)" in problem.what
    assert problem.hint == f"Run: chown 0 {secret}"


def test_a_pipe_in_the_place_of_a_password_is_a_problem_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "password")
    with pytest.raises(ProblemError, match="this is a pipe"):
        read_password(tmp_path / "password")


def test_a_file_that_is_missing_is_reported_by_its_reader() -> None:
    assert rights_problem(Path("/no/such/file")) is None


def test_open_keys_and_passwords_are_warnings_at_the_start_and_in_check(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_certificates(tmp_path)
    (tmp_path / "password").write_text("correct horse")
    for name in ("server.key", "password"):
        (tmp_path / name).chmod(0o644)
    path = tmp_path / "gateway.yaml"
    path.write_text(HOUSE)
    SecretFiles(path).take(look_at_files(check_config(path, {}).config, path))
    warned = re.findall(r"gateway.yaml:(\d+):\d+: (\S+): .*Run: chmod 0640 (\S+)", caplog.text)
    assert warned == [
        ("3", "modbus[0].tls.key", f"{tmp_path}/server.key"),
        ("6", "status_page.password_file", f"{tmp_path}/password"),
    ]
    result = invoke("check", str(path))
    assert result.exit_code == 0, "an installation that works goes on working"
    assert result.stdout.count("Run: chmod 0640") == 2
