"""Nodes, the wires between them, and the flow that runs them.

A node does one thing and shows how it fares with a coloured mark and a few words, as in Node-RED. The flow
starts the nodes in order, starts anew with growing pauses those that fail while the others go on, and
stops them in the opposite order.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from gateway.runtime.clock import now
from gateway.runtime.status import Colour, Label, Mark, Status, label

STOP_TIMEOUT_S = 1.5
"""For all nodes together; the whole process ends within 2 s of SIGTERM."""
START_TIMEOUT_S = 5.0
"""How long the nodes behind one wait for it to be ready; then they start without it."""
SELDOM_S = 600.0
MAX_SELDOM_MESSAGES = 20
"""Different ones of one node in `SELDOM_S`."""
MAX_TROUBLES = 10
"""Kept of one node, for a report."""

Details = Mapping[str, str | int | float | None]
"""Settings and counters of a node by name; None for what is not known yet."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0

_log = logging.getLogger("gateway")


class Backoff:
    """Pauses between attempts: at random up to a bound that doubles each time ("full jitter")."""

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self._bound = FIRST_PAUSE_S

    def next(self) -> float:
        """Seconds to wait before the next attempt."""
        pause = self._uniform(0, self._bound)
        self._bound = min(2 * self._bound, LONGEST_PAUSE_S)
        return pause

    def reset(self) -> None:
        """Begin with short pauses again."""
        self._bound = FIRST_PAUSE_S


class Node(ABC):
    """One purpose, one status, one task."""

    kind: str = "node"
    reads_meter: bool = False
    """Whether it is where a meter is heard: that one is silent is no failure of the gateway."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.label = self.kind
        """What stands on the node where the flow is drawn."""
        self.since = now()
        """When it failed, or began to work, in seconds of the gateway's clock."""
        self._logged: dict[str, float] = {}
        self.troubles: deque[tuple[float, str]] = deque(maxlen=MAX_TROUBLES)
        """The newest warnings and errors that it has logged, with their unix time."""
        self.status = Status(Colour.GREY, Mark.RING, label("not-started"))
        self.ready = asyncio.Event()
        """Set when the node does its work, or waits for something outside the gateway."""

    @abstractmethod
    async def run(self) -> None:
        """Work until cancelled. An exception ends this attempt; the flow makes the next one."""

    def details(self) -> Details:
        """More than the status says."""
        return {}

    def show(self, colour: Colour, mark: Mark, text: str | Label, /, **values: str | float | Label) -> None:
        """Set the status; `text` is a code of `gateway.runtime.status.TEXTS` with its `values`, or a whole label."""
        status = Status(colour, mark, text if isinstance(text, Label) else label(text, **values))
        if status.is_failure != self.status.is_failure:
            self.since = now()
        self.status = status

    def log(self, level: int, message: str) -> None:
        """Write one line to the log, marked with this node."""
        _log.log(level, "node=%s: %s", self.name, message)
        if level >= logging.WARNING:
            self.troubles.append((time.time(), message))

    def log_seldom(self, level: int, message: str) -> None:
        """As `log`, but the same message once in `SELDOM_S` at the most."""
        moment = time.monotonic()
        self._logged = {text: at for text, at in self._logged.items() if moment - at < SELDOM_S}
        if message not in self._logged and len(self._logged) < MAX_SELDOM_MESSAGES:
            self._logged[message] = moment
            self.log(level, message)


class ByteSink(Protocol):
    """Takes the bytes of a line."""

    def receive(self, data: bytes, arrived: float) -> None:
        """Take bytes, with the moment of their arrival on the monotonic clock."""

    def line_lost(self) -> None:
        """The line is closed; what comes next does not continue what came before."""


@dataclass(frozen=True, slots=True)
class Wire:
    """What leaves `source` goes into `target`."""

    source: Node
    target: Node


class Flow:
    """All nodes of a gateway, in the order in which they start."""

    def __init__(self, nodes: Sequence[Node], wires: Sequence[Wire]) -> None:
        self.nodes = list(nodes)
        self.wires = list(wires)
        self._tasks: dict[Node, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._stop = asyncio.Event()

    async def run(self, stop: asyncio.Event, started: Callable[[], None] = lambda: None) -> None:
        """Run all nodes until `stop` is set; `started` is called once all of them have been started."""
        async with asyncio.TaskGroup() as group:
            self._group, self._stop = group, stop
            for node in self.nodes:
                self._start(node)
                with suppress(TimeoutError):
                    await asyncio.wait_for(_first(node.ready, stop), START_TIMEOUT_S)
            started()
            await stop.wait()
            await _stop(list(self._tasks.values()))

    async def change(self, nodes: Sequence[Node], wires: Sequence[Wire]) -> None:
        """Become another flow while running: nodes of both go on, the others stop or start."""
        leaving = [self._tasks.pop(node) for node in self.nodes if node not in nodes]
        coming = [node for node in nodes if node not in self.nodes]
        self.nodes, self.wires = list(nodes), list(wires)
        # What leaves may hold a port that what comes will listen on.
        await _stop(leaving)
        for node in () if self._stop.is_set() else coming:
            self._start(node)

    def _start(self, node: Node) -> None:
        assert self._group is not None
        self._tasks[node] = self._group.create_task(_supervise(node), name=node.name)


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def _supervise(node: Node) -> None:
    backoff = Backoff()
    while True:
        begun = time.monotonic()
        try:
            await node.run()
            return
        except OSError as error:
            # The world is not as it should be, and the node has shown what is wrong.
            what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
            node.log_seldom(logging.ERROR, what)
        except Exception as error:
            node.show(Colour.RED, Mark.RING, "failed", error=type(error).__name__)
            _log.exception("node=%s: failed", node.name)
        if time.monotonic() - begun > LONGEST_PAUSE_S:
            backoff.reset()
        node.ready.set()
        await asyncio.sleep(backoff.next())


async def _stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel from the last started to the first: whatever serves clients ends before what feeds it."""
    deadline = asyncio.get_running_loop().time() + STOP_TIMEOUT_S
    for task in reversed(tasks):
        task.cancel()
        left = deadline - asyncio.get_running_loop().time()
        _, pending = await asyncio.wait([task], timeout=max(0.0, left))
        if pending:
            _log.error("node=%s: did not stop in time", task.get_name())
