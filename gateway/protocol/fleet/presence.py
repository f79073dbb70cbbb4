"""Edges that are online or offline, as the brokers say.

An edge publishes at each broker that it is online, and a broker publishes that it is offline when its connection is
lost. A broker that stood still says so of edges that run. So an edge counts as offline only if every broker that knows
it says so, and not with the number of an earlier start of the edge.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from gateway.protocol.fleet.ticks import MAX_NUMBER

ONLINE, OFFLINE = "online", "offline"
MAX_STATUS_BYTES = 200
MAX_EDGES = 100_000
"""Largest number of edges whose status is kept of one broker."""


class EdgeStatus(NamedTuple):
    """A status of an edge."""

    is_online: bool
    boot: int
    """Number of the start of the edge that it is about."""


def encode_status(status: EdgeStatus) -> bytes:
    """Return the message with a status."""
    return json.dumps({"state": ONLINE if status.is_online else OFFLINE, "boot": status.boot}).encode()


def decode_status(payload: bytes) -> EdgeStatus | None:
    """Return the status in a message; None for another message."""
    if len(payload) > MAX_STATUS_BYTES:
        return None
    try:
        data = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    state, boot = (data.get("state"), data.get("boot")) if isinstance(data, dict) else (None, None)
    if state not in (ONLINE, OFFLINE) or type(boot) is not int or not 0 <= boot <= MAX_NUMBER:
        return None
    return EdgeStatus(state == ONLINE, boot)


class Presence:
    """The newest status of each edge at each broker."""

    def __init__(self) -> None:
        self._statuses: dict[str, dict[str, EdgeStatus]] = {}

    def note(self, broker: str, edge: str, status: EdgeStatus) -> None:
        """Note a status that a broker has sent, unless it is about an earlier start than the known one there."""
        known = self._statuses.setdefault(broker, {})
        before = known.get(edge)
        if before is None and len(known) >= MAX_EDGES:
            return
        if before is None or status.boot >= before.boot:
            known[edge] = status

    def forget(self, broker: str) -> None:
        """Forget what a broker has sent, as its connection is lost."""
        self._statuses.pop(broker, None)

    def is_offline(self, edge: str) -> bool:
        """Return whether an edge is offline; one without any status is not."""
        return self._is_online(edge) is False

    def is_online(self, edge: str) -> bool:
        """Return whether an edge is online; one without any status is not."""
        return self._is_online(edge) is True

    def _is_online(self, edge: str) -> bool | None:
        found = [known[edge] for known in self._statuses.values() if edge in known]
        newest = max((status.boot for status in found), default=0)
        return any(status.is_online for status in found if status.boot == newest) if found else None
