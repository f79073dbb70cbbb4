"""The papers on security: each line of the datasheet names tests that exist, and the policy promises what it must."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.conftest import ROOT
from tests.documentation import DOCS

DATASHEET = DOCS / "security-datasheet.md"
STATES = {"met", "partly", "not", "not applicable"}
ROWS = re.findall(
    r"^\| ([A-Z][A-Z/]* .+?) \| (.+?) \| (.+?) \| (.*?) \| (.*?) \|$", DATASHEET.read_text(), re.MULTILINE
)
LAST = {1: 14, 2: 13, 3: 14, 4: 3, 5: 3, 6: 2, 7: 8}
"""The last requirement of each foundational requirement of IEC 62443-4-2."""
FINDINGS = range(1, 14)
"""The kinds of findings that tests in tests/security/ cover; 14 is these papers."""


@cache
def functions(path: str) -> set[str]:
    """Return the names of the tests in a file."""
    file = ROOT / path
    return set(re.findall(r"^(?:async )?def (test_\w+)\(", file.read_text(), re.MULTILINE)) if file.is_file() else set()


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_each_line_has_a_state_a_reason_and_tests_that_exist(row: tuple[str, ...]) -> None:
    _, subject, state, how, evidence = row
    assert state in STATES
    assert subject
    assert how
    named = re.findall(r"`(tests/\S+?)::(\w+)`", evidence)
    assert named
    assert [f"{path}::{name}" for path, name in named if name not in functions(path)] == []


def test_every_requirement_has_one_line() -> None:
    standard = [f"{group}.{number}" for group, last in LAST.items() for number in range(1, last + 1)]
    properties = ["I (1)", *(f"I (2)({letter})" for letter in "abcdefghijklm")]
    handling = [f"II ({number})" for number in range(1, 9)]
    lines = [name for name, *_ in ROWS]
    assert [name.split()[-1] for name in lines if not name.startswith("I")] == standard
    assert [name for name in lines if name.startswith("I")] == [*properties, *handling]


def test_every_kind_of_finding_has_a_test() -> None:
    covered = set[int]()
    for path in (ROOT / "tests" / "security").glob("test_*.py"):
        for numbers in re.findall(r"[Ff]indings? (\d[\d, and]*)", path.read_text()):
            covered |= {int(number) for number in re.findall(r"\d+", numbers)}
    assert set(FINDINGS) - covered == set()


def test_the_policy_says_how_to_report_what_happens_when_and_what_is_supported() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[:3] == ["Report a vulnerability", "What happens when", "Supported versions"]
    assert "privately" in text
    assert len(re.findall(r"^\| \d+ (?:working )?days", text, re.MULTILINE)) == 4
    assert re.search(r"at least \d+ months", text)
    assert "free of charge" in text
