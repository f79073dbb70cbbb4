"""`dsmr-gateway run`."""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from gateway.cli import EXIT_CONFIGURATION
from gateway.cli.parameters import config_argument

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from gateway.config import Config
    from gateway.service.mending import Load
    from gateway.service.systemd import ServiceManager
    from gateway.service.wiring import Maps, Wiring

DEMO_PORT = 5020
END_WITHIN_S = 1.7
FILES_TOLD_EVERY_S = 600.0

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
_SEVERAL = "Several serial ports are here, so that the gateway cannot choose: {ports}\n"
_VARIABLES_ALONE = "There is no {path}: using what the environment says, and defaults for the rest"
_ONLY = "There is no {path}: using the only serial port, {port}, and defaults for the rest"


@click.command("run")
@config_argument
@click.option("--demo", is_flag=True, help=f"A simulated household on Modbus/TCP port {DEMO_PORT}; no meter needed.")
@click.option("--uvloop", is_flag=True, help="Use the event loop of uvloop, which takes more requests a second.")
@click.option("--verbose", "-v", is_flag=True, help="Log more.")
@click.pass_context
def run_command(ctx: click.Context, config: Path, *, demo: bool, uvloop: bool, verbose: bool) -> None:
    """Run the gateway with CONFIG, by default gateway.yaml.

    Without either, it uses the serial port that a P1 cable is on, if there is only one.
    """
    import logging

    from gateway.cli.logs import occupy_standard_descriptors, set_up_logging
    from gateway.config import load_config
    from gateway.config.environment import is_overridden
    from gateway.files.yaml_file import FileError, Problem, is_there
    from gateway.service.wiring import load_maps
    from gateway.tools.probing import serial_ports

    occupy_standard_descriptors()
    set_up_logging(verbose=verbose)
    is_given = ctx.get_parameter_source("config") is not ParameterSource.DEFAULT
    if demo:
        read = _demo_config
    elif is_there(config) or is_overridden(os.environ):
        read = partial(load_config, config)
    else:
        read = partial(config_without_file, config, [] if is_given else serial_ports())

    was_there = not demo and is_there(config)
    was_empty = _is_empty(config)
    if not demo and not was_there and is_overridden(os.environ):
        logging.getLogger("gateway").info(_VARIABLES_ALONE.format(path=config))

    def load() -> tuple[Config, Maps]:
        if was_there and not is_there(config):
            # Else what the environment says would stand alone, and the rest would fall back to defaults.
            raise FileError([Problem(str(config), 0, 0, "", "is gone", "Put it back")])
        if was_there and not was_empty and _is_empty(config):
            # So an editor or a full disk leaves it: it does not mean that defaults shall stand in for all.
            raise FileError([Problem(str(config), 0, 0, "", "is empty", "Write it again")])
        settings = read()
        return settings, load_maps(settings, config.parent)

    _raise_file_limit()
    loop = _new_loop(is_uvloop=uvloop)
    loop.set_exception_handler(FilesUsedUp())
    exit_code = loop.run_until_complete(_run(load, config))
    logging.shutdown()
    # A thread that still waits for a name server or for a device's driver must not hold up the end.
    os._exit(exit_code)


def _is_empty(config: Path) -> bool:
    try:
        return config.stat().st_size == 0
    except (OSError, ValueError):
        return False  # what keeps it from being read is told where it is read


