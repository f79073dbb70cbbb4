"""One run of the whole gateway in virtual time: a meter, what carries its telegrams, the gateway, and its clients.

The gateway is the real one: its configuration is loaded from a file, its nodes are wired and run as in service. Only
the clock, the network and the threads are virtual. Import this module before anything of the gateway: it replaces the
clock, which other modules take by name.
"""

from __future__ import annotations

import asyncio
import copy
import random
import secrets
import shutil
import struct
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

from gateway.runtime import clock, threads
from tests.simulation.loop import START_S, VirtualLoop
from tests.simulation.network import HOST, Network
from tests.simulation.truth import Oracle, Written, decode, telegram

UNIX_START_S = 1_764_417_600.0
"""Wall clock at the start of a run: 2025-11-29 12:00 UTC."""
METER_PORT, MODBUS_PORT = 2001, 5020
FIRST_ADDRESS, REGISTERS = 100, 104
REQUEST_TIMEOUT_S = 3.0
PIECES = (1, 4)
"""Fewest and most segments that a telegram is sent in."""


class _VirtualClock:
    """The clocks of the machine that the gateway runs on."""

    loop: VirtualLoop | None = None
    jump_s = 0.0
    """Added to the wall clock."""

    def now(self) -> float:
        return self.loop.moment if self.loop else START_S

    def is_synchronised(self) -> bool:
        """Return True: a jump of the wall clock is recognised without it."""
        return True

    def unix_now(self) -> float:
        return UNIX_START_S + self.now() - START_S + self.jump_s


class _NoThread(threads.Thread):
    """Work that is done at once: a thread would take real time, and how much virtual time passes meanwhile differs."""

    def __init__(self, run: Callable[[], object]) -> None:
        self.begun, self.over = threading.Event(), threading.Event()
        self.ident = threading.get_ident()
        self._run = run
        self._work()


assert "pytest" not in sys.modules, "a process of its own: the clock is replaced for all modules"
MACHINE = _VirtualClock()
clock.now = MACHINE.now
clock.unix_now = MACHINE.unix_now
clock.is_synchronised = MACHINE.is_synchronised
threads.Thread = _NoThread  # type: ignore[misc]
# The same seed has to give the same run.
secrets.randbelow = random.randrange
secrets.randbits = random.getrandbits
secrets.token_hex = lambda nbytes=None: f"{random.getrandbits(8 * (nbytes or 32)):x}"

from gateway.transport import listening  # noqa: E402 - after the clock

listening.lengthen_queue = lambda _sockets: None  # the queue of connections is the kernel's

import gateway.config.maps  # noqa: E402
from gateway.config import load_config, load_maps  # noqa: E402
from gateway.maps.load import load_map  # noqa: E402
from gateway.protocol.registers.register_map import RegisterMap  # noqa: E402
from gateway.service.wiring import Wiring  # noqa: E402


@cache
def _compiled(path: Path, settings: tuple[tuple[str, float], ...]) -> RegisterMap:
    return load_map(path, dict(settings) or None)


def _load_map(path: Path, settings: Mapping[str, float] | None = None) -> RegisterMap:
    """Return a map of its own for each reload; compiling the built-in maps again would take most of the run."""
    return copy.copy(_compiled(path, tuple((settings or {}).items())))


gateway.config.maps.load_map = _load_map


class Meter:
    """A meter that writes telegrams, and whatever sends them on over TCP."""

    def __init__(self, world: World, name: str, cadence_s: float = 1.0) -> None:
        self._world = world
        self.name = name
        self.cadence_s = cadence_s
        self.clock_ahead_s = 0.0
        """How far the meter's clock is ahead of the truth."""
        self.flag = "W"
        self.zone_s = 3600.0
        self.is_idle = False
        """Whether nothing is used: all values stay the same."""
        self.is_on = True
        self.mode: Callable[[bytes], list[bytes]] = lambda text: [text]
        """What the source makes of each telegram."""
        self.sent: deque[bytes] = deque(maxlen=4000)
        self.energy_wh = 2_000_000
        self._power_w = 400
        self._writers: list[asyncio.StreamWriter] = []
        self.greeting: Callable[[], bytes] = lambda: b""

    def clock_text(self, at: float) -> str:
        """Return the meter's time stamp at a moment."""
        moment = UNIX_START_S + at - START_S + self.clock_ahead_s
        if self.cadence_s > 1:
            moment -= moment % self.cadence_s
        return datetime.fromtimestamp(moment, timezone(timedelta(seconds=self.zone_s))).strftime(
            f"%y%m%d%H%M%S{self.flag}"
        )

    def write(self, at: float) -> bytes:
        """Write a telegram at a moment: from then on it ages."""
        if not self.is_idle:
            self.energy_wh += 1
            self._power_w = self._world.random.randrange(-3000, 6000)
        world = self._world
        clock = self.clock_text(at)
        text = telegram(self.name, clock, self._power_w, self.energy_wh)
        number = len(world.oracle.written) + 1
        world.oracle.write(Written(number, at, self.name, self._power_w, self.energy_wh, clock, text))
        self.sent.append(text)
        return text

    async def serve(self) -> None:
        """Accept connections, as a ser2net."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            greeting = self.greeting()
            if greeting:
                writer.write(greeting)
            self._writers.append(writer)
            await reader.read()
            if writer in self._writers:
                self._writers.remove(writer)
            writer.close()

        await asyncio.start_server(connected, port=METER_PORT)
        begun, count = self._world.loop.moment, 0
        while True:
            if self.is_on:
                # While the gateway's machine sleeps, the meter goes on; what it wrote waits.
                for text in self.mode(self.write(begun + count * self.cadence_s)):
                    self.send(text)
            count += 1
            await asyncio.sleep(max(0.0, begun + count * self.cadence_s - self._world.loop.moment))

    def send(self, text: bytes) -> None:
        """Send a telegram in a few segments."""
        pieces = self._world.random.randint(*PIECES)
        size = max(1, -(-len(text) // pieces))
        for writer in list(self._writers):
            if writer.is_closing():
                self._writers.remove(writer)
                continue
            for start in range(0, len(text), size):
                writer.write(text[start : start + size])

    def restart(self) -> None:
        """Close all connections, as a ser2net that starts again."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()


