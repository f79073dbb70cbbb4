"""Nodes, the wires between them, and the flow that runs them.

A node does one thing and shows its state with a coloured mark and a short text, as in Node-RED. The flow starts
the nodes in order. It restarts a node that fails, with growing pauses, while the others go on. It stops the nodes
in the opposite order.
"""

from __future__ import annotations

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar
from weakref import WeakKeyDictionary, WeakSet

from gateway.problems.listing import listed
from gateway.problems.problem import ProblemError
from gateway.runtime.clock import now, unix_now
from gateway.runtime.gathering import Gathering
from gateway.runtime.log import LineBudget, clean
from gateway.runtime.output import Output, Wire
from gateway.runtime.status import Colour, Label, Mark, Status, label

STOP_TIMEOUT_S = 1.5
"""Time in which all nodes together have to stop; the whole process ends within 2 s of SIGTERM."""
START_TIMEOUT_S = 5.0
"""Longest time that a node may take to be ready; then the gateway counts as started without it."""
SELDOM_S = 600.0
"""Time in which `Node.log_seldom` logs the same message once."""
MAX_SELDOM_MESSAGES = 20
"""Largest number of different messages that `Node.log_seldom` logs in `SELDOM_S`."""
MAX_RECENT_PROBLEMS = 10
"""Number of newest warnings and errors of one node that are kept for a report."""

Details = Mapping[str, str | int | float | None]
"""Settings and counters of a node by name; None for a value that is not known yet."""

FIRST_PAUSE_S = 0.5
"""Upper bound of the first pauses before a node is restarted."""
LONGEST_PAUSE_S = 30.0
"""Upper bound of every later pause. A node that ran longer than this begins with short pauses again."""
ATTEMPTS_PER_S = 100
"""Number of attempts per second of all that fail for long; if more than 1,500 do, each pauses longer."""

_log = logging.getLogger("gateway")


class Backoff:
    """Random pauses between attempts ("full jitter"), none longer than all before it together.

    So what works again is noticed after twice the time of its failure at the latest, and after `LONGEST_PAUSE_S`.
    """

    _failing: ClassVar[WeakSet[Backoff]] = WeakSet()
    """Those that have reached the longest pause."""

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self._paused_s = 0.0

    def next(self) -> float:
        """Return the number of seconds to wait before the next attempt."""
        # A random pause is half of its bound in the mean.
        longest = max(LONGEST_PAUSE_S, 2 * len(self._failing) / ATTEMPTS_PER_S)
        pause = self._uniform(0, min(max(FIRST_PAUSE_S, self._paused_s), longest))
        self._paused_s += pause
        if self._paused_s >= LONGEST_PAUSE_S:
            self._failing.add(self)
        return pause

    def reset(self) -> None:
        """Begin with short pauses again."""
        self._paused_s = 0.0
        self._failing.discard(self)


_gatherings: WeakKeyDictionary[asyncio.AbstractEventLoop, Gathering] = WeakKeyDictionary()
"""The lines that are gathered, by the event loop that logs them later."""


def _gathering() -> Gathering:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return Gathering(_write)
    if loop not in _gatherings:
        _gatherings[loop] = Gathering(_write)
    return _gatherings[loop]


def _write(level: int, names: str, text: str) -> None:
    _log.log(level, "node=%s: %s", names, text, extra={"node": names, "text": text})


def end_gathering() -> None:
    """Log the lines of many nodes that are still gathered."""
    _gathering().end()