def _raise_file_limit() -> None:
    """As far as the system lets it: asyncio accepts a hundred clients before the first of them is judged."""
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class FilesUsedUp:
    """Tells once in a while that no client can be accepted; asyncio says it thousands of times a second."""

    def __init__(self) -> None:
        self._told = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle what the event loop could not, as it would itself where it is anything else."""
        import errno
        import logging

        from gateway.runtime.clock import now

        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
        elif now() - self._told > FILES_TOLD_EVERY_S:
            self._told = now()
            logging.getLogger("gateway").error(
                "%s: new clients have to wait. Allow more (ulimit -n, LimitNOFILE in systemd), or lower max_clients",
                error.strerror,
            )


def _new_loop(*, is_uvloop: bool) -> asyncio.AbstractEventLoop:
    import asyncio

    if not is_uvloop:
        return asyncio.new_event_loop()
    try:
        loop: asyncio.AbstractEventLoop = import_module("uvloop").new_event_loop()
    except ImportError:
        raise click.UsageError("uvloop is not installed: pip install 'dsmr-modbus-gateway[uvloop]'") from None
    return loop


def config_without_file(path: Path, ports: Sequence[str]) -> Config:
    """Return a configuration with the only one of `ports` and defaults; otherwise print what is missing, and exit."""
    import logging

    from gateway.config import Config
    from gateway.config.meter import MeterConfig
    from gateway.config.status_page import StatusPageConfig

    if len(ports) != 1:
        several = _SEVERAL.format(ports=", ".join(ports)) if ports else ""
        click.echo(_MINIMAL.format(path=path) + several, err=True)
        sys.exit(EXIT_CONFIGURATION)
    logging.getLogger("gateway").info(_ONLY.format(path=path, port=ports[0]))
    return Config(meter=MeterConfig(port=ports[0]), status_page=StatusPageConfig())


def _demo_config() -> Config:
    from gateway.config import Config
    from gateway.config.meter import MeterConfig
    from gateway.config.modbus import ModbusConfig
    from gateway.config.status_page import StatusPageConfig
    from gateway.config.types import Listen

    return Config(
        meter=MeterConfig(simulate=True),
        modbus=[ModbusConfig(listen=Listen(host="127.0.0.1", port=DEMO_PORT))],
        status_page=StatusPageConfig(),
    )


async def _run(load: Load, path: Path) -> int:
    """Run until told to stop, and give the exit code; `path` is where the configuration is read from."""
    import asyncio
    import gc
    import signal

    from gateway.runtime.clock import now
    from gateway.service.systemd import ServiceManager, status_line
    from gateway.service.wiring import Wiring

    stop, reload = asyncio.Event(), asyncio.Event()
    loop, manager = asyncio.get_running_loop(), ServiceManager(os.environ)

    def end() -> None:
        manager.stopping()
        stop.set()
        # Whatever does not let itself be stopped, the process ends.
        loop.call_later(END_WITHIN_S, _end_at_once)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    loaded = await _load(load, path, manager, stop)
    if loaded is None:
        return EXIT_CONFIGURATION
    wiring = Wiring(*loaded, path.parent)
    background: list[asyncio.Task[None]] = []

    def status() -> str:
        return status_line(wiring.meters.values(), wiring.flow.nodes, now())

    def started() -> None:
        background.append(loop.create_task(_reload(wiring, load, reload, manager)))
        if manager.is_there:
            background.append(loop.create_task(manager.report(status)))
        # What was made so far stays; the collector need not look at it again.
        gc.collect()
        gc.freeze()

    await wiring.flow.run(stop, started)
    for task in background:
        task.cancel()
    return 0


def _end_at_once() -> None:
    import logging

    logging.shutdown()
    os._exit(0)


async def _load(load: Load, path: Path, manager: ServiceManager, stop: asyncio.Event) -> tuple[Config, Maps] | None:
    """Load the configuration and its maps; with a status page, wait until they are valid; None when stopped before.

    Raises:
        FileError: they cannot be used, and no status page is there to say so.

    """
    import asyncio

    from gateway.config import load_status_page
    from gateway.files.yaml_file import FileError
    from gateway.service.mending import ConfigErrorGateway, wait_until_mended

    try:
        return load()
    except FileError as error:
        page = load_status_page(path)
        if page is None:
            raise
        telling = asyncio.create_task(manager.report(lambda: "the configuration cannot be used"))
        try:
            return await wait_until_mended(error.faults, ConfigErrorGateway(page, path.parent), load, stop)
        finally:
            telling.cancel()


async def _reload(wiring: Wiring, load: Load, reload: asyncio.Event, manager: ServiceManager) -> None:
    """Reload the configuration and its maps at each request; keep the old ones if there is a problem."""
    import asyncio
    import logging

    from gateway.files.yaml_file import FileError

    log = logging.getLogger("gateway")
    while await reload.wait():
        reload.clear()
        with manager.reloading():
            try:
                config, maps = await asyncio.to_thread(load)
            except FileError as error:
                for fault in error.faults:
                    log.error("reload: %s", fault)
                log.error("reload: nothing is changed; correct the file and reload again")
                wiring.faults = list(map(str, error.faults))
            except SystemExit:  # there is no file, and what that takes has been said
                log.error("reload: nothing is changed; write the file and start again")
            except Exception:
                log.exception("reload: nothing is changed")
            else:
                wiring.faults = []
                await wiring.change(config, maps)
                log.info("reloaded")
