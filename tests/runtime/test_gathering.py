"""What many nodes log at the same time is one line; what few log is logged as it is."""

from __future__ import annotations

import logging
from unittest.mock import patch

import pytest

from gateway.runtime import gathering
from gateway.runtime.flow import Flow, Node, end_gathering
from gateway.runtime.gathering import FIRST_LINES, GATHER_S, MAX_KINDS, Gathering

INFO, WARNING = logging.INFO, logging.WARNING


class Loop:
    """An event loop whose timers the test runs."""

    def __init__(self) -> None:
        self.timers: list[tuple[object, ...]] = []

    def call_later(self, _delay: float, *call: object) -> None:
        self.timers.append(call)

    def pass_time(self) -> None:
        timers, self.timers = self.timers, []
        for call, *arguments in timers:
            assert callable(call)
            call(*arguments)


class Bench:
    """A gathering with its lines."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.lines: list[str] = []
        self._gathering = Gathering(lambda _level, names, text: self.lines.append(f"{names}: {text}"))

    def log(self, names: range, moment: float, text: str = "found", level: int = INFO) -> int:
        """Return the number of lines that are logged at once."""
        with patch.object(gathering.asyncio, "get_running_loop", lambda: self.loop):
            return sum(self._gathering.admits(level, text, f"m{n}", moment) for n in names)


def test_what_few_nodes_log_is_logged_at_once() -> None:
    bench = Bench()
    for second in range(10):
        assert bench.log(range(FIRST_LINES), (GATHER_S + 1) * second) == FIRST_LINES
    assert bench.loop.timers == []


def test_what_two_thousand_nodes_log_is_some_lines_and_one_for_the_rest() -> None:
    bench = Bench()
    assert bench.log(range(2000), 100.0) == FIRST_LINES
    bench.loop.pass_time()
    assert bench.lines == ["m10, m11, m12 and 1987 more: found"]


def test_what_goes_on_is_one_line_each_few_seconds_and_lines_of_others_are_apart() -> None:
    bench = Bench()
    bench.log(range(20), 100.0)
    bench.loop.pass_time()
    assert bench.log(range(30, 33), 106.0) == 0
    assert bench.log(range(3), 106.0) == 3
    assert bench.log(range(2), 106.0, "lost", WARNING) == 2
    assert bench.log(range(2), 106.0, "found", WARNING) == 2
    bench.loop.pass_time()
    assert bench.lines[1:] == ["m30, m31, m32: found"]
    assert bench.log(range(5), 106.0 + 3 * GATHER_S) == 5


def test_there_are_never_more_kinds_than_may_be() -> None:
    bench = Bench()
    for number in range(3 * MAX_KINDS):
        assert bench.log(range(1), 100.0, f"text {number}") == 1
    assert bench.log(range(50), 100.0, "one more") == 50
    assert bench.log(range(50), 100.0 + 3 * GATHER_S, "one more") == FIRST_LINES


class Meter(Node):
    """A node that logs one line."""

    async def run(self) -> None:
        self.log(logging.INFO, f"{self.name} is found", alike="meters are found")


async def test_the_nodes_of_a_flow_are_named_in_one_line_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    flow = Flow([Meter(f"flat{n}") for n in range(30)])
    for node in flow.nodes:
        await node.run()
    end_gathering()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == FIRST_LINES + 1
    assert lines[0] == "node=flat0: flat0 is found"
    assert lines[-1] == "node=flat10, flat11, flat12 and 17 more: meters are found"