class Node(ABC):
    """A part of the gateway with one purpose, one status and one task."""

    kind: str = "node"
    reads_meter: bool = False
    """True for a node that reads a meter: a meter that is offline is not a failure of the gateway."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.label = self.kind
        """The text on the node in the drawing of the flow."""
        self.outputs: list[Output[Any]] = []
        """The outputs of this node; each adds itself."""
        self.since = now()
        """The moment when the node failed or began to work, in seconds of the gateway's clock."""
        self._budget, self._error_budget = LineBudget(self.since), LineBudget(self.since)
        self._logged: dict[str, float] = {}
        self.recent_problems: tuple[tuple[float, str, str], ...] = ()
        """The newest logged warnings and errors: unix time, text, and the code of the status at that time."""
        self.status = Status(Colour.GREY, Mark.RING, label("not-started"))
        self.ready = asyncio.Event()
        """Set once the node works, or waits for something outside the gateway."""

    @abstractmethod
    async def run(self) -> None:
        """Work until cancelled. An exception ends this attempt; the flow makes the next one."""

    def details(self) -> Details:
        """Return settings and counters, which say more than the status."""
        return {}

    def disconnect(self) -> None:
        """Remove all receivers from all outputs."""
        for output in self.outputs:
            output.disconnect()

    def show(self, colour: Colour, mark: Mark, text: str | Label, /, **values: str | float | Label) -> None:
        """Set the status; `text` is a code of `gateway.runtime.status.TEXTS` with its `values`, or a whole label."""
        shown = self.status
        if shown.label.code == text and shown.label.values == values and (shown.colour, shown.mark) == (colour, mark):
            return
        status = Status(colour, mark, text if isinstance(text, Label) else label(text, **values))
        if status.is_failure != self.status.is_failure:
            self.since = now()
        self.status = status

    def log(self, level: int, message: str, error: BaseException | None = None, *, alike: str = "") -> None:
        """Write one line to the log, marked with this node, with the traceback of `error` if there is one.

        A node has a `LineBudget` for errors and one for the rest. A line that is left out is counted in the next one.
        Where many nodes log at the same time, `alike` is what all of them say, if it is not `message`.
        """
        if level >= logging.WARNING:
            problem = unix_now(), clean(message), self.status.label.code
            self.recent_problems = (*self.recent_problems[1 - MAX_RECENT_PROBLEMS :], problem)
        budget = self._error_budget if level >= logging.ERROR else self._budget
        if not budget.allows(moment := now()):
            return
        if error is None and not _gathering().admits(level, alike or message, self.name, moment):
            return
        left_out = self._budget.left_out + self._error_budget.left_out
        self._budget.left_out = self._error_budget.left_out = 0
        note = f" ({left_out} lines left out)" if left_out else ""
        text = f"{message}{note}"
        _log.log(level, "node=%s: %s", self.name, text, exc_info=error, extra={"node": self.name, "text": text})

    def log_seldom(self, level: int, message: str, error: BaseException | None = None, *, alike: str = "") -> None:
        """Log as `log` does, but the same message only once in `SELDOM_S`."""
        moment = now()
        self._logged = {text: at for text, at in self._logged.items() if moment - at < SELDOM_S}
        if message not in self._logged and len(self._logged) < MAX_SELDOM_MESSAGES:
            self._logged[message] = moment
            self.log(level, message, error, alike=alike)


class Flow:
    """The nodes of a gateway, in the order in which they start."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = list(nodes)
        self._tasks: dict[Node, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._stop = asyncio.Event()

    @property
    def wires(self) -> list[Wire]:
        """Return the connections between the nodes: one wire for each pair of nodes, however many outputs it has."""
        return list(dict.fromkeys(wire for node in self.nodes for output in node.outputs for wire in output.wires))

    async def run(self, stop: asyncio.Event, started: Callable[[], None] = lambda: None) -> None:
        """Run all nodes until `stop` is set; `started` is called once all of them have been started."""
        async with asyncio.TaskGroup() as group:
            self._group, self._stop = group, stop
            for node in self.nodes:
                self._start(node)
            # Their tasks begin in this order, and one that waits for a device does not delay thousands of others.
            await asyncio.sleep(0)
            for node in self.nodes:
                if not node.ready.is_set():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(_first(node.ready, stop), START_TIMEOUT_S)
            started()
            await stop.wait()
            await _stop(list(self._tasks.values()))
            end_gathering()

    async def change(self, nodes: Sequence[Node]) -> None:
        """Replace the nodes while running: a node that stays goes on, the others stop or start."""
        before, after = set(self.nodes), set(nodes)
        leaving = [self._tasks.pop(node) for node in self.nodes if node not in after]
        coming = [node for node in nodes if node not in before]
        self.nodes = list(nodes)
        # A new node may listen on the port of one that leaves.
        await _stop(leaving)
        for node in () if self._stop.is_set() else coming:
            self._start(node)

    def _start(self, node: Node) -> None:
        assert self._group is not None
        self._tasks[node] = self._group.create_task(_supervise(node), name=node.name)


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait(), name="wait for an event") for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def _supervise(node: Node) -> None:
    backoff = Backoff()
    while True:
        begun = now()
        try:
            await node.run()
            return
        except OSError as error:
            # Something outside the gateway is wrong, and the node shows what.
            what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
            alike = error.problem.code.replace("-", " ") if isinstance(error, ProblemError) else what
            node.log_seldom(logging.ERROR, f"{what}; trying again", alike=f"{alike}; trying again")
        except Exception as error:
            node.show(Colour.RED, Mark.RING, "failed", error=type(error).__name__)
            node.log_seldom(logging.ERROR, f"failed: {type(error).__name__}: {error}", error)
        if (task := asyncio.current_task()) and task.cancelling():
            return  # it failed while it stopped
        if now() - begun > LONGEST_PAUSE_S:
            backoff.reset()
        node.ready.set()
        await asyncio.sleep(backoff.next())


async def _stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel from the last started to the first: a node that serves clients ends before the nodes that feed it."""
    for task in reversed(tasks):
        task.cancel()
    if tasks:
        _, pending = await asyncio.wait(tasks, timeout=STOP_TIMEOUT_S)
        if names := [task.get_name() for task in tasks if task in pending]:
            _log.error("node=%s: did not stop in time", listed(names))
