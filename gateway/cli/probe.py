"""`dsmr-gateway probe`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import click

from gateway.cli.output import echo, echo_json, program_name
from gateway.cli.parameters import json_option

if TYPE_CHECKING:
    from gateway.cli.probe_output import Files
    from gateway.config.meter import MeterConfig
    from gateway.tools.finding import Found, SearchResult
    from gateway.tools.keys import Keys
    from gateway.tools.probing import ProbeResult


_NOTHING = """\
There is no serial port in /dev/serial/by-id, and no /dev/ttyUSB, ttyACM or ttyAMA. Is the cable plugged in?
No device on the network announces itself as a source of telegrams. If you know the address of one, try it:
dsmr-gateway probe HOST:PORT, or dsmr-gateway probe http://HOST/PATH
"""
_EXISTS = "{file} exists already, and is not overwritten. Give the name of a new file"
_SERVERS = 'modbus:\n  - listen: ":5020"\nstatus_page: {}\n'
"""The part of a new configuration that does not depend on the meter: a port that needs no root rights, and the page."""

_TURN_S = 30.0
"""Time that a candidate of a search has beyond that of listening: for its connection, and to wait for its turn."""

_file = click.Path(path_type=Path)


class _Options(NamedTuple):
    """The time to listen, and the files that meters and sources need."""

    listen_s: float
    keys: Keys | None
    files: Files
    shown_files: Files
    """The same as the new configuration names them."""

    def for_found(self, place: str) -> _Options:
        """Return the options for a place that a search has found."""
        return self._replace(files=self.files.for_found(place), shown_files=self.shown_files.for_found(place))


@click.command("probe")
@click.argument("where", required=False, metavar="[DEVICE|HOST:PORT|URL]")
@json_option
@click.option(
    "--save",
    metavar="FILE",
    type=_file,
    help="Write the configuration into a new FILE, with Modbus/TCP on port 5020 and the status page.",
)
@click.option(
    "--token-file",
    metavar="FILE",
    type=_file,
    help="File with the token of a source of http://, https:// or homewizard://.",
)
@click.option("--ca", metavar="FILE", type=_file, help="PEM file of the authority of a source with TLS.")
@click.option("--choose", metavar="N", type=click.IntRange(1), help="Take the source with this number in the table.")
@click.option("--seconds", type=click.FloatRange(0.1, 600), help="Seconds to listen at each speed, by default 12.")
@click.option(
    "--search",
    type=click.FloatRange(0, 600),
    help="Seconds to search the network, by default 5; 0 for serial ports only.",
)
@click.option("--decryption-key-file", metavar="FILE", type=_file, help="Key of a meter that encrypts its telegrams.")
@click.option("--authentication-key-file", metavar="FILE", type=_file, help="Its authentication key, if it has one.")
def probe_command(
    where: str | None,
    *,
    as_json: bool,
    save: Path | None,
    choose: int | None,
    seconds: float | None,
    search: float | None,
    token_file: Path | None,
    ca: Path | None,
    decryption_key_file: Path | None,
    authentication_key_file: Path | None,
) -> None:
    """Find the meter, show a telegram with its readings, and print the configuration for it.

    Without an argument, the serial ports and the devices that announce themselves on the local network are tried, and
    shown as a table. On a terminal you choose one of several. With DEVICE, HOST:PORT or URL, only that place is tried.
    Nothing is ever sent to a meter, and no source is taken from a program that reads it. With --save, the configuration
    is written into a file, which must not exist yet.
    """
    from gateway.cli.probe_output import Files, as_data, show
    from gateway.tools.probing import LISTEN_S

    if save and save.exists():
        raise click.UsageError(_EXISTS.format(file=save))
    files = Files(token_file, ca, decryption_key_file, authentication_key_file)
    options = _Options(seconds or LISTEN_S, _read_keys(files), files, files.beside(save))
    if where is None:
        _search(options, search, choose, save, as_json=as_json)
        return
    if choose:
        raise click.UsageError("--choose is for a search. Leave out the place, or --choose")
    results = _read(where, options)
    if as_json:
        echo_json([as_data(where, results, options.shown_files)])
    else:
        show(where, results, options.shown_files)
    _finish(save, [(where, results)], options)


def _read_keys(files: Files) -> Keys | None:
    from gateway.problems.system import file_problem
    from gateway.tools.keys import read_keys

    if files.key_file is None:
        if files.authentication_key_file:
            raise click.UsageError("--authentication-key-file needs --decryption-key-file")
        return None
    try:
        return read_keys(files.key_file, files.authentication_key_file)
    except OSError as error:
        name = error.filename or files.key_file
        raise click.UsageError(f"{name}: {file_problem(error)}") from None


def _search(options: _Options, search_s: float | None, choose: int | None, save: Path | None, *, as_json: bool) -> None:
    """Look for meters, show them as a table, and the one that is chosen with its configuration."""
    from gateway.cli import found_table
    from gateway.cli.probe_output import as_data, show

    result = _find(options, search_s, is_quiet=as_json)
    rows = found_table.numbered(result.found)
    if as_json and not choose:
        echo_json([found_table.as_data(*row, options.shown_files) for row in rows])
    elif not as_json:
        echo("\n".join(found_table.lines(rows)))
    chosen = _chosen(rows, choose, is_asked=not as_json)
    if chosen is None:
        read = [(each.candidate.place, each.results) for _, each in rows]
        _finish(save, read, options)
    place = chosen.candidate.place
    options = options.for_found(place)
    results = chosen.results or _read(place, options)
    if as_json and choose:
        echo_json([as_data(place, results, options.shown_files)])
    elif not as_json:
        echo("")
        show(place, results, options.shown_files)
    _finish(save, [(place, results)], options)


def _find(options: _Options, search_s: float | None, *, is_quiet: bool) -> SearchResult:
    """Look for sources and try them; report what was not searched or not shown."""
    import asyncio

    from gateway.tools import announcements, probing
    from gateway.tools.finding import Network, find

    async def attempt(place: str) -> list[ProbeResult]:
        return await _probe(place, options.for_found(place))

    search_s = announcements.SEARCH_S if search_s is None else search_s
    if not is_quiet:
        also = f", and the network for {search_s:g} s" if search_s else ""
        echo(f"Looking at the serial ports{also}. A serial port without a meter takes longer.\n", err=True)
    limit_s = _TURN_S + 4 * options.listen_s
    network = Network(announcements.networks_here, search_s, has_token=options.files.token_file is not None)
    result = asyncio.run(find(probing.serial_ports(), network, attempt, limit_s))
    if result.network_problem:
        echo(f"The network is not searched: {result.network_problem}.\n", err=True)
    if result.left_out:
        echo(f"{result.left_out} more devices announce themselves, and are not shown.\n", err=True)
    return result


def _chosen(rows: Sequence[tuple[int | None, Found]], choose: int | None, *, is_asked: bool) -> Found | None:
    """Return the source to show: the one that was chosen, the only one with a meter, or the one that the user names."""
    usable = {number: each for number, each in rows if number is not None}
    if choose:
        if choose not in usable:
            raise click.UsageError(f"there is no number {choose} in the table")
        return usable[choose]
    if not rows:
        echo(_NOTHING, err=True)
        sys.exit(1)
    read = {number: each for number, each in usable.items() if each.results and each.results[-1].newest}
    has_untried = any(not each.results for each in usable.values())
    if is_asked and (len(usable) > 1 or has_untried) and is_terminal():
        first = next(iter(read or usable))
        answer: int = click.prompt(
            "Which one is yours? (0 for none)", type=click.IntRange(0, max(usable)), default=first, err=True
        )
        if answer not in usable:
            echo("No source is chosen.", err=True)
            sys.exit(1)
        return usable[answer]
    if len(read) == 1:
        return next(iter(read.values()))
    if is_asked and (read or has_untried):
        echo(f"\nTo see one with its configuration: {program_name()} probe --choose NUMBER", err=True)
    return None


def is_terminal() -> bool:
    """Return whether a user can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _finish(save: Path | None, tried: Sequence[tuple[str, Sequence[ProbeResult]]], options: _Options) -> NoReturn:
    """Write the configuration where it is wanted, and end the program."""
    meters = [(place, results[-1]) for place, results in tried if results and results[-1].newest]
    if save:
        _save(save, meters, options)
    sys.exit(0 if meters else 1)


