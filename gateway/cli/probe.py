"""`dsmr-gateway probe`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.output import echo, echo_json
from gateway.cli.parameters import json_option

if TYPE_CHECKING:
    from gateway.config.meter import MeterConfig
    from gateway.protocol.p1.readings import Reading
    from gateway.protocol.p1.serving import Received
    from gateway.tools.probing import ProbeResult


_NOTHING = """\
There is no serial port in /dev/serial/by-id, and no /dev/ttyUSB, ttyACM or ttyAMA. Is the cable plugged in?
For a meter behind a ser2net: dsmr-gateway probe HOST:PORT
"""


_EXISTS = "{file} exists already, and is not overwritten. Give the name of a new file"
_SEVERAL = "there are meters on {places}. Give one of them"
_SERVERS = 'modbus:\n  - listen: ":5020"\nstatus_page: {}\n'
"""The part of a new configuration that does not depend on the meter: a port that needs no root rights, and the page."""


@click.command("probe")
@click.argument("where", required=False, metavar="[DEVICE|HOST:PORT|URL]")
@json_option
@click.option(
    "--save",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the configuration into a new FILE, with Modbus/TCP on port 5020 and the status page.",
)
@click.option("--seconds", type=click.FloatRange(0.1, 600), help="Seconds to listen at each speed, by default 12.")
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="File with the token of a source of http://, https:// or homewizard://.",
)
@click.option(
    "--ca", metavar="FILE", type=click.Path(path_type=Path), help="PEM file of the authority of a source with TLS."
)
def probe_command(
    where: str | None, *, save: Path | None, as_json: bool, seconds: float | None, **_files: Path | None
) -> None:
    """Find the meter on a P1 port, show a telegram with its readings, and print the configuration for it.

    Without DEVICE, all serial ports that a P1 cable may be on are tried. Nothing is ever sent to the meter. With
    --save, the configuration is written into a file, which must not exist yet.
    """
    import asyncio

    from gateway.tools.probing import LISTEN_S, serial_ports

    if save and save.exists():
        raise click.UsageError(_EXISTS.format(file=save))
    places = [where] if where else serial_ports()
    if not places:
        echo(_NOTHING, err=True)
        if as_json:
            echo_json([])
        sys.exit(1)
    found = [(place, asyncio.run(_probe(place, seconds or LISTEN_S))) for place in places]
    if as_json:
        echo_json([_as_data(place, findings) for place, findings in found])
    else:
        for place, findings in found:
            _show(place, findings)
    meters = [(place, findings[-1].newest) for place, findings in found if findings[-1].newest]
    if save:
        _save(save, meters)
    sys.exit(0 if meters else 1)


def _save(file: Path, meters: list[tuple[str, Received]]) -> None:
    """Write the configuration for the only meter into a new file; exit where there is none, or more than one."""
    if len(meters) != 1:
        places = ", ".join(place for place, _ in meters)
        echo(f"{file} is not written: {_SEVERAL.format(places=places) if meters else 'no meter was found'}", err=True)
        sys.exit(1)
    try:
        with file.open("x") as stream:
            stream.write(f"{_yaml(*meters[0])}{_SERVERS}")
    except FileExistsError:
        raise click.UsageError(_EXISTS.format(file=file)) from None
    except OSError as error:
        echo(f"{file} cannot be written: {error.strerror}", err=True)
        sys.exit(1)
    echo(f"{file} is written. Start the gateway with: dsmr-gateway run {file}", err=True)


async def _probe(place: str, seconds: float) -> list[ProbeResult]:
    from gateway.service.node_settings import p1_connections
    from gateway.tools.probing import probe

    return await probe(p1_connections(_config(place), Path.cwd()), seconds)


def _config(place: str) -> MeterConfig:
    from pydantic import ValidationError

    from gateway.config.address import MAX_PORT, split_address, split_url
    from gateway.config.meter import MeterConfig

    address = None if "://" in place else split_address(place)
    if address and not 0 < address[1] <= MAX_PORT:
        raise click.UsageError(f"{place}: {address[1]} is not a TCP port. Give one from 1 to 65535, such as 2001")
    try:
        if split_url(place) is None and "://" in place:
            return MeterConfig.model_validate({"source": place, **_files()})
        config = MeterConfig(host=address[0], port=str(address[1])) if address else MeterConfig(port=place)
    except ValidationError as error:
        raise click.UsageError(str(error.errors()[0]["ctx"]["problem"])) from None
    if not config.host and "/" not in place and not Path(place).exists():
        raise click.UsageError(f"{place} is not a device. Give one such as /dev/ttyUSB0, or HOST:PORT of a ser2net")
    return config


def _files() -> dict[str, Path]:
    """Return the files of the command's options by their key of `meter:`."""
    given = click.get_current_context().params
    return {key: given[key] for key in ("token_file", "ca") if given[key]}


