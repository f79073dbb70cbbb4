"""One log line for what many nodes log at the same time, such as two thousand meters that come online.

The first lines of a kind are logged as they come. Further ones within a few seconds are counted and become one line
that names some of the nodes. As long as they go on, there is one such line each few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.problems.listing import listed

FIRST_LINES = 10
"""Number of nodes whose lines of a kind are logged one by one in `GATHER_S`."""
GATHER_S = 5.0
"""Time in seconds for which lines of a kind are gathered."""
MAX_NAMED = 3
"""Number of nodes that a line for many names."""
MAX_KINDS = 100
"""Largest number of kinds that are gathered at the same time; lines of further ones are logged one by one."""


@dataclass(slots=True)
class _Kind:
    since: float
    first: set[str] = field(default_factory=set)
    """The nodes whose lines are logged one by one; what bounds the lines of one node is its budget."""
    names: dict[str, None] = field(default_factory=dict)
    """The nodes whose lines are gathered, in their order."""


class Gathering:
    """The lines of the last seconds, by kind."""

    def __init__(self, write: Callable[[int, str, str], None]) -> None:
        """Write with `write`, which takes a level, the names of nodes, and a text."""
        self._write = write
        self._kinds: dict[tuple[int, str], _Kind] = {}

    def admits(self, level: int, text: str, name: str, moment: float) -> bool:
        """Return whether a node may log its line at `moment`; otherwise it is counted, and logged with others.

        Args:
            level: the level of the line.
            text: what the lines of all these nodes say.
            name: the name of the node.
            moment: the time, in seconds of a monotonic clock.

        """
        key = level, text
        kind = self._kinds.get(key)
        if kind is None or (not kind.names and moment - kind.since > GATHER_S):
            self._kinds = {each: found for each, found in self._kinds.items() if moment - found.since <= 2 * GATHER_S}
            if len(self._kinds) >= MAX_KINDS:
                return True
            kind = self._kinds[key] = _Kind(moment)
        if name in kind.first or len(kind.first) < FIRST_LINES:
            kind.first.add(name)
            return True
        if not kind.names:
            try:
                asyncio.get_running_loop().call_later(GATHER_S, self._end, key)
            except RuntimeError:
                return True  # nothing runs that could log them later
            kind.since = moment
        kind.names[name] = None
        return False

    def end(self) -> None:
        """Log all that is gathered."""
        for key in list(self._kinds):
            self._end(key)

    def _end(self, key: tuple[int, str]) -> None:
        kind = self._kinds.get(key)
        if kind and kind.names:
            level, text = key
            self._write(level, listed(kind.names, MAX_NAMED), text)
            # If they go on, they are gathered again without first lines.
            kind.since, kind.names = kind.since + GATHER_S, {}
