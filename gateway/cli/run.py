"""`dsmr-gateway run`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from gateway.cli import EXIT_CONFIGURATION
from gateway.cli.output import echo
from gateway.cli.parameters import new_config_argument

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from gateway.config import Config, Maps
    from gateway.service.broken_configuration import Load

DEMO_PORT = 5020
LEVELS = ("debug", "info", "warning", "error")
FORMS = ("text", "json")
"""Levels and forms of `gateway.config.log`, written here so that `--help` does not import it; a test compares."""

_MINIMAL = """\
There is no {path}. Write one, for a cable:

  meter:
    port: /dev/ttyUSB0

or for a ser2net:

  meter:
    host: 192.168.1.13
    port: 2001

or try `dsmr-gateway run --demo`, which needs no meter. `dsmr-gateway probe` finds the meter on a serial port.
"""
_SEVERAL = "There are several serial ports, and the gateway cannot choose: {ports}\n"
_VARIABLES_ALONE = "There is no {path}: using the environment variables, and defaults for the rest"
_ONLY = "There is no {path}: using the only serial port, {port}, and defaults for the rest"


@click.command("run")
@new_config_argument
@click.option("--demo", is_flag=True, help=f"A simulated household on Modbus/TCP port {DEMO_PORT}; no meter needed.")
@click.option("--uvloop", is_flag=True, help="Use the event loop of uvloop, which takes more requests a second.")
@click.option("--verbose", "-v", is_flag=True, help="Log more, as --log-level debug does.")
@click.option("--log-level", "level", type=click.Choice(LEVELS), help="Log lines of this level and above it.")
@click.option("--log-format", "form", type=click.Choice(FORMS), help="Form of the lines of the log.")
@click.pass_context
def run_command(
    ctx: click.Context,
    config: Path,
    *,
    demo: bool,
    uvloop: bool,
    verbose: bool,
    level: str | None,
    form: str | None,
) -> None:
    """Run the gateway with CONFIG, by default gateway.yaml.

    Without either, it uses the serial port that a P1 cable is on, if there is only one. Options for the log override
    `log:` in CONFIG.
    """
    import asyncio
    import logging

    from gateway.cli.logs import occupy_standard_descriptors, set_up_logging
    from gateway.runtime.memory import share_heap
    from gateway.service.log_settings import LogSettings
    from gateway.service.run import ConfigSource, run_gateway

    occupy_standard_descriptors()
    share_heap()
    log = LogSettings("debug" if verbose else level, form)
    set_up_logging(log.level, log.form)
    is_given = ctx.get_parameter_source("config") is not ParameterSource.DEFAULT
    source = _demo if demo else ConfigSource(config, _reader(config, is_given=is_given))
    exit_code = run_gateway(source, config, _uvloop if uvloop else asyncio.new_event_loop, log)
    logging.shutdown()
    # A thread that still waits for a name server or for a device's driver must not delay the end.
    os._exit(exit_code)


def _reader(path: Path, *, is_given: bool) -> Load:
    """Return what reads the configuration: the file and the environment, or else the only serial port.

    The first reading decides which, and not this function: the folder may not respond, and a reading has a time limit.
    """
    import logging
    from functools import cache

    from gateway.config import check_config, load_maps
    from gateway.config.environment import is_overridden
    from gateway.files.yaml_file import is_there
    from gateway.tools.probing import serial_ports

    def without_file() -> tuple[Config, Maps]:
        settings = config_without_file(path, [] if is_given else serial_ports())
        return settings, load_maps(settings, path.parent)

    @cache
    def choose() -> Load:
        if not is_there(path) and not is_overridden(os.environ):
            return without_file
        if not is_there(path):
            logging.getLogger("gateway").info(_VARIABLES_ALONE.format(path=path))
        return lambda: check_config(path).valid()

    def read() -> tuple[Config, Maps]:
        return choose()()

    return read


def _uvloop() -> asyncio.AbstractEventLoop:
    from gateway.service.run import new_uvloop

    try:
        return new_uvloop()
    except ImportError:
        raise click.UsageError(
            "uvloop is not installed: run pip install '.[uvloop]' in the folder of the project"
        ) from None


def config_without_file(path: Path, ports: Sequence[str]) -> Config:
    """Return a configuration with the only one of `ports` and defaults; otherwise print what is missing, and exit."""
    import logging

    from gateway.config import Config
    from gateway.config.meter import MeterConfig
    from gateway.config.status_page import StatusPageConfig

    if len(ports) != 1:
        several = _SEVERAL.format(ports=", ".join(ports)) if ports else ""
        echo(_MINIMAL.format(path=path) + several, err=True)
        sys.exit(EXIT_CONFIGURATION)
    logging.getLogger("gateway").info(_ONLY.format(path=path, port=ports[0]))
    return Config(meter=MeterConfig(port=ports[0]), status_page=StatusPageConfig())


def _demo() -> tuple[Config, Maps]:
    """Return the configuration of a simulated household, which does not change at a reload."""
    from gateway.config import Config, load_maps
    from gateway.config.meter import MeterConfig
    from gateway.config.modbus import ModbusConfig
    from gateway.config.status_page import StatusPageConfig
    from gateway.config.types import Listen

    config = Config(
        meter=MeterConfig(simulate=True),
        modbus=[ModbusConfig(listen=Listen(host="127.0.0.1", port=DEMO_PORT))],
        status_page=StatusPageConfig(),
    )
    return config, load_maps(config, Path())
