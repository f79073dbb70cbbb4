"""The whole gateway in virtual time: no number is old, torn or other than the meter wrote it, whatever happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SECONDS = "300"
"""Virtual time of a run. Nothing of the simulated world is imported here: it replaces the clock of its process."""
VECTORS = ROOT.parent / "shared" / "vectors" / "age.json"


def prove(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the simulation in a process of its own: it replaces the clock for all modules."""
    command = [sys.executable, "-m", "tests.simulation.prove", "--seconds", SECONDS, *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_every_response_is_true_under_every_mix_of_faults() -> None:
    result = prove("--seeds", "2")
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 violations" in result.stdout


@pytest.mark.parametrize(("mix", "seconds"), [("link and source", "300"), ("brokers, all at once", "60")])
def test_the_same_seed_gives_the_same_run(mix: str, seconds: str) -> None:
    first, second = (re.sub(r" in \d+ s,", "", prove("--mix", mix, "--seconds", seconds).stdout) for _ in range(2))
    assert first == second
    assert "responses checked" in first


@pytest.mark.parametrize(
    ("mutant", "mix"),
    [
        ("age_by_arrival", "link"),
        ("forget_delay", "link"),
        ("believe_the_past", "source"),
        ("forget_texts", "source"),
        ("confirm_at_once", "all but the clock"),
        ("never_confirm", "clock"),
        ("never_stale", "link"),
        ("date_by_arrival_in_the_map", "link"),
        ("tear_a_snapshot", "nothing"),
        ("swap_two_telegrams", "source"),
    ],
)
def test_a_broken_rule_is_noticed(mutant: str, mix: str) -> None:
    result = prove("--seeds", "4", "--mutant", mutant, "--mix", mix)
    assert result.returncode == 1, f"{mutant} was not noticed: {result.stdout}{result.stderr}"
    assert f"seed {result.stdout.partition('seed ')[2].partition(',')[0]}, {mix}:" in result.stdout


def test_every_response_is_true_with_brokers_between_two_gateways() -> None:
    result = prove("--mix", "brokers, all at once", "--seconds", "100")
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 violations" in result.stdout


@pytest.mark.parametrize("mutant", ["forget_ticks", "believe_ticks_of_others"])
def test_a_broken_proof_of_age_is_noticed(mutant: str) -> None:
    result = prove("--mix", "late from the start", "--seconds", "70", "--mutant", mutant)
    assert result.returncode == 1, f"{mutant} was not noticed: {result.stdout}{result.stderr}"


@pytest.mark.skipif(not VECTORS.is_file(), reason="the scenarios in ../shared/vectors are not here")
def test_every_scenario_of_late_and_repeated_telegrams_is_fresh_when_it_has_to_be() -> None:
    command = [sys.executable, "-m", "tests.simulation.vectors", str(VECTORS)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith("65 scenarios, 0 wrong answers\n")
