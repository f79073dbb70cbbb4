"""Simulated meter: a household's telegrams without a household, or a capture's without its meter.

Out: bytes with their moment of arrival.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from gateway.protocol.p1.meter import MeterState
from gateway.runtime.clock import now
from gateway.runtime.flow import Node
from gateway.runtime.output import ByteSink, Output
from gateway.runtime.status import Colour, Mark
from gateway.simulation.feed import Piece


class SimulatedMeterNode(Node):
    """Sends what a simulated line brings, at its pace."""

    kind = "simulated meter"
    reads_meter = True

    def __init__(self, name: str, meter: MeterState, simulate: Callable[[], Iterator[Piece]]) -> None:
        """Send what `simulate` gives; making it takes a while, so that a thread does."""
        super().__init__(name)
        self._meter = meter
        self._simulate = simulate
        self.line_bytes: Output[ByteSink] = Output(self)

    async def run(self) -> None:
        """Send until cancelled."""
        self.show(Colour.BLUE, Mark.DOT, "demo")
        self._meter.is_connected = True
        self.ready.set()
        pieces = await asyncio.to_thread(self._simulate)
        due = now()
        for data, pause in pieces:
            moment = now()
            for sink in self.line_bytes.receivers if data else ():
                sink.receive(data, moment)
            # A machine that was suspended sends nothing twice to catch up.
            due = max(due + pause, moment)
            await asyncio.sleep(due - moment)
