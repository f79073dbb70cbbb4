"""The search for a meter that `probe` and `setup` share: its options, the table of what is found, and the choice."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from gateway.cli.output import echo, program_name

if TYPE_CHECKING:
    from gateway.cli.found_table import Row
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
_TURN_S = 30.0
"""Time that a candidate of a search has beyond that of listening: for its connection, and to wait for its turn."""

file_path = click.Path(path_type=Path)


class Options(NamedTuple):
    """The options of a search."""

    listen_s: float
    """Time to listen at each speed, in seconds."""
    keys: Keys | None
    files: Files
    shown_files: Files
    """The same as the new configuration names them."""
    search_s: float | None
    """Time to search the network; None for the default."""
    choose: int | None
    """Number in the table of the source to take."""

    def for_found(self, place: str) -> Options:
        """Return the options for a place that a search has found."""
        return self._replace(files=self.files.for_found(place), shown_files=self.shown_files.for_found(place))


_OPTIONS = (
    click.option(
        "--token-file",
        metavar="FILE",
        type=file_path,
        help="File with the token of a source of http://, https:// or homewizard://.",
    ),
    click.option("--ca", metavar="FILE", type=file_path, help="PEM file of the authority of a source with TLS."),
    click.option(
        "--choose", metavar="N", type=click.IntRange(1), help="Take the source with this number in the table."
    ),
    click.option("--seconds", type=click.FloatRange(0.1, 600), help="Seconds to listen at each speed, by default 12."),
    click.option(
        "--search",
        type=click.FloatRange(0, 600),
        help="Seconds to search the network, by default 5; 0 for serial ports only.",
    ),
    click.option(
        "--decryption-key-file", metavar="FILE", type=file_path, help="Key of a meter that encrypts its telegrams."
    ),
    click.option(
        "--authentication-key-file", metavar="FILE", type=file_path, help="Its authentication key, if it has one."
    ),
)


def search_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a search to a command; `read_options` takes their values."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_options(
    configuration: Path | None,
    *,
    token_file: Path | None,
    ca: Path | None,
    choose: int | None,
    seconds: float | None,
    search: float | None,
    decryption_key_file: Path | None,
    authentication_key_file: Path | None,
) -> Options:
    """Return the options of a search for the meter of a configuration.

    Raises:
        click.UsageError: the keys cannot be read.

    """
    from gateway.cli.probe_output import Files
    from gateway.tools.probing import LISTEN_S

    files = Files(token_file, ca, decryption_key_file, authentication_key_file)
    return Options(seconds or LISTEN_S, _read_keys(files), files, files.beside(configuration), search, choose)


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


def find(options: Options, *, is_quiet: bool) -> SearchResult:
    """Look for sources and try them; report what was not searched or not shown."""
    import asyncio

    from gateway.tools import announcements, finding, probing

    async def attempt(place: str) -> list[ProbeResult]:
        return await _probe(place, options.for_found(place))

    search_s = announcements.SEARCH_S if options.search_s is None else options.search_s
    if not is_quiet:
        also = f", and the network for {search_s:g} s" if search_s else ""
        echo(f"Looking at the serial ports{also}. A serial port without a meter takes longer.\n", err=True)
    limit_s = _TURN_S + 4 * options.listen_s
    network = finding.Network(announcements.networks_here, search_s, has_token=options.files.token_file is not None)
    result = asyncio.run(finding.find(probing.serial_ports(), network, attempt, limit_s))
    if result.network_problem:
        echo(f"The network is not searched: {result.network_problem}.\n", err=True)
    if result.left_out:
        echo(f"{result.left_out} more devices announce themselves, and are not shown.\n", err=True)
    return result


def choose(rows: Sequence[Row], number: int | None, command: str, *, is_asked: bool) -> Found | None:
    """Return a source: that with `number`, the only one with a meter, or the one that the user names; None for none.

    Args:
        rows: the table of the sources.
        number: the number that was given; None to find out.
        command: the name of this command, for a hint.
        is_asked: whether a user at a terminal is asked.

    """
    usable = {each_number: each for each_number, each in rows if each_number is not None}
    if number:
        if number not in usable:
            raise click.UsageError(f"there is no number {number} in the table")
        return usable[number]
    if not rows:
        echo(_NOTHING, err=True)
        sys.exit(1)
    read = {each_number: each for each_number, each in usable.items() if each.results and each.results[-1].newest}
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
        echo(f"\nTo see one with its configuration: {program_name()} {command} --choose NUMBER", err=True)
    return None


def is_terminal() -> bool:
    """Return whether a user can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def read_place(place: str, options: Options) -> Sequence[ProbeResult]:
    """Listen to one place, and return the results.

    Raises:
        click.UsageError: it is not a place that telegrams can come from.

    """
    import asyncio

    return asyncio.run(_probe(place, options))


async def _probe(place: str, options: Options) -> list[ProbeResult]:
    from gateway.service.node_settings import p1_connections
    from gateway.tools.probing import probe

    return await probe(p1_connections(_config(place, options), Path()), options.listen_s, options.keys)


def _config(place: str, options: Options) -> MeterConfig:
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
