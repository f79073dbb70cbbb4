"""Prints texts that others have written in part: a meter, a Modbus server, the running gateway, a file."""

from __future__ import annotations

import click


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print lines with control characters as escapes, so that they cannot steer the terminal."""
    from gateway.runtime.log import clean

    click.echo("\n".join(map(clean, text.split("\n"))), err=err, nl=nl)
