"""Steps that a telegram and a request take, beside the budget in guard.json: it shows a slow-down on any machine.

    python -m benchmarks.guard [--renew]

A step is one instruction of Python's bytecode. Time depends on the machine and on what else it does; the number of
steps is the same in each run of one version of Python. The gateway of a configuration is made as the command does it,
and its parser and its server are called as the event loop calls them, under a clock that this script moves. Work of
libraries in C counts as the one step that calls it, so figures of `core.py` stay needed for that.

`tests/test_guard.py` fails if steps are over the budget. Whoever makes a telegram or a request dearer on purpose says
why in the commit that renews the budget.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import struct
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from gateway.runtime import clock

BUDGET = Path(__file__).with_name("guard.json")
ALLOWED = 1.02
"""Share of the budget that may be used: a patch release of Python or of a library moves some steps."""
START = 1_767_610_800
"""Noon of a winter day in unix seconds."""
TELEGRAMS = 30
PIECE_BYTES = 64
SLOWLY_S = 0.001
CONFIG = """\
meter: {host: 127.0.0.1, port: 2001, dsmr_version: "5"}
modbus:
  - {listen: "127.0.0.1:0", units: {1: {map: dsmr}, 2: {map: eastron-sdm630}}}
"""
Steps = dict[str, int]


class Clock:
    """The gateway's clock, which stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = 1000.0

    def now(self) -> float:
        return self.moment

    def unix_now(self) -> float:
        return START - 1000.0 + self.moment


CLOCK = Clock()


def count(work: Callable[[], object]) -> int:
    """Return the bytecode instructions of a call."""
    return _count_monitored(work) if sys.version_info >= (3, 12) else _count_traced(work)


def _count_traced(work: Callable[[], object]) -> int:
    steps = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal steps
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        steps += event == "opcode"
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)
    return steps


def _count_monitored(work: Callable[[], object]) -> int:
    steps = 0

    def note(_code: CodeType, _offset: int) -> None:
        nonlocal steps
        steps += 1

    monitoring = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
    tool, event = monitoring.PROFILER_ID, monitoring.events.INSTRUCTION
    monitoring.use_tool_id(tool, "guard")
    monitoring.register_callback(tool, event, note)
    monitoring.set_events(tool, event)
    try:
        work()
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)
    return steps


class Transport(asyncio.Transport):
    """Keeps the newest response."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written = bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Have no limit."""


async def measure(folder: Path) -> Steps:
    """Return the steps of each kind of work."""
    clock.now, clock.unix_now = CLOCK.now, CLOCK.unix_now
    # They read the clock, so they are imported once it is this one.
    from gateway.config import load_config, load_maps
    from gateway.nodes.dsmr_parser import DsmrParser
    from gateway.nodes.modbus_server.connections import StreamClient
    from gateway.service.wiring import Wiring
    from gateway.simulation.forms import simulated_meter

    path = folder / "gateway.yaml"
    path.write_text(CONFIG)
    config = load_config(path, {})
    wiring = Wiring(config, load_maps(config, folder), folder)
    (parser,) = (node for node in wiring.flow.nodes if isinstance(node, DsmrParser))
    household = simulated_meter("5")
    client, transport = StreamClient(wiring.servers[0]), Transport()
    client.begin(transport)
    received = client.get_buffer(-1)

    def second(number: int) -> bytes:
        CLOCK.moment = 1000.0 + number
        return household.telegram(START + number)

    def receive(data: bytes) -> int:
        return count(lambda: parser.receive(data, CLOCK.moment))

    def receive_in_pieces(telegram: bytes) -> int:
        steps = 0
        for at in range(0, len(telegram), PIECE_BYTES):
            CLOCK.moment += SLOWLY_S
            steps += receive(telegram[at : at + PIECE_BYTES])
        return steps

    def respond(address: int, quantity: int) -> int:
        request = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, address, quantity)
        received[: len(request)] = request
        steps = count(lambda: client.buffer_updated(len(request)))
        assert transport.written[8] == 2 * quantity, transport.written
        return steps

    steps = {"telegram, the first": receive(second(0))}
    for number in range(1, 11):  # a new line is watched for some seconds
        receive(second(number))
    steps["telegram, after another"] = sum(receive(second(n)) for n in range(11, 11 + TELEGRAMS)) // TELEGRAMS
    rest = range(11 + TELEGRAMS, 11 + 2 * TELEGRAMS)
    steps[f"telegram, {PIECE_BYTES} bytes at a time"] = sum(receive_in_pieces(second(n)) for n in rest) // TELEGRAMS
    steps["request, the first after a telegram"] = respond(100, 100)
    steps["request, known"] = respond(100, 100)
    steps["request for the status"] = respond(0, 18)
    return steps


def exceeded(steps: Mapping[str, int], budget: Mapping[str, int]) -> list[str]:
    """Return a line for each kind of work that is over its budget."""
    return [
        f"{name}: {taken} steps, {taken / budget[name] - 1:+.1%} of the budget of {budget[name]}"
        for name, taken in steps.items()
        if name in budget and taken > ALLOWED * budget[name]
    ]


def main() -> int:
    """Measure, and compare with the budget of this version of Python or renew it; return 1 if it is exceeded."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of texts have the same order in each run.
        os.execve(
            sys.executable,
            [sys.executable, "-m", "benchmarks.guard", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        steps = asyncio.run(measure(Path(folder)))
    budgets: dict[str, Steps] = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    budget = budgets.get(version, {})
    for name, taken in steps.items():
        change = f"{taken / budget[name] - 1:+7.1%}" if name in budget else "without a budget"
        print(f"{name:36}{taken:8}  {change}")
    if "--renew" in sys.argv[1:]:
        budgets[version] = steps
        BUDGET.write_text(json.dumps(dict(sorted(budgets.items())), indent=2) + "\n")
        print(f"{BUDGET.name} has these figures for Python {version} now")
        return 0
    over = exceeded(steps, budget)
    for line in over:
        print(f"over the budget: {line}", file=sys.stderr)
    if over:
        print(f"If that is meant, run `python -m benchmarks.guard --renew` with Python {version}.", file=sys.stderr)
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(main())
