"""`dsmr-gateway read`."""

from __future__ import annotations

import sys
import time

import click

from gateway.cli.parameters import form_option, map_option, named_map, port_option, unit_id_or_default, unit_option

WATCH_EVERY_S = 1.0


@click.command("read")
@click.argument("host")
@port_option
@map_option
@unit_option
@form_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as --format json does.")
@click.option("--watch", "-w", is_flag=True, help="Read again every second.")
def read_command(host: str, port: int, name: str, unit: int | None, form: str, *, as_json: bool, watch: bool) -> None:
    """Read a gateway or a meter at HOST or HOST:PORT over Modbus/TCP, and show the values of its registers."""
    import logging

    from gateway.config.address import split_address
    from gateway.maps.table import FORMATS, READ_COLUMNS, rows
    from gateway.tools.reading_client import ReadingClient

    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    address = split_address(host)
    if address and address[0]:
        host, port = address
    register_map = named_map(name)
    client = ReadingClient(host, port, unit_id_or_default(unit, register_map))
    try:
        client.connect()
        while True:
            result = client.read(register_map)
            if watch and form == "text":
                click.clear()
            table = rows(register_map, result.registers)
            if form == "text" and not as_json:
                table = [{column: row[column] for column in READ_COLUMNS} for row in table]
            click.echo(FORMATS["json" if as_json else form](table), nl=False)
            for problem in result.problems:
                click.echo(problem, err=True)
            if not watch:
                sys.exit(1 if result.problems else 0)
            time.sleep(WATCH_EVERY_S)
    except BrokenPipeError:
        raise  # the reader of the output closed it, as `head` does; click ends quietly
    except ConnectionError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        pass