def _save(file: Path, meters: list[tuple[str, ProbeResult]], options: _Options) -> None:
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


def _read(place: str, options: _Options) -> Sequence[ProbeResult]:
    import asyncio

    return asyncio.run(_probe(place, options))


async def _probe(place: str, options: _Options) -> list[ProbeResult]:
    from gateway.service.node_settings import p1_connections
    from gateway.tools.probing import probe

    return await probe(p1_connections(_config(place, options), Path.cwd()), options.listen_s, options.keys)


def _config(place: str, options: _Options) -> MeterConfig:
    from pydantic import ValidationError

    from gateway.config.address import MAX_PORT, split_address, split_url
    from gateway.config.meter import MeterConfig

    address = None if "://" in place else split_address(place)
    if address and not 0 < address[1] <= MAX_PORT:
        raise click.UsageError(f"{place}: {address[1]} is not a TCP port. Give one from 1 to 65535, such as 2001")
    if not (address or place.isdecimal() or "/" in place or Path(place).exists()):
        raise click.UsageError(f"{place} is not a device. Give one such as /dev/ttyUSB0, or HOST:PORT of a ser2net")
    try:
        if split_url(place) is None and "://" in place:
            return MeterConfig.model_validate({"source": place, **options.files.of_source()})
        return MeterConfig(host=address[0], port=str(address[1])) if address else MeterConfig(port=place)
    except ValidationError as error:
        raise click.UsageError(str(error.errors()[0]["ctx"]["problem"])) from None
