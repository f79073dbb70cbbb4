"""Simulated meter: sends the telegrams of an invented household, or those of a capture.

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
    """A source of simulated bytes, which come as fast as on a real line."""

    kind = "simulated meter"
    reads_meter = True

    def __init__(self, name: str, meter: MeterState, simulate: Callable[[], Iterator[Piece]]) -> None:
        """Send the pieces that `simulate` returns; it takes a while and is called in a thread."""
        super().__init__(name)
        self._meter = meter
        self._simulate = simulate
        self.line_bytes: Output[ByteSink] = Output(self)

    async def run(self) -> None:
        """Send until cancelled."""
        self.show(Colour.BLUE, Mark.DOT, "demo")
        self._meter.note_line(is_open=True)
        self.ready.set()
        pieces = await asyncio.to_thread(self._simulate)
        due = now()
        for data, pause in pieces:
            moment = now()
            for sink in self.line_bytes.receivers if data else ():
                sink.receive(data, moment)
            # After a suspend, the telegrams that were missed are not sent.
            due = max(due + pause, moment)
            await asyncio.sleep(due - moment)
