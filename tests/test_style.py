"""Style: no docstring begins with a question word, no word returns that readers stumble over, no function is long."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

MODULES = sorted((ROOT / "gateway").rglob("*.py"))
OPENERS = ("What", "Whether", "Who", "Where", "How", "When", "Why", "Which")
BANNED = re.compile(r"\b(anew|betwixt|fares|heard|mended|mends|whither)\b", re.IGNORECASE)
TEXTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(path for path in (ROOT / "gateway").rglob("*") if path.suffix in {".py", ".js", ".json", ".html", ".yaml"}),
]

MAX_FUNCTION_LINES = 40
"""Largest number of lines of a function, with its signature and its docstring."""
LONGER_FUNCTIONS = {"gateway/protocol/modbus/tcp.py respond_tcp": "one more call makes each exception response slower"}
"""Function to the reason why it may be longer."""


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each docstring of a module, its classes, functions and constants, with its line."""
    for node in ast.walk(ast.parse(path.read_text())):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            value = getattr(statement, "value", None)
            if isinstance(statement, ast.Expr) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield statement.lineno, value.value


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_docstring_begins_with_a_question_word(path: Path) -> None:
    found = [(line, text) for line, text in docstrings(path) if re.match(rf"({'|'.join(OPENERS)})\b", text)]
    assert found == []


@pytest.mark.parametrize("path", TEXTS, ids=named)
def test_no_text_uses_a_word_that_readers_stumble_over(path: Path) -> None:
    found = [(line, text) for line, text in enumerate(path.read_text().splitlines(), start=1) if BANNED.search(text)]
    assert found == []


def long_functions(path: Path) -> list[str]:
    return [
        f"{named(path)} {node.name}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]


def test_no_function_is_too_long_to_read() -> None:
    assert [name for path in MODULES for name in long_functions(path)] == list(LONGER_FUNCTIONS)


def nameless_tasks(path: Path) -> list[str]:
    """The tasks of a module that have no name, or that nothing keeps: asyncio may drop those while they run."""
    tree = ast.parse(path.read_text())
    started = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(STARTS)
    ]
    dropped = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        f"{named(path)}:{call.lineno}"
        for call in started
        if call in dropped or "name" not in {keyword.arg for keyword in call.keywords}
    ]


STARTS = ("create_task", "ensure_future")


def test_every_task_has_a_name_and_an_owner() -> None:
    assert [place for path in MODULES for place in nameless_tasks(path)] == []