class World:
    """A run with its parts; `run` gives the oracle."""

    def __init__(self, seed: int, *, limit_s: float = 5.0, extra: str = "") -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.loop = VirtualLoop()
        MACHINE.loop, MACHINE.jump_s = self.loop, 0.0
        self.network = Network(self.loop, seed)
        self.oracle = Oracle(limit_s)
        self.meter = Meter(self, "A")
        self.folder = Path(tempfile.mkdtemp(prefix="simulated"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.path = self.folder / "gateway.yaml"
        self.text = (
            f'meter: {{host: meter, port: {METER_PORT}, dsmr_version: "5"}}\n'
            f'modbus: [{{listen: ":{MODBUS_PORT}", max_clients: 8,'
            f" units: {{1: {{map: dsmr, stale_after: {limit_s}s}}}}}}]\n" + extra
        )
        self.path.write_text(self.text)
        self.wiring: Wiring | None = None
        self.faults: list[str] = []
        self._reloading = asyncio.Lock()
        self._tasks: list[asyncio.Task[Any]] = []

    def on(self, host: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a task on a host."""
        token = HOST.set(host)
        try:
            task = self.loop.create_task(work, name=host)
        finally:
            HOST.reset(token)
        self._tasks.append(task)
        return task

    async def gateway(self) -> None:
        """Run the gateway."""
        config = load_config(self.path, {})
        self.wiring = Wiring(config, load_maps(config, self.folder), self.folder)
        # Its socket is a file; nobody asks it here.
        self.wiring.flow.nodes = [node for node in self.wiring.flow.nodes if node.kind != "control"]
        await self.wiring.flow.run(asyncio.Event())

    async def reload(self) -> None:
        """Load the configuration again, as at SIGHUP."""
        assert self.wiring is not None
        async with self._reloading:  # one at a time, as in service
            config = load_config(self.path, {})
            await self.wiring.change(config, load_maps(config, self.folder))

    async def client(self, name: str, period_s: float) -> None:
        """Read power and energy in one request again and again, and check each response."""
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        transaction = 0
        while True:
            asked = self.loop.moment
            try:
                if reader is None or writer is None:
                    async with asyncio.timeout(REQUEST_TIMEOUT_S):
                        reader, writer = await asyncio.open_connection("gateway", MODBUS_PORT)
                    asked = self.loop.moment
                transaction = transaction % 0xFFFF + 1
                pdu = struct.pack(">BHH", 3, FIRST_ADDRESS, REGISTERS)
                writer.write(struct.pack(">HHHB", transaction, 0, len(pdu) + 1, 1) + pdu)
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    head = await reader.readexactly(7)
                    response = await reader.readexactly(struct.unpack_from(">H", head, 4)[0] - 1)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                self.oracle.checked["no response"] += 1
                if writer:
                    writer.transport.abort()
                reader = writer = None
            else:
                self._judge(name, response, asked)
            await asyncio.sleep(period_s)

    def _judge(self, name: str, response: bytes, asked: float) -> None:
        came = self.loop.moment
        if response[0] & 0x80:
            self.oracle.checked[f"exception {response[1]:#04x}"] += 1
            self.oracle.see_state(is_good=False, at=came)
            return
        self.oracle.see_state(is_good=True, at=came)
        self.oracle.check(name, *decode(response[2:]), asked, came)

    def start(self) -> None:
        """Start the gateway, and whatever stands between it and the meter."""
        self.on("gateway", self.gateway())

    def run(self, seconds: float, chaos: Callable[[World], Coroutine[Any, Any, None]] | None = None) -> Oracle:
        """Let everything run for `seconds` of virtual time."""

        async def whole() -> None:
            self.on("meter", self.meter.serve())
            self.start()
            for index in range(3):
                self.on(f"client{index}", self.client(f"client{index}", (0.31, 0.77, 1.9)[index]))
            if chaos:
                self.on("world", chaos(self))
            await asyncio.sleep(seconds)
            for task in self._tasks:
                if task.done() and not task.cancelled() and task.exception():
                    raise task.exception()  # type: ignore[misc]

        self.run_only(whole())
        return self.oracle

    def run_only(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in this world, then end everything."""
        asyncio.set_event_loop(self.loop)
        random.seed(self.seed)  # the pauses between attempts
        try:
            self.loop.run_until_complete(work)
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.run_until_complete(asyncio.sleep(2.0))
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()
