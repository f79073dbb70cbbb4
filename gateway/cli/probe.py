"""`dsmr-gateway probe`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from gateway.cli.output import echo, echo_json, program_name
from gateway.cli.parameters import json_option
from gateway.cli.searching import Options, choose, file_path, find, read_options, read_place, search_options

if TYPE_CHECKING:
    from gateway.tools.probing import ProbeResult

_EXISTS = "{file} exists already, and is not overwritten. Give the name of a new file"
_SERVERS = 'modbus:\n  - listen: ":5020"\nstatus_page: {}\n'
"""The part of a new configuration that does not depend on the meter: a port that needs no root rights, and the page."""
_SET_UP = "\nTo write it with a page that other computers can open: {program} setup {place}"


@click.command("probe")
@click.argument("where", required=False, metavar="[DEVICE|HOST:PORT|URL]")
@json_option
@click.option(
    "--save",
    metavar="FILE",
    type=file_path,
    help="Write the configuration into a new FILE, with Modbus/TCP on port 5020 and the status page.",
)
@search_options
def probe_command(where: str | None, *, as_json: bool, save: Path | None, **given: Any) -> None:
    """Find the meter, show a telegram with its readings, and print the configuration for it.

    Without an argument, the serial ports and the devices that announce themselves on the local network are tried, and
    shown as a table. On a terminal you choose one of several. With DEVICE, HOST:PORT or URL, only that place is tried.
    Nothing is ever sent to a meter, and no source is taken from a program that reads it. With --save, the configuration
    is written into a file, which must not exist yet. `dsmr-gateway setup` asks for the rest of the configuration too.
    """
    if save and save.exists():
        raise click.UsageError(_EXISTS.format(file=save))
    options = read_options(save, **given)
    if where is None:
        _search(options, save, as_json=as_json)
        return
    if options.choose:
        raise click.UsageError("--choose is for a search. Leave out the place, or --choose")
    results = read_place(where, options)
    _show(where, results, options, as_json=as_json, is_saved=save is not None)
    _finish(save, [(where, results)], options)


def _search(options: Options, save: Path | None, *, as_json: bool) -> None:
    """Look for meters, show them as a table, and the one that is chosen with its configuration."""
    from gateway.cli import found_table

    result = find(options, is_quiet=as_json)
    rows = found_table.numbered(result.found)
    if as_json and not options.choose:
        echo_json([found_table.as_data(*row, options.shown_files) for row in rows])
    elif not as_json:
        echo("\n".join(found_table.lines(rows)))
    chosen = choose(rows, options.choose, "probe", is_asked=not as_json)
    if chosen is None:
        read = [(each.candidate.place, each.results) for _, each in rows]
        _finish(save, read, options)
    place = chosen.candidate.place
    options = options.for_found(place)
    results = chosen.results or read_place(place, options)
    if not as_json:
        echo("")
    if not as_json or options.choose:
        _show(place, results, options, as_json=as_json, is_saved=save is not None)
    _finish(save, [(place, results)], options)


def _show(place: str, results: Sequence[ProbeResult], options: Options, *, as_json: bool, is_saved: bool) -> None:
    from gateway.cli.probe_output import as_data, show

    if as_json:
        echo_json([as_data(place, results, options.shown_files)])
        return
    show(place, results, options.shown_files)
    if results[-1].newest and not is_saved:
        echo(_SET_UP.format(program=program_name(), place=place), err=True)


def _finish(save: Path | None, tried: Sequence[tuple[str, Sequence[ProbeResult]]], options: Options) -> NoReturn:
    """Write the configuration where it is wanted, and end the program."""
    meters = [(place, results[-1]) for place, results in tried if results and results[-1].newest]
    if save:
        _save(save, meters, options)
    sys.exit(0 if meters else 1)


def _save(file: Path, meters: list[tuple[str, ProbeResult]], options: Options) -> None:
    """Write the configuration for the only meter into a new file; exit where there is none, or more than one."""
    from gateway.cli.probe_output import configuration

    if len(meters) != 1:
        places = ", ".join(place for place, _ in meters)
        several = f"there are meters on {places}. Give one of them, or --choose NUMBER"
        echo(f"{file} is not written: {several if meters else 'no meter was read'}", err=True)
        sys.exit(1)
    try:
        with file.open("x") as stream:
            stream.write(f"{configuration(*meters[0], options.shown_files)}{_SERVERS}")
    except FileExistsError:
        raise click.UsageError(_EXISTS.format(file=file)) from None
    except OSError as error:
        echo(f"{file} cannot be written: {error.strerror}", err=True)
        sys.exit(1)
    echo(f"{file} is written. Start the gateway with: {program_name()} run {file}", err=True)
