"""`dsmr-gateway export`."""

from __future__ import annotations

import click

from gateway.cli.maps import named_map
from gateway.exports import FORMATS, ExportError, Target, export


@click.command("export")
@click.argument("form", metavar="FORMAT", type=click.Choice(list(FORMATS)))
@click.option("--map", "name", default="dsmr", show_default=True, help="The register map of the unit.")
@click.option("--host", required=True, help="The gateway's address, as the program sees it.")
@click.option("--port", default=502, show_default=True, type=click.IntRange(1, 65535), help="Its Modbus port.")
@click.option("--unit", type=click.IntRange(0, 255), help="The unit id; by default the map's, or 1.")
def export_command(form: str, name: str, host: str, port: int, unit: int | None) -> None:
    """Print the configuration with which a program reads the gateway.

    FORMAT is home-assistant, evcc, telegraf, node-red, tia, codesys or twincat.
    """
    register_map = named_map(name)
    if unit is None:
        unit = 1 if register_map.unit_id is None else register_map.unit_id
    try:
        click.echo(export(form, register_map, Target(host, port, unit)), nl=False)
    except ExportError as error:
        raise click.UsageError(str(error)) from None
