"""Run a gateway: read its configuration, build it, run it until it is stopped, and reload it when asked."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from gateway.config import Config, Maps, load_status_page
from gateway.files.document import FileError
from gateway.files.regular_file import accessing
from gateway.files.yaml_file import is_there
from gateway.problems.problem import Place, problem_of
from gateway.runtime.audit import ACCEPTED, Event, record
from gateway.runtime.clock import now
from gateway.runtime.memory import settle
from gateway.runtime.threads import ready_executor
from gateway.service.audit_log import AuditLog
from gateway.service.broken_configuration import ConfigErrorGateway, Load, wait_until_valid
from gateway.service.file_look import look_at_files
from gateway.service.log_settings import LogSettings
from gateway.service.reload import reload_when_asked
from gateway.service.secret_files import SecretFiles
from gateway.service.systemd import ServiceManager, status_line
from gateway.service.timed_load import is_temporary, load_in_time
from gateway.service.wiring import Wiring
from gateway.transport.timed_reading import READ_LIMIT_S
from gateway.version import version

END_WITHIN_S = 1.7
"""Time after which the process ends, whatever still runs."""
FILES_LOGGED_EVERY_S = 600.0
"""Shortest time between two log lines about too many open files."""
EXIT_TEMPORARY = 1
"""Exit code for files that do not respond, and for no memory. The systemd unit restarts the gateway after it."""
EXIT_CONFIGURATION = 78
"""Exit code for a configuration that cannot be used (EX_CONFIG of sysexits.h)."""

_log = logging.getLogger("gateway")


class ConfigSource:
    """Reads a configuration at the start and at each reload."""

    def __init__(self, path: Path, read: Load) -> None:
        """Read with `read`, and refuse a file at `path` that has disappeared or become empty since the first time."""
        self._path, self._read = path, read
        self._was_there: bool | None = None
        self._was_empty = False

    def __call__(self) -> tuple[Config, Maps]:
        """Return the configuration and its register maps.

        Raises:
            FileError: they have problems.

        """
        place = Place(str(self._path))
        if self._was_there is None:
            self._was_there, self._was_empty = is_there(self._path), _is_empty(self._path)
        if self._was_there and not is_there(self._path):
            # Otherwise the environment alone would count, and defaults for the rest.
            raise FileError([problem_of("file-gone", "the file is gone", "Put it back", place=place)])
        if self._was_there and not self._was_empty and _is_empty(self._path):
            # An editor or a full disk leaves an empty file, which does not mean that all defaults are wanted.
            raise FileError([problem_of("file-empty", "the file is empty", "Write it again", place=place)])
        return self._read()


def _is_empty(path: Path) -> bool:
    try:
        with accessing(path):
            return path.stat().st_size == 0
    except (OSError, ValueError):
        return False  # `load` reports what prevents reading it


def run_gateway(
    load: Load, path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop], log: LogSettings | None = None
) -> int:
    """Run until stopped, and return the exit code.

    Args:
        load: reads the configuration.
        path: the file of the configuration.
        new_loop: makes the event loop.
        log: the choices of the command line for the log.

    Raises:
        FileError: the configuration cannot be used, and has no status page that could show why.

    """
    raise_file_limit()
    loop = new_loop()
    loop.set_exception_handler(FileLimitLog())
    try:
        loop.set_default_executor(ready_executor())
    except RuntimeError:
        loop.close()
        _log.error(
            "the gateway ends: the system starts no threads. Is there memory left? systemd and Docker start it again"
        )
        return EXIT_TEMPORARY
    try:
        return loop.run_until_complete(_run(load, path, log or LogSettings()))
    except FileError as error:
        if not is_temporary(error):
            raise
        for problem in error.problems:
            _log.error("configuration: %s", problem)
        _log.error("configuration: the gateway ends; systemd and Docker start it again, and it then tries again")
        return EXIT_TEMPORARY
    finally:
        loop.close()


def new_uvloop() -> asyncio.AbstractEventLoop:
    """Return an event loop of uvloop, which looks up names in the threads of its executor, as asyncio does.

    uvloop itself would start threads for the first name, and ends the process if the system starts none.

    Raises:
        ImportError: uvloop is not installed.

    """
    base: Any = import_module("uvloop").Loop

    class Loop(base):  # type: ignore[misc]
        async def getaddrinfo(self, *place: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:  # noqa: A002
            return await self.run_in_executor(None, socket.getaddrinfo, *place, family, type, proto, flags)

    loop: asyncio.AbstractEventLoop = Loop()
    return loop


def raise_file_limit() -> None:
    """Allow as many open files as the system lets this process have: each client takes one."""
    import resource  # noqa: PLC0415 - not on every system

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class FileLimitLog:
    """Logs now and then that no client can be accepted; asyncio itself logs it thousands of times a second."""

    def __init__(self) -> None:
        self._logged_at = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle an error of the event loop; leave any other error to the loop."""
        import errno  # noqa: PLC0415 - only when something is wrong

        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
        elif now() - self._logged_at > FILES_LOGGED_EVERY_S:
            self._logged_at = now()
            _log.error(
                "%s: new clients have to wait. Allow more (ulimit -n, LimitNOFILE in systemd), or lower max_clients",
                error.strerror,
            )


