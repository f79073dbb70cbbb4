"""`dsmr-gateway import-ser2net`."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.output import echo


@click.command("import-ser2net")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def import_ser2net_command(file: Path) -> None:
    """Print a gateway configuration that does the same as FILE, a ser2net configuration in the old form or in YAML."""
    from gateway.files.yaml_file import read_file
    from gateway.ser2net import convert

    echo(convert(read_file(file).decode("utf-8", "replace"), str(file)), nl=False)
