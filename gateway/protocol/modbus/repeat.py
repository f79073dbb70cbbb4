"""One response per telegram, for clients that ask more often than the meter sends.

A control loop that reads the same number twice acts twice on it, and overshoots. A unit can therefore hold a repeated
request back until the next telegram (`wait`), or refuse it (`busy`). A request is repeated if the client already has a
response to it from the newest telegram. All others are answered at once, so that a cycle of several reads waits once,
at its first read, and gets the rest from the same telegram. Within `CYCLE_S` of a client's first request of a telegram
nothing counts as repeated: programs that read a register twice in one cycle must not wait for two telegrams.

The core does not wait. It leaves a `HeldRequest` at the client, and the connection keeps the request until the unit
wakes it or until the moment in the `HeldRequest`, and then asks again.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.registers.snapshot import Snapshot

CYCLE_S = 0.05
"""Time from a client's first request of a telegram in which repeated requests are answered too."""
MAX_ASKING = 512
"""Largest number of clients of a unit whose requests are remembered; beyond it, the oldest is forgotten."""
MAX_ASKED = 64
"""Largest number of different requests of a client that are remembered; others never count as repeated."""
PAST_S = 0.001
"""Time after the last fresh moment. A held request then gets the response of a stale unit."""

ReadRange = tuple[int, int]
"""Address and number of registers of a request."""


class Repeat(StrEnum):
    """A way to respond to a repeated request."""

    SERVE = "serve"
    """Respond from the same telegram again."""
    WAIT = "wait"
    """Respond when the next telegram arrives."""
    BUSY = "busy"
    """Respond with exception 0x06 at once."""


class _ClientReads:
    """The requests of one client that were answered from one snapshot."""

    __slots__ = ("asked", "begun", "snapshot")

    def __init__(self, snapshot: Snapshot, begun: float) -> None:
        self.snapshot = snapshot
        self.begun = begun
        self.asked: set[ReadRange] = set()


class Repeats:
    """The requests that the clients of one unit have made since the newest telegram."""

    def __init__(self, repeat: Repeat, wait_up_to_s: float) -> None:
        """Treat repeated requests as `repeat` says.

        Args:
            repeat: `wait` or `busy`.
            wait_up_to_s: longest time for which a request is held back.

        """
        self.repeat = repeat
        self.wait_up_to_s = wait_up_to_s
        self.waiting: dict[object, Callable[[], None]] = {}
        """Callbacks for the next published telegram, by the object that waits."""
        self._asking: dict[CountedClient, _ClientReads] = {}
        """By client, in order of their first request of a telegram."""

    def is_repeated(self, asked: ReadRange, snapshot: Snapshot, now: float, client: CountedClient) -> bool:
        """Return True for a request that was answered from `snapshot` before; note it otherwise."""
        asking = self._asking.get(client)
        if asking is None or asking.snapshot is not snapshot:
            asking = self._begin(snapshot, now, client)
        if asked in asking.asked:
            return now - asking.begun > CYCLE_S
        if len(asking.asked) < MAX_ASKED:
            asking.asked.add(asked)
        return False

    def hold(self, asked: ReadRange, now: float, fresh_until: float, client: CountedClient) -> None:
        """Leave a `HeldRequest` at the client: its request is not answered yet."""
        until = min(now + self.wait_up_to_s, fresh_until + PAST_S)
        client.held = HeldRequest(self, asked, until, client)

    def wake(self) -> None:
        """Let all requests that are held back be asked again."""
        woken = list(self.waiting.values())
        self.waiting.clear()
        for wake in woken:
            wake()

    def forget(self, asked: ReadRange, client: CountedClient) -> None:
        """Let the next such request be answered at once."""
        asking = self._asking.get(client)
        if asking:
            asking.asked.discard(asked)

    def _begin(self, snapshot: Snapshot, now: float, client: CountedClient) -> _ClientReads:
        """Remember a client's requests of a new telegram, and forget clients that have not asked since the last one."""
        self._asking.pop(client, None)
        for oldest in list(self._asking):
            if len(self._asking) < MAX_ASKING and self._asking[oldest].snapshot is snapshot:
                break
            del self._asking[oldest]
        asking = self._asking[client] = _ClientReads(snapshot, now)
        return asking


class HeldRequest:
    """A request that is held back."""

    __slots__ = ("_client", "asked", "repeats", "until")

    def __init__(self, repeats: Repeats, asked: ReadRange, until: float, client: CountedClient) -> None:
        self.repeats = repeats
        self.asked = asked
        self.until = until
        """Moment at which it must be asked again, whether a telegram has come or not."""
        self._client = client

    def expire(self) -> None:
        """Let it be answered at once when it is asked again, from the same telegram if there is no other."""
        self.repeats.forget(self.asked, self._client)
