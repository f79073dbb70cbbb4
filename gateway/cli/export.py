"""`dsmr-gateway export`."""

from __future__ import annotations

import click

from gateway.cli.parameters import map_option, named_map, port_option, unit_id_or_default, unit_option

FORMATS = ("home-assistant", "evcc", "telegraf", "node-red", "tia", "codesys", "twincat")
"""Names in `gateway.exports.FORMATS`, written here so that `--help` does not import them; a test compares."""


@click.command("export")
@click.argument("form", metavar="FORMAT", type=click.Choice(FORMATS))
@map_option
@click.option("--host", required=True, help="Address under which the program reaches the gateway.")
@port_option
@unit_option
def export_command(form: str, name: str, host: str, port: int, unit: int | None) -> None:
    """Print a configuration with which another program reads the gateway.

    FORMAT is home-assistant, evcc, telegraf, node-red, tia, codesys or twincat.
    """
    from gateway.exports import ExportError, Target, export

    register_map = named_map(name)
    try:
        click.echo(export(form, register_map, Target(host, port, unit_id_or_default(unit, register_map))), nl=False)
    except ExportError as error:
        raise click.UsageError(str(error)) from None