def _show(place: str, findings: list[ProbeResult]) -> None:
    from gateway.tools.probing import conclude

    for finding in findings:
        if not finding.newest:
            echo(f"{finding.label}: {finding.problem}", err=True)
            continue
        newest, cadence = finding.newest, finding.cadence_s
        pace = f"a telegram every {cadence:.0f} s" if cadence and cadence >= 1 else "telegrams"
        refused = f", {len(finding.refused)} refused" if finding.refused else ""
        echo(f"{finding.label}: {newest.variant.title}, /{newest.readings.identification}, {pace}{refused}\n")
        width = max(len(_line(reading)) for reading in newest.readings.lines)
        for reading in newest.readings.lines:
            echo(f"  {_line(reading).ljust(min(width, 60))}  {_value(reading)}".rstrip())
        echo(f"\nTo use this meter, write into gateway.yaml:\n\n{_yaml(place, newest)}")
    conclusion = conclude(findings)
    if conclusion:
        echo(f"{place}: {conclusion}", err=True)


def _line(reading: Reading) -> str:
    text = reading.code + reading.text.replace("\r", "").replace("\n", "")
    return text if len(text) <= 60 else f"{text[:57]}..."


def _value(reading: Reading) -> str:
    if reading.error:
        return f"{reading.name}: not readable, {reading.error}"
    if reading.value is None:
        return f"{reading.name}: no value"
    return f"{reading.name}: {reading.value}{f' {reading.unit}' if reading.unit else ''}"


def _yaml(place: str, newest: Received) -> str:
    from gateway.config.address import split_address, split_url

    address = split_address(place) or split_url(place)
    where = f"  host: {address[0]}\n  port: {address[1]}" if address else f"  port: {place}"
    if not address and "://" in place:
        files = [f"  {key}: {json.dumps(str(path))}" for key, path in _files().items()]
        where = "\n".join([f"  source: {json.dumps(place)}", *files])
    return f'meter:\n{where}\n  dsmr_version: "{newest.variant.key}"\n'


def _as_data(place: str, findings: list[ProbeResult]) -> dict[str, object]:
    last = findings[-1]
    from gateway.tools.probing import conclude

    data: dict[str, object] = {
        "place": place,
        "tried": {each.label: str(each.problem or "telegrams") for each in findings},
    }
    conclusion = conclude(findings)
    if conclusion:
        data["conclusion"] = conclusion
    if last.newest:
        newest = last.newest
        data |= {
            "dsmr_version": newest.variant.key,
            "title": newest.variant.title,
            "identification": newest.readings.identification,
            "cadence_s": last.cadence_s,
            "readings": {
                reading.code: {"name": reading.name, "value": _plain(reading), "unit": reading.unit}
                for reading in newest.readings.lines
            },
            "configuration": _yaml(place, newest),
        }
    return data


def _plain(reading: Reading) -> object:
    return reading.value if isinstance(reading.value, int) or reading.value is None else str(reading.value)
