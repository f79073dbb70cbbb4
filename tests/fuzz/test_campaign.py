"""The campaign tells a target that fails from one that passes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fuzz.campaign import run

NOISE = "INFO: Seed: 1\n#2 INITED cov: 12 ft: 20 corp: 1/1b\nstat::number_of_executed_units: 40\n"


@pytest.mark.parametrize(
    ("code", "output", "failure"),
    [
        (0, "", ""),
        (77, "AssertionError: torn\n", "AssertionError: torn"),
        (-9, "", "ended with exit code -9"),
    ],
)
def test_a_target_that_ends_with_an_error_has_failed_even_without_a_word(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, output: str, failure: str
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], code, NOISE + output))
    assert run("framing", 1, tmp_path) == (40, "12 / 20", "12 / 20", failure)
