"""`dsmr-gateway import-ser2net`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("import-ser2net")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def import_ser2net_command(file: Path) -> None:
    """Print the configuration for what a ser2net's FILE offers, old form or YAML."""
    from gateway.ser2net import convert

    click.echo(convert(file.read_text("utf-8", "replace"), str(file)), nl=False)
