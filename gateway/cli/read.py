"""`dsmr-gateway read`."""

from __future__ import annotations

import logging
import sys
import time

import click

from gateway.cli.maps import named_map
from gateway.map_table import FORMATS, rows
from gateway.reading_client import ReadingClient

WATCH_EVERY_S = 1.0


@click.command("read")
@click.argument("host")
@click.option("--port", default=502, show_default=True, type=click.IntRange(1, 65535), help="The Modbus port.")
@click.option("--map", "name", default="dsmr", show_default=True, help="The register map to read it with.")
@click.option("--unit", type=click.IntRange(0, 255), help="The unit id; by default the map's, or 1.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", help="How to show it.")
@click.option("--json", "as_json", is_flag=True, help="As --format json.")
@click.option("--watch", "-w", is_flag=True, help="Read again each second.")
def read_command(host: str, port: int, name: str, unit: int | None, form: str, *, as_json: bool, watch: bool) -> None:
    """Read a gateway or a meter at HOST over Modbus/TCP, and show what its registers say."""
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    register_map = named_map(name)
    if unit is None:
        unit = 1 if register_map.unit_id is None else register_map.unit_id
    client = ReadingClient(host, port, unit)
    try:
        client.connect()
        while True:
            answer = client.read(register_map)
            if watch and form == "text":
                click.clear()
            click.echo(FORMATS["json" if as_json else form](rows(register_map, answer.words)), nl=False)
            for trouble in answer.troubles:
                click.echo(trouble, err=True)
            if not watch:
                sys.exit(1 if answer.troubles else 0)
            time.sleep(WATCH_EVERY_S)
    except ConnectionError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        pass
