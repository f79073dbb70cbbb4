"""All output of the command line goes through one module, which keeps control characters from the terminal."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gateway.cli.output import printable
from tests.conftest import ROOT

MODULES = sorted(path for path in (ROOT / "gateway").rglob("*.py") if path.name != "output.py")
PRINTING = {"click.echo", "click.secho", "click.echo_via_pager", "print", "sys.stdout.write", "sys.stderr.write"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_module_prints(path: Path) -> None:
    """Print with `echo` or `echo_json` of `gateway/cli/output.py` instead."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call | ast.Attribute)]
    names = {ast.unparse(node.func if isinstance(node, ast.Call) else node) for node in calls}
    assert names & PRINTING == set()


def test_control_characters_are_escapes_and_line_ends_stay() -> None:
    assert printable("a\x1b[2J\r\nb\rc\n") == "a\\x1b[2J\r\nb\\rc\n"
