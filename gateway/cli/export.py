"""`dsmr-gateway export`."""

from __future__ import annotations

import click

from gateway.cli.parameters import map_option, named_map, port_option, unit_id_or_default, unit_option

FORMATS = ("home-assistant", "evcc", "telegraf", "node-red", "tia", "codesys", "twincat")
"""Those of `gateway.exports.FORMATS`."""


@click.command("export")
@click.argument("form", metavar="FORMAT", type=click.Choice(FORMATS))
@map_option
@click.option("--host", required=True, help="The gateway's address, as the program sees it.")
@port_option
@unit_option
def export_command(form: str, name: str, host: str, port: int, unit: int | None) -> None:
    """Print the configuration with which a program reads the gateway.

    FORMAT is home-assistant, evcc, telegraf, node-red, tia, codesys or twincat.
    """
    from gateway.exports import ExportError, Target, export

    register_map = named_map(name)
    try:
        click.echo(export(form, register_map, Target(host, port, unit_id_or_default(unit, register_map))), nl=False)
    except ExportError as error:
        raise click.UsageError(str(error)) from None
