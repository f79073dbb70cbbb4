"""`dsmr-gateway setup`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from gateway.cli.output import echo, program_name
from gateway.cli.parameters import DEFAULT_CONFIG, SERVICE_CONFIG
from gateway.cli.searching import (
    Options,
    choose,
    file_path,
    find,
    is_terminal,
    read_options,
    read_place,
    search_options,
)

if TYPE_CHECKING:
    from gateway.cli.probe_output import Files
    from gateway.tools.probing import ProbeResult

MODBUS_PORT = 502
UNPRIVILEGED_PORT = 5020
"""Modbus port of a gateway that is no service: most systems reserve 502 for root."""
PAGE_PORT = 8080
_EXISTS = "{file} exists already. Add --replace to write a new one; the old one is kept under another name"
_REPLACE = "{file} exists already. Replace it, and keep the old one under another name?"
_ASK_PASSWORD = "Password of the page, 8 characters or more (Enter: a new one is made)"  # noqa: S105 - a question
_NO_METER = "No meter was read, so nothing is written."


class _Wishes(NamedTuple):
    """The settings of the new gateway beside its meter."""

    config: Path
    is_service: bool
    port: int | None
    page: str
    page_port: int
    password_file: Path | None
    is_replacing: bool

    @property
    def new_password_file(self) -> Path:
        """Return the file of a new password, beside the configuration."""
        from gateway.tools.new_configuration import PASSWORD_FILE

        return self.config.parent / PASSWORD_FILE


@click.command("setup")
@click.argument("where", required=False, metavar="[DEVICE|HOST:PORT|URL]")
@click.option(
    "--config",
    "path",
    type=file_path,
    metavar="FILE",
    help="Configuration to write: by default gateway.yaml, and for a service /etc/dsmr-gateway/gateway.yaml.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help=f"Modbus/TCP port, by default {UNPRIVILEGED_PORT}, and {MODBUS_PORT} for a service.",
)
@click.option(
    "--page",
    type=click.Choice(["network", "here", "none"]),
    default="network",
    show_default=True,
    help="Status page: for all machines with a password, for this machine only, or none.",
)
@click.option(
    "--page-port", type=click.IntRange(1, 65535), default=PAGE_PORT, show_default=True, help="Port of the page."
)
@click.option(
    "--password-file",
    type=file_path,
    metavar="FILE",
    help="File with the password of the page in its first line; without it a new password is made and shown.",
)
@click.option("--service/--no-service", default=None, help="Run the gateway as a service of systemd, as root.")
@click.option("--replace", is_flag=True, help="Replace a configuration that is there, and keep it under another name.")
@search_options
def setup_command(
    where: str | None,
    *,
    path: Path | None,
    port: int | None,
    page: str,
    page_port: int,
    password_file: Path | None,
    service: bool | None,
    replace: bool,
    **given: Any,
) -> None:
    """Find the meter, write gateway.yaml with a status page, and install the service if you want it.

    On a terminal it asks for what is not given; otherwise it takes the defaults. Without an argument it searches as
    `probe` does. Nothing is written unless a meter was read. A configuration that exists is replaced only with
    --replace or when you agree, and is kept under another name.
    """
    is_service = _chooses_service(service)
    config = path or (SERVICE_CONFIG if is_service else Path(DEFAULT_CONFIG))
    wishes = _Wishes(config, is_service, port, page, page_port, password_file, replace)
    wishes = _checked(wishes)
    options = read_options(config, **given)
    with _stopped_service(is_service=is_service):
        place, result, options = _find_meter(where, options)
        wishes = wishes if wishes.port or not is_terminal() else wishes._replace(port=_ask_port(wishes))
        _write(wishes, place, result, options.files)


def _chooses_service(given: bool | None) -> bool:
    """Return whether to install the service; exit where that is wanted and not possible."""
    from gateway.tools.service_unit import service_problem, this_program

    if given is False:
        return False
    problem = service_problem(this_program())
    if problem is None:
        return given or (is_terminal() and click.confirm("Run the gateway as a service?", default=True, err=True))
    if given:
        raise click.UsageError(str(problem))
    return False


def _checked(wishes: _Wishes) -> _Wishes:
    """Return the wishes once it is clear that the files can be written; exit otherwise."""
    from gateway.tools.new_configuration import is_usable_password_file

    if wishes.config.exists() and not wishes.is_replacing:
        if not (is_terminal() and click.confirm(_REPLACE.format(file=wishes.config), default=False, err=True)):
            raise click.UsageError(_EXISTS.format(file=wishes.config))
        wishes = wishes._replace(is_replacing=True)
    if not wishes.is_service and not os.access(wishes.config.parent, os.W_OK):
        raise click.UsageError(f"{wishes.config.parent} is not a folder that this user may write to")
    if wishes.password_file and not is_usable_password_file(wishes.password_file):
        raise click.UsageError(f"{wishes.password_file} has no password of 8 characters or more in its first line")
    return wishes


@contextmanager
def _stopped_service(*, is_service: bool) -> Iterator[None]:
    """Keep the service from reading the meter in the block; start it again if the block does not end well."""
    from gateway.tools.service_unit import start, stop_running

    if not (is_service and stop_running()):
        yield
        return
    echo("The service is stopped, so that it does not hold the port of the meter.", err=True)
    try:
        yield
    except BaseException:
        start()
        echo("The service runs again, as before.", err=True)
        raise


def _find_meter(where: str | None, options: Options) -> tuple[str, ProbeResult, Options]:
    """Return the place of a meter, the telegrams from it, and the options for it; exit where there is none."""
    from gateway.cli import found_table
    from gateway.cli.probe_output import show

    place, results = where or "", []
    if where is None:
        rows = found_table.numbered(find(options, is_quiet=False).found)
        echo("\n".join([*found_table.lines(rows), ""]))
        chosen = choose(rows, options.choose, "setup", is_asked=True)
        if chosen is None:
            echo(_NO_METER, err=True)
            sys.exit(1)
        place, results = chosen.candidate.place, list(chosen.results)
        options = options.for_found(place)
    elif options.choose:
        raise click.UsageError("--choose is for a search. Leave out the place, or --choose")
    if not results:
        echo(f"Listening to {place}.", err=True)
        results = list(read_place(place, options))
    if not results[-1].newest:
        show(place, results, options.shown_files)
        echo(_NO_METER, err=True)
        sys.exit(1)
    return place, results[-1], options


def _ask_port(wishes: _Wishes) -> int:
    default = MODBUS_PORT if wishes.is_service else UNPRIVILEGED_PORT
    port: int = click.prompt("Port for Modbus clients", type=click.IntRange(1, 65535), default=default, err=True)
    return port


def _write(wishes: _Wishes, place: str, result: ProbeResult, files: Files) -> None:
    """Write all files, start the service if there is one, and show what to do next."""
    from gateway.cli.probe_output import Files, configuration
    from gateway.problems.problem import ProblemError
    from gateway.tools.new_configuration import PageChoice, configuration_text, make_folder, write_configuration
    from gateway.tools.service_unit import CREDENTIALS

    port = wishes.port or (MODBUS_PORT if wishes.is_service else UNPRIVILEGED_PORT)
    try:
        make_folder(wishes.config.parent)
        password_file, shown = _page_password(wishes)
        secrets = _credentials(wishes, password_file, files)
        if wishes.is_service:
            named = {path.absolute(): CREDENTIALS / name for name, path in secrets.items()}
            files = Files(*(each and named[each.absolute()] for each in files))
            password_file = password_file and named[password_file.absolute()]
        else:
            files = files.beside(wishes.config)
            (password_file,) = Files(password_file).beside(wishes.config)[:1]
        page = None if wishes.page == "none" else PageChoice(wishes.page_port, password_file)
        text = configuration_text(str(wishes.config), configuration(place, result, files), port, page)
        if former := write_configuration(wishes.config, text, is_replacing=wishes.is_replacing):
            echo(f"The former {wishes.config} is now {former}.")
        echo(f"{wishes.config} is written: {result.newest and result.newest.variant.title} meter on {place}.")
        if wishes.is_service:
            _start_service(wishes, secrets, place)
    except ProblemError as error:
        echo(str(error.problem), err=True)
        sys.exit(1)
    except OSError as error:
        echo(f"{error.filename or wishes.config} cannot be written: {error.strerror}", err=True)
        sys.exit(1)
    _show_next(wishes, port, shown)


def _page_password(wishes: _Wishes) -> tuple[Path | None, str]:
    """Return the file of the page's password, which is made if there is none, and a new password or nothing."""
    from gateway.tools.new_configuration import is_usable_password_file, new_password, write_password

    if wishes.page != "network":
        return None, ""
    if wishes.password_file:
        return wishes.password_file, ""
    file = wishes.new_password_file
    if is_usable_password_file(file):
        echo(f"The page has the password that is in {file} already.")
        return file, ""
    typed = ""
    while is_terminal():
        typed = click.prompt(_ASK_PASSWORD, default="", show_default=False, hide_input=True, err=True)
        if not typed or len(typed.strip().encode()) >= 8:
            break
        echo("The password is too short.", err=True)
    password = typed.strip() or new_password()
    write_password(file, password)
    return file, "" if typed else password


