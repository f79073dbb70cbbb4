"""Texts of others cannot steer the terminal."""

from __future__ import annotations

import pytest

from gateway.cli.output import echo


def test_lines_stay_and_other_control_characters_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    echo("one\x1b[2J\ntwo\r\x9bm\n", nl=False)
    echo("three", err=True)
    assert capsys.readouterr() == ("one\\x1b[2J\ntwo\\r\\x9bm\n", "three\n")
