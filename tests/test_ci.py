"""What `.ci/run` does after failed tests: a few of them get a second try."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

RUN = ROOT / ".ci" / "run"
PACKAGE = "tests/packages/test_debian.py::test_removal"
OWN = "tests/nodes/test_repeat.py::test_each_telegram"
TESTS_FAILED = "make: *** [Makefile:66: test] Error 1"

pytestmark = pytest.mark.skipif(not RUN.exists(), reason="an sdist is without .ci")


def run_ci(folder: Path, printed: list[str], make_status: int, second_status: int = 0) -> tuple[int, str, str]:
    """Run it with a `make` and a `pytest` that only print; return its status, output and the second try's tests."""
    tries = folder / "tries"
    tries.touch()
    programs = {
        "make": "\n".join(["cat <<'END'", *printed, "END", f"exit {make_status}"]),
        ".venv/bin/pytest": f'printf "%s\\n" "$@" > {tries}\nexit {second_status}',
    }
    for name, script in programs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    (folder / ".ci").mkdir()
    run = shutil.copy(RUN, folder / ".ci")
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run([run], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, tries.read_text()


def test_a_run_without_failures_passes_at_once(tmp_path: Path) -> None:
    status, output, tries = run_ci(tmp_path, ["4000 passed"], 0)
    assert (status, tries) == (0, ""), output


def test_a_few_failed_tests_run_once_more_and_are_named(tmp_path: Path) -> None:
    printed = [f"FAILED {PACKAGE} - assert 1 == 2", f"ERROR {PACKAGE} - OSError", f"FAILED {OWN} - x", TESTS_FAILED]
    status, output, tries = run_ci(tmp_path, printed, 2)
    assert (status, tries) == (0, f"{OWN}\n{PACKAGE}\n"), output
    assert f"PASSED AT THE SECOND TRY:\n  {OWN}\n  {PACKAGE}\n" in output


def test_a_second_failure_fails_the_run(tmp_path: Path) -> None:
    status, output, tries = run_ci(tmp_path, [f"FAILED {PACKAGE} - E", TESTS_FAILED], 2, second_status=1)
    assert (status, tries) == (1, f"{PACKAGE}\n"), output
    assert "PASSED" not in output


@pytest.mark.parametrize(
    "printed",
    [
        [*(f"FAILED {OWN}[{number}] - assert 1 == 2" for number in range(6)), TESTS_FAILED],
        [f"FAILED {PACKAGE} - E", "make: *** [Makefile:66: test] Error 3"],
        ["src.py:1: error: bad type", "make: *** [Makefile:57: check] Error 1"],
        [TESTS_FAILED],
    ],
    ids=["many tests failed", "pytest itself failed", "the check failed", "no test is named"],
)
def test_all_other_failures_fail_the_run_at_once(tmp_path: Path, printed: list[str]) -> None:
    status, output, tries = run_ci(tmp_path, printed, 2)
    assert (status, tries) == (1, ""), output
