"""Nodes are started in order, supervised one by one, changed while running, and stopped in time."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.flow import (
    ATTEMPTS_PER_S,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    MAX_SELDOM_MESSAGES,
    Backoff,
    Flow,
    Node,
)
from gateway.runtime.log import BURST_LINES
from gateway.runtime.status import Colour, Mark
from tests.waiting import until

LIMIT_S = 60.0


class Probe(Node):
    """A node that does what it is told, and notes when it started and ended."""

    kind = "probe"

    def __init__(self, name: str, notes: list[str], work: Callable[[], Awaitable[None]] | None = None) -> None:
        super().__init__(name)
        self._notes = notes
        self._work = work

    async def run(self) -> None:
        self._notes.append(f"{self.name} starts")
        try:
            if self._work:
                await self._work()
            self.ready.set()
            await asyncio.get_running_loop().create_future()
        finally:
            self._notes.append(f"{self.name} ends")


async def run_until(flow: Flow, condition: Callable[[], object]) -> None:
    """Run a flow until the condition holds, then stop it."""
    stop = asyncio.Event()
    running = asyncio.create_task(flow.run(stop))
    try:
        await until(condition)
    finally:
        stop.set()
        await asyncio.wait_for(running, LIMIT_S)


async def test_nodes_start_in_order_and_stop_in_the_opposite_one() -> None:
    notes: list[str] = []
    flow = Flow([Probe(name, notes) for name in "abc"])
    await run_until(flow, lambda: len(notes) == 3)
    assert notes == ["a starts", "b starts", "c starts", "c ends", "b ends", "a ends"]


async def test_a_node_that_waits_delays_no_other_and_the_flow_has_started_when_all_are_ready() -> None:
    notes: list[str] = []
    gate = asyncio.Event()

    async def wait() -> None:
        await gate.wait()
        notes.append("gate opens")

    flow = Flow([Probe("a", notes, wait), Probe("b", notes)])
    stop = asyncio.Event()
    running = asyncio.create_task(flow.run(stop, lambda: notes.append("started")))
    await until(lambda: notes == ["a starts", "b starts"])
    gate.set()
    await until(lambda: len(notes) == 4)
    stop.set()
    await running
    assert notes[:4] == ["a starts", "b starts", "gate opens", "started"]


@pytest.mark.parametrize(
    "error",
    [OSError("the cable is out"), PermissionError(13, "Permission denied", "/p1"), ValueError("a fault of our own")],
    ids=["world", "file", "ours"],
)
async def test_a_node_that_fails_is_restarted_while_the_others_go_on(
    error: Exception, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.runtime.flow.FIRST_PAUSE_S", 0.01)
    notes: list[str] = []
    failures = iter([error, error])

    async def fail_twice() -> None:
        if failure := next(failures, None):
            raise failure

    failing, other = Probe("failing", notes, fail_twice), Probe("other", notes)
    await run_until(Flow([other, failing]), lambda: notes.count("failing starts") == 3)
    assert notes.count("failing starts") == 3
    assert notes.count("other starts") == 1
    assert notes[-1] == "other ends"
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    if isinstance(error, OSError):
        # One line, without the number that nobody knows by heart.
        words = "/p1: Permission denied" if error.filename else "the cable is out"
        assert [record.getMessage() for record in told] == [f"node=failing: {words}; trying again"]
    else:
        assert [record.getMessage() for record in told] == ["node=failing: failed: ValueError: a fault of our own"]
        assert told[0].exc_info, "with its traceback, and once"


async def test_a_failure_of_our_own_is_shown_under_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> None:
        raise ValueError("of no use to a user")

    node = Probe("failing", [], fail)
    await run_until(Flow([node]), lambda: node.status.text.startswith("failed"))
    assert (node.status.colour, node.status.mark) == (Colour.RED, Mark.RING)
    assert node.status.text == "failed: ValueError, see the log"


async def test_a_node_that_does_not_end_keeps_none_of_the_others_from_ending(caplog: pytest.LogCaptureFixture) -> None:
    let_go = asyncio.Event()

    async def hang() -> None:
        while not let_go.is_set():
            with suppress(asyncio.CancelledError):
                await let_go.wait()
        raise asyncio.CancelledError

    notes: list[str] = []
    stop = asyncio.Event()
    flow = Flow([Probe("good", notes), Probe("stubborn", notes, hang)])
    running = asyncio.create_task(flow.run(stop))
    await until(lambda: "stubborn starts" in notes)
    stop.set()
    await until(lambda: "node=stubborn: did not stop in time" in caplog.text)
    assert "good ends" in notes
    assert "stubborn ends" not in notes
    let_go.set()
    await asyncio.wait_for(running, LIMIT_S)


async def test_a_flow_becomes_another_one_and_nodes_of_both_go_on() -> None:
    notes: list[str] = []
    a, b, c = (Probe(name, notes) for name in "abc")
    flow = Flow([a, b])
    stop = asyncio.Event()
    running = asyncio.create_task(flow.run(stop))
    await until(lambda: len(notes) == 2)
    await flow.change([a, c])
    await until(lambda: "c starts" in notes)
    assert notes == ["a starts", "b starts", "b ends", "c starts"]
    assert flow.nodes == [a, c]
    stop.set()
    await running
    assert notes[4:] == ["c ends", "a ends"]


async def test_a_flow_that_is_stopped_while_it_changes_starts_nothing_more() -> None:
    notes: list[str] = []
    let_go = asyncio.Event()

    class Slow(Probe):
        async def run(self) -> None:
            try:
                await super().run()
            finally:
                await let_go.wait()

    a, b, c = Probe("a", notes), Slow("b", notes), Probe("c", notes)
    flow = Flow([a, b])
    stop = asyncio.Event()
    running = asyncio.create_task(flow.run(stop))
    await until(lambda: len(notes) == 2)
    changing = asyncio.create_task(flow.change([a, c]))
    await until(lambda: "b ends" in notes)
    stop.set()
    await until(lambda: "a ends" in notes)
    let_go.set()
    await asyncio.wait_for(running, LIMIT_S)
    await asyncio.wait_for(changing, LIMIT_S)
    assert "c starts" not in notes


@given(st.integers(1, 30))
def test_pauses_grow_up_to_a_limit_and_start_again_after_success(attempts: int) -> None:
    backoff = Backoff(uniform=lambda _low, high: high)
    pauses = [backoff.next() for _ in range(attempts)]
    assert pauses[0] == FIRST_PAUSE_S
    assert all(earlier <= later <= min(2 * earlier, LONGEST_PAUSE_S) for earlier, later in pairwise(pauses))
    assert pauses[-1] == LONGEST_PAUSE_S or attempts < 8
    backoff.reset()
    assert backoff.next() == FIRST_PAUSE_S


@given(st.lists(st.floats(0, 1), max_size=30))
def test_no_pause_is_longer_than_the_time_that_has_passed(shares: list[float]) -> None:
    """Numbers return after twice the time of an interruption at the latest, however the random pauses fall."""
    rest = iter(shares)
    backoff = Backoff(uniform=lambda _low, high: high * next(rest))
    passed = 0.0
    for _ in shares:
        pause = backoff.next()
        assert pause <= max(FIRST_PAUSE_S, passed)
        passed += pause


def test_thousands_that_fail_pause_so_long_that_their_attempts_are_few() -> None:
    failing = [Backoff(uniform=lambda _low, high: high) for _ in range(4000)]
    for backoff in failing:
        assert max(backoff.next() for _ in range(10)) >= LONGEST_PAUSE_S
    for _ in range(3):
        pauses = [backoff.next() for backoff in failing]
    assert sum(2 / pause for pause in pauses) <= 1.1 * ATTEMPTS_PER_S
    for backoff in failing[100:]:
        backoff.reset()
    for backoff in failing[:100]:
        backoff.next()
    assert {backoff.next() for backoff in failing[:100]} == {LONGEST_PAUSE_S}


def test_pauses_are_at_random_from_nothing_to_the_bound() -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return low

    backoff = Backoff(uniform)
    assert [backoff.next() for _ in range(3)] == [0, 0, 0]
    assert asked == [(0, FIRST_PAUSE_S)] * 3


async def test_the_same_line_is_logged_seldom_and_different_ones_in_bounded_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    node = Probe("talker", [])
    for _ in range(100):
        node.log_seldom(logging.INFO, "again")
    assert len(caplog.records) == 1
    for number in range(10 * MAX_SELDOM_MESSAGES):
        node.log_seldom(logging.INFO, f"number {number}")
    assert len(caplog.records) == MAX_SELDOM_MESSAGES


async def test_a_state_that_changes_each_second_cannot_flood_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    moment = 1000.0
    monkeypatch.setattr("gateway.runtime.flow.now", lambda: moment)
    node = Probe("flapping", [])
    lines = []
    for minute in range(5):
        before = len(caplog.records)
        for second in range(60):
            moment = 1000.0 + 60 * minute + second
            node.log(logging.INFO, f"telegrams come in {minute}:{second}")
            node.log(logging.WARNING, f"the other end closed {minute}:{second}")
        lines.append(len(caplog.records) - before)
    assert lines[0] <= 40
    assert all(1 <= count <= 4 for count in lines[1:]), lines
    left_out = [int(found[1]) for text in caplog.messages if (found := re.search(r"\(([0-9]+) lines left out\)", text))]
    assert sum(left_out) + len(caplog.records) + node._budget.left_out == 600
    moment += 3600
    for _ in range(BURST_LINES):
        node.log(logging.INFO, "again")
    assert len(caplog.records) == sum(lines) + BURST_LINES


async def test_an_error_is_logged_however_much_was_logged_before(caplog: pytest.LogCaptureFixture) -> None:
    node = Probe("flapping", [])
    for number in range(100):
        node.log(logging.WARNING, f"number {number}")
    node.log(logging.ERROR, "the port is in use")
    assert caplog.messages[-1] == f"node=flapping: the port is in use ({100 - BURST_LINES} lines left out)"


async def test_what_is_kept_for_a_report_has_no_control_characters() -> None:
    node = Probe("meter", [])
    node.log(logging.WARNING, "meter A\x1b[2J")
    assert node.recent_problems[-1][1] == "meter A\\x1b[2J"


@pytest.mark.parametrize("error", [OSError(5, "no such device"), AttributeError("no transport")])
async def test_a_node_that_fails_while_it_stops_is_not_started_again(error: Exception) -> None:
    class Clumsy(Node):
        starts = 0

        async def run(self) -> None:
            self.starts += 1
            self.ready.set()
            try:
                await asyncio.Event().wait()
            finally:
                raise error

    node, stop = Clumsy("clumsy"), asyncio.Event()
    running = asyncio.create_task(Flow([node]).run(stop))
    await asyncio.wait_for(node.ready.wait(), 10)
    stop.set()
    await asyncio.wait_for(running, 10)
    assert node.starts == 1
