"""The reloads so far: the last one, their numbers, and the programs that wait for the result of the next one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from gateway.nodes.status_page.observation import Reload
from gateway.runtime.clock import now, unix_now
from gateway.runtime.health import Health

ACCEPTED, REFUSED = "accepted", "refused"


class ReloadRecord:
    """The reloads of a running gateway."""

    def __init__(self) -> None:
        self.last: Reload | None = None
        self.counts = Counter[str]({ACCEPTED: 0, REFUSED: 0})
        """Number of reloads by result."""
        self.asked: asyncio.Event | None = None
        """Set to reload; None until the gateway has started."""
        self._refused = Health("", 0.0)
        self._waiting: list[asyncio.Future[Sequence[str]]] = []
        self._served: list[asyncio.Future[Sequence[str]]] = []

    @property
    def refused(self) -> Health | None:
        """Return why the last reload was refused and since when; None if it was accepted."""
        return self._refused if self.last and not self.last.is_applied else None

    def begin(self) -> None:
        """Note that a reload begins: it is the one that those who wait by now have asked for."""
        self._served, self._waiting = self._waiting, []

    def accept(self, changes: Sequence[str]) -> None:
        """Note a reload that was accepted, with a text for each change."""
        self._end(Reload(unix_now(), is_applied=True, changes=tuple(changes)), [])

    def refuse(self, problems: Sequence[str]) -> None:
        """Note a reload that changed nothing, with its problems."""
        first, more = problems[0], f" and {len(problems) - 1} more" if problems[1:] else ""
        self._refused = Health(f"the last reload was refused, and nothing is changed: {first}{more}", now())
        self._end(Reload(unix_now(), is_applied=False), problems)

    def _end(self, reload: Reload, problems: Sequence[str]) -> None:
        self.last = reload
        self.counts[ACCEPTED if reload.is_applied else REFUSED] += 1
        for each in self._served:
            if not each.done():
                each.set_result(problems)

    async def ask(self) -> dict[str, object]:
        """Reload, and return the result as plain data: `is_applied`, `changes` and `problems`."""
        if self.asked is None:
            return {"is_applied": False, "changes": [], "problems": ["the gateway has not started yet"]}
        result = asyncio.get_running_loop().create_future()
        self._waiting.append(result)
        self.asked.set()
        problems = await result
        changes = self.last.changes if self.last and not problems else ()
        return {"is_applied": not problems, "changes": list(changes), "problems": list(problems)}
