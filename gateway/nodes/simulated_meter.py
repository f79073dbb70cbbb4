"""Simulated meter: a household's telegrams without a household.

Out: bytes with their moment of arrival.
"""

from __future__ import annotations

import asyncio

from gateway.clock import now, unix_now
from gateway.flow import ByteSink, Colour, Mark, Node
from gateway.protocol.meter import Meter
from gateway.protocol.simulation import SimulatedMeter as Household


class SimulatedMeter(Node):
    """Sends telegrams at the cadence of a version."""

    kind = "simulated meter"
    reads_meter = True

    def __init__(self, name: str, meter: Meter, dsmr_version: str, cadence_s: float, out: ByteSink) -> None:
        super().__init__(name)
        self._meter = meter
        self._household = Household(dsmr_version)
        self._cadence_s = cadence_s
        self.outputs = [out]

    async def run(self) -> None:
        """Send until cancelled."""
        self.show(Colour.BLUE, Mark.DOT, "demo")
        self._meter.is_connected = True
        self.ready.set()
        while True:
            telegram = self._household.telegram(int(unix_now()))
            for output in self.outputs:
                output.receive(telegram, now())
            await asyncio.sleep(self._cadence_s)
