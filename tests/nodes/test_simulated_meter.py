"""A simulated meter sends telegrams that the parser believes, at its version's pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from gateway.nodes.dsmr_parser import DsmrParser
from gateway.nodes.simulated_meter import SimulatedMeterNode
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.status_values import status_values
from gateway.protocol.p1.variants import VARIANTS
from gateway.runtime.clock import now, unix_now
from gateway.simulation.feed import Piece, live_telegrams
from gateway.simulation.forms import simulated_meter, simulated_versions
from tests.simulation.test_forms import TAKEN_FOR
from tests.waiting import until


class Sink:
    """Notes what it gets."""

    def __init__(self) -> None:
        self.telegrams: list[tuple[bytes, float]] = []

    def receive(self, data: bytes, arrived: float) -> None:
        self.telegrams.append((data, arrived))

    def line_lost(self) -> None:
        raise AssertionError("a simulated line is never lost")


def simulate(version: str, cadence_s: float) -> Callable[[], Iterator[Piece]]:
    meter = simulated_meter(version)
    return lambda: live_telegrams(meter, unix_now, cadence_s)


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("version", simulated_versions())
async def test_what_it_sends_is_believed_and_shows_its_version(version: str) -> None:
    meter = MeterState("m", None, is_simulated=True)
    parser = DsmrParser("m/parser", meter, gap_s=1.0)
    node = SimulatedMeterNode("m/port", meter, simulate(version, 0.01))
    node.line_bytes.connect(parser, parser)
    task = asyncio.create_task(node.run())
    await until(lambda: meter.accepted >= 5)
    await end(task)
    assert meter.refused.total() == meter.line_errors == 0
    assert meter.newest is not None
    assert meter.newest.variant is VARIANTS[TAKEN_FOR.get(version, version)]


async def test_it_says_that_it_is_no_meter_and_sends_at_once_and_then_at_its_pace() -> None:
    meter, sink = MeterState("m", None, is_simulated=True), Sink()
    node = SimulatedMeterNode("m/port", meter, simulate("5", 0.1))
    node.line_bytes.connect(node, sink)
    assert not meter.is_connected
    begun = now()
    task = asyncio.create_task(node.run())
    await until(lambda: sink.telegrams)
    assert now() - begun < 0.1
    assert node.ready.is_set()
    assert str(node.status) == "blue dot: demo"
    assert meter.is_connected
    assert status_values(meter, now())["gateway_simulated"] == 1
    await until(lambda: len(sink.telegrams) == 4)
    await end(task)
    moments = [arrived for _, arrived in sink.telegrams]
    assert all(later - earlier >= 0.09 for earlier, later in pairwise(moments))


async def test_every_output_gets_the_same_telegrams() -> None:
    sinks = [Sink(), Sink()]
    node = SimulatedMeterNode("m/port", MeterState("m", None), simulate("5", 0.01))
    for sink in sinks:
        node.line_bytes.connect(node, sink)
    task = asyncio.create_task(node.run())
    await until(lambda: len(sinks[1].telegrams) >= 3)
    await end(task)
    assert [data for data, _ in sinks[0].telegrams] == [data for data, _ in sinks[1].telegrams]
