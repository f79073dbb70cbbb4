"""`dsmr-gateway pair`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.output import echo

if TYPE_CHECKING:
    from gateway.config.source import Source
    from gateway.lines.homewizard_identity import Pairing

WAIT_S = 120.0
_PRESS = "Press the button of the device once, briefly. Waiting for it for {seconds:.0f} s..."


@click.command("pair")
@click.argument("where", metavar="HOST")
@click.option(
    "--token-file",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="File to write the token into, with rights 0600.",
)
@click.option(
    "--name", metavar="NAME", help="Name that the device lists for the token, by default that of this machine."
)
@click.option(
    "--ca",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="PEM file of the authority of the device's certificate, by default the maker's.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 3600),
    default=WAIT_S,
    show_default=True,
    help="Seconds to wait for the button.",
)
def pair_command(where: str, *, token_file: Path, name: str | None, ca: Path | None, seconds: float) -> None:
    """Let the HomeWizard P1 Meter at HOST give the gateway a token, and write it into a file.

    The device gives a token to whoever requests one after its button was pressed. The file also gets the serial number
    of the device, so that no other device can take its place. Pair again to replace a token that is no longer valid.
    """
    import asyncio
    import socket

    from gateway.problems.problem import ProblemError
    from gateway.tools.pairing import user_of

    source = _source(where)
    _check_file(token_file)
    user = user_of(socket.gethostname()) if name is None else name
    try:
        asyncio.run(_pair(source.host, source.port, token_file, ca, user, seconds))
    except ProblemError as error:
        echo(f"{where}: {error.problem}", err=True)
        sys.exit(1)
    echo(f"\nTo use this meter, write into gateway.yaml:\n\n{_yaml(source, token_file, ca)}", nl=False)


def _source(where: str) -> Source:
    from pydantic_core import PydanticCustomError

    from gateway.config.source import HOMEWIZARD, split_source

    try:
        return split_source(f"{HOMEWIZARD}://{where.removeprefix(f'{HOMEWIZARD}://')}")
    except PydanticCustomError as error:
        raise click.UsageError(str((error.context or {})["problem"])) from None


async def _pair(host: str, port: int, token_file: Path, ca: Path | None, user: str, seconds: float) -> None:
    from gateway.tools.pairing import pair, serial_at
    from gateway.transport.addresses import place_of

    serial = await serial_at(host, port, ca)
    place = place_of(host, port)
    echo(f"{place} is the HomeWizard P1 Meter {serial}; its certificate is valid.")
    pairing = await pair(place, serial, ca, user, lambda: echo(_PRESS.format(seconds=seconds)), seconds)
    _write(token_file, pairing)
    echo(f"The device has paired with local/{user}. The token is in {token_file}, which only its owner can read.")
    await _try(place, ca, token_file)


async def _try(place: str, ca: Path | None, token_file: Path) -> None:
    """Show whether the meter can be read with the new token."""
    from gateway.lines.homewizard import HomeWizardV2Line
    from gateway.problems.problem import ProblemError

    try:
        await HomeWizardV2Line(place, None, ca, token_file).check()
    except ProblemError as error:
        echo(f"The token is valid, but there is no telegram: {error.problem}", err=True)
    else:
        echo("The newest telegram of the meter can be read.")


def _check_file(path: Path) -> None:
    """Exit if the file cannot be written, before anybody has to walk to the device."""
    from gateway.lines.homewizard_identity import read_pairing
    from gateway.problems.problem import ProblemError

    if not os.access(path.parent, os.W_OK):
        raise click.UsageError(f"{path} cannot be written: {path.parent} is not a folder that this user may write to")
    if not path.exists():
        return
    try:
        read_pairing(path)
    except ProblemError as error:
        if path.is_file() and not path.stat().st_size:
            return
        raise click.UsageError(
            f"{path} exists already, and holds something else than a token ({error.problem.what})."
            " Give the name of a new file"
        ) from None


def _write(path: Path, pairing: Pairing) -> None:
    from gateway.problems.problem import ProblemError
    from gateway.problems.system import file_problem
    from gateway.transport.secret_file import write_secret

    try:
        write_secret(path, pairing.content)
    except OSError as error:
        raise ProblemError(file_problem(error)) from error


def _yaml(source: Source, token_file: Path, ca: Path | None) -> str:
    files = {"token_file": token_file} | ({"ca": ca} if ca else {})
    lines = [f"  {key}: {json.dumps(str(path))}\n" for key, path in files.items()]
    where = json.dumps(str(source).removesuffix(":443"))
    return f"meter:\n  source: {where}\n{''.join(lines)}"
