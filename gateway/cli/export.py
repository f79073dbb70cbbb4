"""`dsmr-gateway export`."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from gateway.cli.output import echo
from gateway.cli.parameters import EVERY_ADDRESS, MapName, default_config, named_map, unit_id_or_default

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.config.modbus import ModbusConfig
    from gateway.exports import ExportedUnit, Target

FORMATS = ("home-assistant", "evcc", "telegraf", "node-red", "tia", "codesys", "twincat")
"""Names in `gateway.exports.FORMATS`, written here so that `--help` does not import them; a test compares."""


class _Choice(NamedTuple):
    """The options that choose units; None where they are not given."""

    host: str | None
    port: int | None
    unit_id: int | None
    map: str | None


@click.command("export")
@click.argument("form", metavar="FORMAT", type=click.Choice(FORMATS))
@click.argument("config", type=click.Path(path_type=Path, readable=False), required=False)
@click.option("--host", help="Address under which the program reaches the gateway.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Only the server on this port; or the port of the only server, if programs reach it on another one.",
)
@click.option("--unit", type=click.IntRange(0, 255), help="Only this unit id.")
@click.option("--map", "name", type=MapName(), help="Only units with this register map.")
@click.option("--present", is_flag=True, help="Only what the meter sends: reads the units from the gateway first.")
def export_command(
    form: str,
    config: Path | None,
    host: str | None,
    port: int | None,
    unit: int | None,
    name: str | None,
    *,
    present: bool,
) -> None:
    """Print a configuration with which another program reads the gateway.

    FORMAT is home-assistant, evcc, telegraf, node-red, tia, codesys or twincat. Ports, unit ids and register maps are
    those of CONFIG, by default gateway.yaml; without that file, those of the options, else port 502 and the native map.
    """
    from gateway.exports import ExportError, export

    units = _reachable(form, _units(config, _Choice(host, port, unit, name)))
    if present:
        units = [_with_present(each) for each in units]
    try:
        echo(export(form, units), nl=False)
    except ExportError as error:
        raise click.UsageError(str(error)) from None


def _units(config: Path | None, choice: _Choice) -> list[ExportedUnit]:
    from gateway.config.environment import is_overridden
    from gateway.config.modbus import DEFAULT_MAP, MODBUS_PORT
    from gateway.exports import ExportedUnit, Target
    from gateway.files.yaml_file import is_there

    path = config or default_config()
    if config or is_there(path) or is_overridden(os.environ):
        return _configured(path, choice)
    if not choice.host:
        raise click.UsageError("add --host: the address under which the program reaches the gateway")
    register_map = named_map(choice.map or DEFAULT_MAP)
    unit_id = unit_id_or_default(choice.unit_id, register_map)
    unit = ExportedUnit(register_map, Target(choice.host, choice.port or MODBUS_PORT, unit_id))
    echo(f"There is no {path}: exported {unit.label}", err=True)
    return [unit]


def _configured(path: Path, choice: _Choice) -> list[ExportedUnit]:
    """Return the chosen units of a configuration.

    Raises:
        FileError: the configuration is not valid.
        click.UsageError: no unit is chosen, or the address of a server is not known.

    """
    from gateway.config import check_config
    from gateway.exports import ExportedUnit

    config, maps = check_config(path).valid()
    servers = [each for each in config.modbus if not each.serial and each.address.port == choice.port]
    if not servers and (choice.port is None or len(config.modbus) == 1):
        servers = config.modbus
    chosen = [
        (server, unit_id, maps[unit.map])
        for server in servers
        for unit_id, unit in server.units.items()
        if choice.unit_id in (None, unit_id) and choice.map in (None, unit.map, maps[unit.map].name)
    ]
    if not chosen:
        raise click.UsageError(f"no unit in {path} is what these options choose. There are: {_all_units(config)}")
    return [ExportedUnit(register_map, _target(server, unit_id, choice)) for server, unit_id, register_map in chosen]


def _all_units(config: Config) -> str:
    """Return the unit ids of each server and map, as ranges: a table may have thousands of units."""
    from gateway.problems.listing import listed, numbered

    found = dict[tuple[str, str], list[int]]()
    for server in config.modbus:
        for unit_id, unit in server.units.items():
            found.setdefault((str(server), unit.map), []).append(unit_id)
    parts = [f"{numbered('unit', ids)} on {server} with map {name}" for (server, name), ids in found.items()]
    return listed(parts, between="; ")


def _target(server: ModbusConfig, unit_id: int, choice: _Choice) -> Target:
    """Return how a client reaches a unit of a server."""
    from gateway.exports import Target
    from gateway.protocol.p1.variants import SerialSettings

    if server.serial:
        line = SerialSettings(**server.serial.model_dump(exclude={"port"}))
        return Target(server.serial.port, 0, unit_id, "serial", line)
    host = choice.host or server.address.host
    if host in EVERY_ADDRESS:
        raise click.UsageError("add --host: the address under which the program reaches the gateway")
    return Target(host, choice.port or server.address.port, unit_id, "tls" if server.tls else server.transport)


def _reachable(form: str, units: list[ExportedUnit]) -> list[ExportedUnit]:
    """Return the units that the program can read; name the others, unless there are no other ones.

    Units on a serial line are chosen only if there are no others: few machines are connected to the line.
    """
    from gateway.exports import FORMATS

    reachable = [unit for unit in units if unit.target.transport in FORMATS[form].transports]
    networked = [unit for unit in reachable if not unit.target.line]
    chosen = networked or reachable
    for unit in units if chosen else ():
        if unit not in reachable:
            what = f"{FORMATS[form].title} cannot read over {unit.target.transport}"
            echo(f"{unit.label} is left out: {what}", err=True)
        elif unit not in chosen:
            what = f"it is on a serial line. Choose it with --unit {unit.target.unit_id}"
            echo(f"{unit.label} is left out: {what}", err=True)
    return chosen or units


def _with_present(unit: ExportedUnit) -> ExportedUnit:
    """Return the unit with the names of its registers that have a value now; exit where it cannot be read."""
    from gateway.protocol.registers.decoding import decode
    from gateway.tools.reading_client import ReadingClient

    target = unit.target
    if target.line:
        raise click.UsageError(f"--present reads over a network, and {unit.label} is on a serial line")
    client = ReadingClient(target.host, target.port, target.unit_id, target.transport)
    try:
        client.connect()
        result = client.read(unit.register_map)
    except ConnectionError as error:
        echo(str(error), err=True)
        sys.exit(1)
    if result.problems:
        echo(f"{unit.label}: --present needs all registers of the unit. {result.problems[0]}", err=True)
        sys.exit(1)
    present = {
        register.name
        for register in unit.register_map.registers
        if (raw := result.registers.get(register.name)) and decode(register, raw) is not None
    }
    return replace(unit, present=present)
