"""The command line: the only place that prints, exits and sets up logging."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import click

from gateway.config import Config, load_config
from gateway.config.meter import MeterConfig
from gateway.config.modbus import ModbusConfig
from gateway.config.types import Listen
from gateway.maps import find_map, load_map
from gateway.nodes.control import FOLLOW, ONCE, ask, socket_path
from gateway.wiring import Wiring
from gateway.yaml_file import FileError

EXIT_CONFIGURATION = 78
"""EX_CONFIG: systemd's RestartPreventExitStatus knows that trying again will not help."""
DEFAULT_CONFIG = "gateway.yaml"
DEMO_PORT = 5020

_MINIMAL = """\
There is no {path}. Write one, for a cable:

  meter:
    port: /dev/ttyUSB0

or for a ser2net:

  meter:
    host: 192.168.1.13
    port: 2001

or try `dsmr-gateway run --demo`, which needs no meter.
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dsmr-modbus-gateway", prog_name="dsmr-gateway")
def main() -> None:
    """A gateway from the P1 port of a smart meter to Modbus."""


@main.command()
@click.argument("config", type=click.Path(path_type=Path), default=DEFAULT_CONFIG)
@click.option("--demo", is_flag=True, help=f"A simulated household on Modbus/TCP port {DEMO_PORT}; no meter needed.")
@click.option("--verbose", "-v", is_flag=True, help="Log more.")
def run(config: Path, *, demo: bool, verbose: bool) -> None:
    """Run the gateway with CONFIG, by default gateway.yaml."""
    _set_up_logging(verbose=verbose)
    if demo:
        settings, folder = _demo_config(), Path()
    elif not config.exists():
        click.echo(_MINIMAL.format(path=config), err=True)
        sys.exit(EXIT_CONFIGURATION)
    else:
        settings, folder = _load(config), config.parent
    wiring = _wire(settings, folder)
    asyncio.new_event_loop().run_until_complete(_run(wiring))
    logging.shutdown()
    # A thread that still waits for a name server or for a device's driver must not hold up the end.
    os._exit(0)


@main.command()
@click.argument("config", type=click.Path(path_type=Path), default=DEFAULT_CONFIG)
def check(config: Path) -> None:
    """Say what is wrong with CONFIG, by default gateway.yaml, and the register maps it names."""
    settings = _load(config)
    names = {unit.map for server in settings.modbus for unit in server.units.values()}
    faults = []
    for name in sorted(names):
        try:
            load_map(find_map(name, config.parent))
        except FileError as error:
            faults += error.faults
    if faults:
        _fail(FileError(faults))
    units = sum(len(server.units) for server in settings.modbus)
    meters = len(settings.all_meters())
    click.echo(f"{config} is right: {_count(meters, 'meter')}, {_count(units, 'unit')} on {_listening(settings)}.")


@main.command()
@click.option("--follow", "-f", is_flag=True, help="Go on showing requests as they come.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def requests(*, follow: bool, as_json: bool) -> None:
    """Show what Modbus clients asked the running gateway, and what they were answered."""

    def show(line: bytes) -> None:
        if as_json:
            click.echo(line, nl=False)
            return
        exchange = json.loads(line)
        moment = datetime.fromtimestamp(exchange["time"]).astimezone()
        click.echo(f"{moment:%H:%M:%S.%f} {exchange['server']}: {exchange['text']}")

    try:
        asyncio.run(ask(socket_path(), FOLLOW if follow else ONCE, show))
    except OSError as error:
        click.echo(f"No gateway of this user is running ({socket_path()}: {error.strerror}).", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        pass


@main.command("import-ser2net")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def import_ser2net(file: Path) -> None:
    """Print the configuration for what a ser2net's FILE offers, old form or YAML."""
    from gateway.ser2net import convert  # noqa: PLC0415 - only for this command

    try:
        click.echo(convert(file.read_text("utf-8", "replace"), str(file)), nl=False)
    except FileError as error:
        _fail(error)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _listening(settings: Config) -> str:
    servers = ", ".join(str(server) for server in settings.modbus)
    ports = ", ".join(str(passthrough) for passthrough in settings.passthrough)
    return f"{servers}, passthrough on {ports}" if ports else servers


def _load(config: Path) -> Config:
    try:
        return load_config(config)
    except FileError as error:
        _fail(error)


def _wire(settings: Config, folder: Path) -> Wiring:
    try:
        return Wiring(settings, folder)
    except FileError as error:
        _fail(error)


def _fail(error: FileError) -> NoReturn:
    for fault in error.faults:
        click.echo(str(fault), err=True)
    sys.exit(EXIT_CONFIGURATION)


def _demo_config() -> Config:
    return Config(
        meter=MeterConfig(simulate=True),
        modbus=[ModbusConfig(listen=Listen(host="127.0.0.1", port=DEMO_PORT))],
    )


def _set_up_logging(*, verbose: bool) -> None:
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.addLevelName(logging.INFO, "info")
    logging.addLevelName(logging.WARNING, "warning")
    logging.addLevelName(logging.ERROR, "error")
    # What pymodbus would say of a client's bytes, the gateway says itself, and once.
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


async def _run(wiring: Wiring) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def started() -> None:
        # What was made so far stays; the collector need not look at it again.
        gc.collect()
        gc.freeze()

    await wiring.flow.run(stop, started)
