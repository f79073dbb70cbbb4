"""All output of the command line goes through one module, which keeps control characters from the terminal."""

from __future__ import annotations

import ast
import shutil
import sys
from pathlib import Path

import pytest

from gateway.cli.output import printable, program_name
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


@pytest.mark.parametrize(
    ("typed", "found", "name"),
    [
        (".venv/bin/dsmr-gateway", None, ".venv/bin/dsmr-gateway"),
        ("/usr/bin/dsmr-gateway", "/usr/bin/dsmr-gateway", "dsmr-gateway"),
        ("/usr/lib/python3/site-packages/gateway/__main__.py", None, "dsmr-gateway"),
    ],
)
def test_a_command_is_named_as_a_user_can_type_it(
    typed: str, found: str | None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [typed])
    monkeypatch.setattr(shutil, "which", lambda _name: found)
    assert program_name() == name