def _credentials(wishes: _Wishes, password_file: Path | None, files: Files) -> Mapping[str, Path]:
    """Return the files that systemd hands to the service, by the name that they have there."""
    if not wishes.is_service:
        return {}
    named: dict[str, Path] = {}
    for path in dict.fromkeys(path.absolute() for path in (password_file, *files) if path):
        named[f"{path.name}-{len(named)}" if path.name in named else path.name] = path
    return named


def _start_service(wishes: _Wishes, secrets: Mapping[str, Path], place: str) -> None:
    from gateway.tools.service_unit import UNIT, Installation, install, start, this_program

    device = place if place.startswith("/") else ""
    for path in install(Installation(this_program(), wishes.config.absolute(), secrets, device)):
        echo(f"{path} is written.")
    start()
    echo(f"The service {UNIT.removesuffix('.service')} runs, and starts with the machine.")


def _show_next(wishes: _Wishes, port: int, password: str) -> None:
    from gateway.tools.new_configuration import machine_problems
    from gateway.transport.addresses import own_address, place_of

    for problem in () if wishes.is_service else machine_problems(wishes.config):
        echo(str(problem), err=True)
    address = own_address() or "localhost"
    echo("")
    if wishes.is_service:
        echo("Its log:             journalctl --unit dsmr-gateway --follow")
    else:
        echo(f"Start the gateway:   {program_name()} run {wishes.config}")
    echo(f"Modbus clients:      {place_of(address, port)}, unit id 1")
    if wishes.page != "none":
        there = f"http://{place_of(address if wishes.page == 'network' else 'localhost', wishes.page_port)}"
        where = "from any computer in this network" if wishes.page == "network" else "on this machine only"
        echo(f"Open the page:       {there} {where}")
    if wishes.page == "network":
        at = wishes.password_file or wishes.new_password_file
        echo(f"User and password:   any user name, and {password or 'your password'}, which is in {at}")
