"""`dsmr-gateway read`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import click
from click.core import ParameterSource

from gateway.cli.output import echo
from gateway.cli.parameters import (
    EVERY_ADDRESS,
    default_config,
    form_option,
    map_option,
    named_map,
    unit_id_or_default,
    unit_option,
)

if TYPE_CHECKING:
    from gateway.protocol.registers.register_map import RegisterMap
    from gateway.tools.reading_client import ReadingClient, ReadResult

WATCH_EVERY_S = 1.0
MODBUS_PORT = 502
LOOPBACK = "127.0.0.1"
_HERE = frozenset({LOOPBACK, "localhost", "::1"})
_USUAL_PORT = "the usual port of Modbus. `dsmr-gateway run --demo` listens on {demo_port}"
_OTHER_MAP = "Choose the map of the server with --map; `dsmr-gateway maps` lists them"
_NO_SERVER = "{path} has no server of Modbus/TCP without TLS. Give HOST:PORT of the server to read"


class _Target(NamedTuple):
    """A unit to read, and the reason for this choice."""

    host: str
    port: int
    unit_id: int | None
    map: str
    reason: str = ""


@click.command("read")
@click.argument("host", required=False, metavar="[HOST[:PORT]]")
@click.option("--port", type=click.IntRange(1, 65535), help=f"Modbus port, by default {MODBUS_PORT}.")
@map_option
@unit_option
@form_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as --format json does.")
@click.option("--watch", "-w", is_flag=True, help="Read again every second.")
@click.pass_context
def read_command(
    ctx: click.Context,
    host: str | None,
    port: int | None,
    name: str,
    unit: int | None,
    form: str,
    *,
    as_json: bool,
    watch: bool,
) -> None:
    """Read a gateway or a meter at HOST or HOST:PORT over Modbus/TCP, and show the values of its registers.

    Without HOST, it reads the first server in gateway.yaml, or that of `dsmr-gateway run --demo` if there is no
    gateway.yaml. It prints which server it reads.
    """
    from gateway.tools.reading_client import ReadingClient

    is_map_given = ctx.get_parameter_source("name") is not ParameterSource.DEFAULT
    target = _choose(host, port, unit, name if is_map_given else None)
    register_map = named_map(target.map)
    unit_id = unit_id_or_default(target.unit_id, register_map)
    if target.reason:
        what = f"{target.host}:{target.port}, unit {unit_id}, register map {register_map.name}"
        echo(f"Reading {what}: {target.reason}", err=True)
    try:
        _read(ReadingClient(target.host, target.port, unit_id), register_map, "json" if as_json else form, watch=watch)
    except BrokenPipeError:
        raise  # the reader of the output closed it, as `head` does; click ends quietly
    except ConnectionError as error:
        echo(str(error), err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        pass


def _choose(host: str | None, port: int | None, unit_id: int | None, name: str | None) -> _Target:
    from gateway.cli import run
    from gateway.config.address import split_address
    from gateway.config.modbus import DEFAULT_MAP
    from gateway.files.yaml_file import is_there

    address = split_address(host or "")
    if address and address[0]:
        host, port = address
    if host and (port or host not in _HERE):
        return _Target(host, port or MODBUS_PORT, unit_id, name or DEFAULT_MAP)
    path = default_config()
    if host and not is_there(path):
        return _Target(host, MODBUS_PORT, unit_id, name or DEFAULT_MAP, _USUAL_PORT.format(demo_port=run.DEMO_PORT))
    chosen = _configured(path, unit_id)
    # A unit id or a map on the command line comes before those of the configuration.
    unit_id = chosen.unit_id if unit_id is None and name is None else unit_id
    return chosen._replace(host=host or chosen.host, port=port or chosen.port, unit_id=unit_id, map=name or chosen.map)


def _configured(path: Path, unit_id: int | None) -> _Target:
    """Return the first server in the configuration at `path`, with the map of `unit_id` or of its first unit.

    Raises:
        FileError: the configuration is not valid.

    """
    from gateway.cli import run
    from gateway.config import load_config
    from gateway.config.modbus import DEFAULT_MAP
    from gateway.files.yaml_file import is_there

    if not is_there(path):
        reason = f"the server of `dsmr-gateway run --demo`, because there is no {path} here"
        return _Target(LOOPBACK, run.DEMO_PORT, None, DEFAULT_MAP, reason)
    servers = load_config(path).modbus
    server = next((each for each in servers if each.transport == "tcp" and not (each.serial or each.tls)), None)
    if server is None:
        raise click.UsageError(_NO_SERVER.format(path=path))
    host, port = server.address.host, server.address.port
    first = next(iter(server.units)) if unit_id is None else unit_id
    name = server.units[first].map if first in server.units else DEFAULT_MAP
    name = str(path.parent / name) if (path.parent / name).is_file() else name
    return _Target(LOOPBACK if host in EVERY_ADDRESS else host, port, first, name, f"the first server in {path}")


def _read(client: ReadingClient, register_map: RegisterMap, form: str, *, watch: bool) -> NoReturn:
    """Read and print all registers, once or each second, until it fails or is interrupted."""
    client.connect()
    while True:
        has_problems = _show(client, register_map, form, watch=watch)
        if not watch:
            sys.exit(1 if has_problems else 0)
        time.sleep(WATCH_EVERY_S)


def _show(client: ReadingClient, register_map: RegisterMap, form: str, *, watch: bool) -> bool:
    """Read all registers once, and print first what is wrong, then the values; return True if a request failed."""
    from gateway.maps.table import FORMATS, READ_COLUMNS, rows

    result = client.read(register_map)
    if watch and form == "text":
        click.clear()
    for problem in result.problems:
        echo(problem, err=True)
    if misfit := _misfit(register_map, result):
        echo(misfit, err=True)
    if form == "text" and result.problems and not result.registers:
        return True  # a table without one value would hide the reason
    table = rows(register_map, result.registers)
    if form == "text":
        table = [{column: row[column] for column in READ_COLUMNS} for row in table]
    echo(FORMATS[form](table), nl=False)
    return bool(result.problems)


def _misfit(register_map: RegisterMap, result: ReadResult) -> str:
    """Return why the map is not that of the server; empty if it can be."""
    from gateway.maps.household import is_beyond
    from gateway.maps.table import shown

    name = register_map.name
    if result.missing:
        return f"The register map {name} does not fit this server, which lacks registers of it. {_OTHER_MAP}"
    beyond = [
        (register, raw)
        for register in register_map.registers
        if (raw := result.registers.get(register.name)) and is_beyond(register, raw)
    ]
    if not beyond:
        return ""
    register, raw = beyond[0]
    what = f"{register.name} would be {shown(register, raw)}, more than a household can have"
    return f"The register map {name} does not seem to fit this server: {what}. {_OTHER_MAP}"
