"""Take over a configuration that was read again: load what its files hold, change the flow, and report what changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.config import Config, Maps
from gateway.files.document import FileError
from gateway.problems.problem import Problem
from gateway.runtime.audit import ACCEPTED, REFUSED, Event, record
from gateway.service.changes import changes_between
from gateway.service.excerpts import excerpts_in_time
from gateway.service.secret_files import Renewal, renew
from gateway.service.timed_load import load_in_time

if TYPE_CHECKING:
    from gateway.service.audit_log import Opened
    from gateway.service.broken_configuration import Load
    from gateway.service.systemd import ServiceManager
    from gateway.service.wiring import Wiring

_log = logging.getLogger("gateway")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A configuration with what the files that it names hold now."""

    config: Config
    maps: Maps
    renewal: Renewal
    audit: Opened | None


def prepare(wiring: Wiring, load: Load) -> Prepared:
    """Read all files, and change nothing that runs. This may take for ever, so the caller has a time limit.

    Raises:
        FileError: the configuration, a map, a certificate, a key, a password or the audit log cannot be used.

    """
    config, maps = load()
    renewal = wiring.secrets.read(config) if wiring.secrets else Renewal()
    wiring.prepare(config)
    # At the end: nothing has to close it again.
    return Prepared(config, maps, renewal, wiring.audit.open(config) if wiring.audit else None)


async def take_over(wiring: Wiring, prepared: Prepared) -> None:
    """Change a running gateway to a configuration and to what the files that it names hold now."""
    config, maps, renewal = prepared.config, prepared.maps, prepared.renewal
    if wiring.audit and prepared.audit:
        await asyncio.to_thread(wiring.audit.take, prepared.audit)
    changes = [*changes_between(wiring.configured, (config, maps)), *renewal.changes]
    wiring.problems = []
    await wiring.change(config, maps)
    await renew(wiring.flow.nodes, renewal)
    if wiring.log_settings:
        wiring.log_settings.apply(config.log)
    for change in changes:
        record(Event.CONFIGURATION, ACCEPTED, detail=change)
    if wiring.secrets:
        wiring.secrets.take(renewal.look)
    _log.info("reloaded: %s", "; ".join(changes) or "nothing has changed")
    record(Event.RELOAD, ACCEPTED)
    wiring.reloads.accept(changes)


def refuse(wiring: Wiring, problems: Sequence[Problem]) -> None:
    """Note a reload that changed nothing, with its problems."""
    for problem in problems:
        _log.error("reload: %s", problem)
    _log.error("reload: nothing is changed; fix the file and reload again")
    wiring.problems = problems
    record(Event.RELOAD, REFUSED, problems=str(len(problems)), detail="; ".join(map(str, problems[:1])))
    wiring.reloads.refuse(list(map(str, problems)))


async def reload_when_asked(wiring: Wiring, load: Load, reload: asyncio.Event, manager: ServiceManager) -> None:
    """Read the configuration and its maps again whenever `reload` is set; keep the old ones if they have problems."""
    while await reload.wait():
        reload.clear()
        wiring.reloads.begin()
        with manager.reloading():
            try:
                await take_over(wiring, await load_in_time(prepare, wiring, load))
            except FileError as error:
                wiring.excerpts = await excerpts_in_time(error.problems)
                refuse(wiring, error.problems)
            except SystemExit:  # there is no file, and the command has printed how to write one
                _log.error("reload: nothing is changed; write the file and start again")
                record(Event.RELOAD, REFUSED, detail="there is no file")
                wiring.reloads.refuse(["there is no file. Write it and start again"])
            except Exception as error:
                _log.exception("reload: nothing is changed")
                record(Event.RELOAD, REFUSED, detail=f"failed: {type(error).__name__}")
                wiring.reloads.refuse([f"the reload failed: {type(error).__name__}, see the log"])
