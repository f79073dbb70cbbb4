"""Prints all texts of the command line: others have written some of them, such as a meter, a client or a file."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import click

PROGRAM = "dsmr-gateway"
_LINE_END = re.compile("(\r?\n)")


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print lines with control characters as escapes, so that they cannot steer the terminal."""
    click.echo(printable(text), err=err, nl=nl)


def printable(text: str) -> str:
    """Return lines with control characters as escapes; the line ends stay."""
    from gateway.runtime.log import clean

    return "".join(part if _LINE_END.fullmatch(part) else clean(part) for part in _LINE_END.split(text))


def program_name() -> str:
    """Return what a user types to run this program: its name, or its path if the shell does not find the name."""
    typed = Path(sys.argv[0])
    if typed.name != PROGRAM or shutil.which(PROGRAM):
        return PROGRAM
    return os.path.relpath(typed)


def echo_json(data: object, *, indent: int | None = 2) -> None:
    """Print data as JSON in ASCII, in which all other characters are escapes."""
    click.echo(json.dumps(data, indent=indent))
