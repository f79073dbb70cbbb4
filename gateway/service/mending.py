"""Until the configuration can be used: a status page that says what is wrong with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gateway.config import Config
from gateway.config.status_page import StatusPageConfig
from gateway.files.yaml_file import FileError, Problem
from gateway.nodes.status_page.observation import ServedUnits
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.clock import now
from gateway.runtime.flow import Flow
from gateway.runtime.health import Health
from gateway.service.node_settings import status_page_settings
from gateway.service.wiring import Maps

TRY_EVERY_S = 2.0
"""Seconds between two attempts to load the files."""

Load = Callable[[], tuple[Config, Maps]]

_log = logging.getLogger("gateway")


class ConfigErrorGateway:
    """A gateway with a page and nothing else."""

    is_serving = False
    meters: Mapping[str, MeterState] = {}
    served: Sequence[ServedUnits] = ()

    def __init__(self, config: StatusPageConfig, folder: Path) -> None:
        """Show the page that `config` asks for; paths in it begin at `folder`."""
        from gateway.nodes.status_page.node import StatusPage  # noqa: PLC0415 - only where there is one

        self.faults: Sequence[str] = ()
        self._started = now()
        self.flow = Flow([StatusPage(f"status page {config}", status_page_settings(config, folder), self)])

    def health(self, *, counts_meters: bool) -> Health:  # noqa: ARG002 - there are no meters
        """Not well, since the beginning."""
        return Health("the configuration cannot be used", self._started)


async def wait_until_mended(
    faults: Sequence[Problem], gateway: ConfigErrorGateway, load: Load, stop: asyncio.Event
) -> tuple[Config, Maps] | None:
    """Show `faults` until `load` gives a configuration without any; None when `stop` is set before."""
    over = asyncio.Event()
    showing = asyncio.create_task(gateway.flow.run(over))
    told: list[str] = []
    loaded = None
    while not (loaded or stop.is_set()):
        gateway.faults = list(map(str, faults))
        if gateway.faults != told:
            told = list(gateway.faults)
            for fault in told:
                _log.error("configuration: %s", fault)
            _log.error("configuration: nothing is served until it is valid; the status page shows what is wrong")
        try:
            await asyncio.wait_for(stop.wait(), TRY_EVERY_S)
        except TimeoutError:
            try:
                loaded = await asyncio.to_thread(load)
            except FileError as error:
                faults = error.faults
    over.set()
    await showing
    return loaded