async def _run(load: Load, path: Path, log: LogSettings) -> int:
    stop, reload = asyncio.Event(), asyncio.Event()
    loop, manager = asyncio.get_running_loop(), ServiceManager(os.environ)

    _handle_signals(loop, stop, reload, manager)
    loaded = await _load(load, path, manager, stop)
    if loaded is None:
        _log.info("stopped")
        return EXIT_CONFIGURATION
    log.apply(loaded[0].log)
    wiring = Wiring(*loaded, path.parent)
    wiring.log_settings, wiring.reloads.asked = log, reload
    wiring.control.configuration = await load_in_time(_file_of, load, path)
    secrets = wiring.secrets = SecretFiles(path)
    audit = wiring.audit = AuditLog(path)
    await _begin_audit(audit, loaded[0])
    record(Event.START, ACCEPTED, version=version(), configuration=str(path))
    await _begin_secrets(secrets, loaded[0], path)
    background: list[asyncio.Task[None]] = []

    def status() -> str:
        return status_line(wiring.meters.values(), wiring.flow.nodes, now())

    def started() -> None:
        background.append(loop.create_task(reload_when_asked(wiring, load, reload, manager), name="reload"))
        background.append(loop.create_task(secrets.watch(), name="watch secret files"))
        if manager.is_there:
            background.append(loop.create_task(manager.report(status), name="report to systemd"))
        settle()

    await wiring.flow.run(stop, started)
    for task in background:
        task.cancel()
    audit.close()
    _log.info("stopped")
    return 0


def _file_of(load: Load, path: Path) -> str:
    """Return the file of the configuration; empty if it comes from elsewhere."""
    return str(path.absolute()) if isinstance(load, ConfigSource) and is_there(path) else ""


async def _begin_audit(audit: AuditLog, config: Config) -> None:
    """Open the audit log; if that is not possible, the gateway runs without it and reports that."""
    try:
        audit.take(await load_in_time(audit.open, config, limit_s=READ_LIMIT_S))
    except FileError as error:
        audit.refuse(error.problems)


async def _begin_secrets(secrets: SecretFiles, config: Config, path: Path) -> None:
    """Look at the files with secrets. The nodes read them too, and report those that they cannot use."""
    try:
        secrets.take(await load_in_time(look_at_files, config, path, limit_s=READ_LIMIT_S))
    except FileError as error:
        for problem in error.problems:
            _log.error("configuration: %s", problem)


def _handle_signals(
    loop: asyncio.AbstractEventLoop, stop: asyncio.Event, reload: asyncio.Event, manager: ServiceManager
) -> None:
    def end() -> None:
        if not stop.is_set():
            record(Event.STOP, ACCEPTED)
        manager.stopping()
        stop.set()
        # The process ends even if something cannot be stopped.
        loop.call_later(END_WITHIN_S, _end_at_once)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, reload.set)


def _end_at_once() -> None:
    logging.shutdown()  # the last lines of the log are written by a thread
    os._exit(0)


async def _load(load: Load, path: Path, manager: ServiceManager, stop: asyncio.Event) -> tuple[Config, Maps] | None:
    """Return the configuration and its maps; with a status page, wait until they are valid; None when stopped.

    Raises:
        FileError: they cannot be used, and there is no status page to show why.

    """
    try:
        return await load_in_time(load)
    except FileError as error:
        page = await load_in_time(load_status_page, path)
        if page is None:
            raise
        gateway = ConfigErrorGateway(page, path)
        reporting = asyncio.create_task(
            manager.report(lambda: gateway.health(counts_meters=False).reason), name="report to systemd"
        )
        try:
            return await wait_until_valid(error.problems, gateway, load, stop)
        finally:
            reporting.cancel()
