"""Take over a configuration that was read again: load what its files hold, change the flow, and report what changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.config import Config, Maps
from gateway.nodes.status_page.observation import Reload
from gateway.problems.problem import Problem
from gateway.runtime.audit import ACCEPTED, REFUSED, Event, record
from gateway.runtime.clock import unix_now
from gateway.service.changes import changes_between
from gateway.service.secret_files import Renewal, renew

if TYPE_CHECKING:
    from gateway.service.wiring import Wiring

_log = logging.getLogger("gateway")


async def take_over(wiring: Wiring, config: Config, maps: Maps) -> None:
    """Change a running gateway to a valid configuration and to what the files that it names hold now.

    Raises:
        FileError: a certificate, a key or a password cannot be used; nothing is changed.

    """
    secrets = wiring.secrets
    renewal = await asyncio.to_thread(secrets.read, config) if secrets else Renewal()
    if wiring.audit:
        await asyncio.to_thread(wiring.audit.prepare, config)
    changes = [*changes_between(wiring.configured, (config, maps)), *renewal.changes]
    wiring.problems = []
    await wiring.change(config, maps)
    await renew(wiring.flow.nodes, renewal)
    for change in changes:
        _log.info("reload: %s", change)
        record(Event.CONFIGURATION, ACCEPTED, detail=change)
    if secrets:
        await asyncio.to_thread(secrets.accept, renewal, config)
    wiring.reloaded = Reload(unix_now(), is_applied=True, changes=tuple(changes))
    record(Event.RELOAD, ACCEPTED)


def refuse(wiring: Wiring, problems: Sequence[Problem]) -> None:
    """Note a reload that changed nothing, with its problems."""
    for problem in problems:
        _log.error("reload: %s", problem)
    _log.error("reload: nothing is changed; fix the file and reload again")
    wiring.problems = problems
    wiring.reloaded = Reload(unix_now(), is_applied=False)
    record(Event.RELOAD, REFUSED, problems=str(len(problems)), detail="; ".join(map(str, problems[:1])))
