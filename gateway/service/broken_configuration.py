"""A gateway with a configuration that cannot be used: a status page shows its problems until they are fixed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gateway.config import Config, Maps
from gateway.config.status_page import StatusPageConfig
from gateway.files.document import FileError
from gateway.nodes.control import Control
from gateway.nodes.status_page.observation import Excerpt, Reload, ServedReaders, ServedUnits
from gateway.problems.problem import Place, Problem
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.clock import now
from gateway.runtime.flow import Flow, Node
from gateway.runtime.health import Health
from gateway.runtime.report_data import describe
from gateway.service.excerpts import excerpts_in_time
from gateway.service.node_settings import status_page_settings
from gateway.service.timed_load import load_in_time
from gateway.transport.control_socket import socket_path

TRY_EVERY_S = 2.0
"""Seconds between two attempts to load the files."""

Load = Callable[[], tuple[Config, Maps]]
"""Reads the configuration and its register maps; raises FileError where they have problems."""

_log = logging.getLogger("gateway")


class ConfigErrorGateway:
    """A gateway with a status page and the socket for the command line, and nothing else."""

    is_serving = False
    meters: Mapping[str, MeterState] = {}
    served: Sequence[ServedUnits] = ()
    readers: Sequence[ServedReaders] = ()
    lines: Mapping[str, Node] = {}
    warnings: Sequence[Problem] = ()
    reloaded: Reload | None = None
    reload_counts: Mapping[str, int] = {}
    exports_readings = False

    def __init__(self, config: StatusPageConfig, path: Path) -> None:
        """Show the page of `config`, which is in the file `path`."""
        from gateway.nodes.status_page.node import StatusPage  # noqa: PLC0415 - only where there is one

        self.problems: Sequence[Problem] = ()
        self.excerpts: Mapping[Place, Excerpt] = {}
        self._started = now()
        page = StatusPage(f"status page {config}", status_page_settings(config, path.parent), self)
        control = Control(socket_path(), {}, self.health, self._describe, problems=self._texts)
        control.configuration = str(path.absolute())
        self.flow = Flow([page, control])

    def main_fuse(self, meter: str) -> int | None:  # noqa: ARG002 - there are no meters
        """Return None."""
        return None

    def health(self, *, counts_meters: bool) -> Health:  # noqa: ARG002 - there are no meters
        """Return that the gateway is not healthy since it was started."""
        files = ", ".join(dict.fromkeys(Path(problem.place.file).name for problem in self.problems))
        count = len(self.problems)
        reason = f"the configuration cannot be used: {count} problem{'' if count == 1 else 's'} in {files}"
        return Health(reason, self._started)

    def _describe(self) -> Mapping[str, object]:
        return describe(self.meters, self.flow.nodes, now())

    def _texts(self) -> list[str]:
        return list(map(str, self.problems))


async def wait_until_valid(
    problems: Sequence[Problem], gateway: ConfigErrorGateway, load: Load, stop: asyncio.Event
) -> tuple[Config, Maps] | None:
    """Show the problems until `load` returns a configuration; return None when `stop` is set first."""
    over = asyncio.Event()
    showing = asyncio.create_task(gateway.flow.run(over), name="flow without configuration")
    valid = None
    while not (valid or stop.is_set()):
        if problems != gateway.problems:
            gateway.excerpts = await excerpts_in_time(problems)
            gateway.problems = problems
            for problem in problems:
                _log.error("configuration: %s", problem)
            _log.error("configuration: nothing is served until these problems are fixed; the status page shows them")
        try:
            await asyncio.wait_for(stop.wait(), TRY_EVERY_S)
        except TimeoutError:
            try:
                valid = await load_in_time(load)
            except FileError as error:
                problems = error.problems
    over.set()
    await showing
    return valid
