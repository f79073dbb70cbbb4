"""A telegram and a request take no more steps than they may: a slow-down is seen without a quiet machine."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.guard import BUDGET, exceeded
from tests.conftest import ROOT


def test_a_telegram_and_a_request_keep_to_their_budget() -> None:
    command = [sys.executable, "-m", "benchmarks.guard"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_work_over_its_budget_is_named_with_its_share() -> None:
    budget = {"telegram": 20_000, "request": 100}
    assert exceeded({"telegram": 20_400, "request": 102}, budget) == []
    assert exceeded({"telegram": 23_000, "request": 90}, budget) == [
        "telegram: 23000 steps, +15.0% of the budget of 20000"
    ]
    assert exceeded({"another": 5}, budget) == []


def test_every_version_of_python_has_a_budget_for_the_same_work() -> None:
    budgets = json.loads(BUDGET.read_text())
    assert budgets.keys() == {"3.11", "3.12", "3.13"}
    assert len({tuple(budget) for budget in budgets.values()}) == 1
    assert all(steps > 0 for budget in budgets.values() for steps in budget.values())
