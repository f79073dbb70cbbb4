"""Register map: turns each telegram's readings into the registers of one unit id.

In: readings. Out: the unit's snapshot, swapped whole.
"""

from __future__ import annotations

import asyncio
import logging

from gateway.protocol.freshness import fresh_until
from gateway.protocol.modbus.unit import Unit
from gateway.protocol.p1.meter import MeterState, Received
from gateway.protocol.registers.snapshot import Snapshot
from gateway.runtime.clock import now
from gateway.runtime.flow import Details, Node
from gateway.runtime.status import Colour, Mark

TICK_S = 1.0


class RegisterMapNode(Node):
    """Feeds one unit id."""

    kind = "register map"

    def __init__(self, name: str, meter: MeterState, unit: Unit, stale_after_s: float | None) -> None:
        """Feed a unit.

        Args:
            name: the node's name.
            meter: where the readings come from.
            unit: what to fill.
            stale_after_s: age beyond which the unit's registers are stale; None for the meter's own.

        """
        super().__init__(name)
        self._meter = meter
        self._unit = unit
        self._stale_after_s = stale_after_s
        self._newest: Snapshot | None = None
        self._clamped: tuple[str, ...] = ()
        self._lacking: list[str] = []
        self._most_present = 0
        self.clamped = 0

    def details(self) -> Details:
        """The map, and how its registers fare."""
        register_map = self._unit.register_map
        return {
            "map": register_map.name,
            "title": register_map.title,
            "registers": len(register_map.registers),
            "registers_present": self._newest.present if self._newest else None,
            "values_clamped": self.clamped,
            "on_stale": self._unit.on_stale.value,
        }

    def receive(self, received: Received) -> None:
        """Take a telegram's readings."""
        values = received.readings.values
        lacking = self._unit.register_map.lacking(values)
        if lacking != self._lacking:
            self._lacking = lacking
            if lacking:
                self.log(logging.WARNING, f"a telegram is not shown, since it does not tell {', '.join(lacking)}")
        if lacking:
            if self._newest and self._newest.values.get("identification") != values.get("identification"):
                # What is there is not an older number of this meter but another meter's.
                self._newest = None
                self._unit.withdraw()
            return
        snapshot = self._newest = self._unit.register_map.readings.encode(values, self._newest)
        stale_after = self._meter.stale_after_s if self._stale_after_s is None else self._stale_after_s
        self._unit.publish(snapshot, fresh_until(received.arrived, stale_after))
        self.clamped += len(snapshot.clamped)
        self._most_present = max(self._most_present, snapshot.present)
        if snapshot.clamped != self._clamped:
            self._clamped = snapshot.clamped
            if snapshot.clamped:
                self.log(logging.WARNING, f"limited to the range of their registers: {', '.join(snapshot.clamped)}")

    async def run(self) -> None:
        """Keep the status true."""
        self.show(Colour.GREY, Mark.RING, "no-readings-yet")
        self.ready.set()
        while True:
            await asyncio.sleep(TICK_S)
            self._show(now())

    def _show(self, moment: float) -> None:
        if self._unit.shows_test_pattern:
            self.show(Colour.BLUE, Mark.DOT, "test-pattern")
            return
        snapshot, newest = self._unit.snapshot, self._meter.newest
        if newest is None:
            return
        if snapshot and not self._unit.is_fresh(moment):
            self.show(Colour.RED, Mark.DOT, "stale", seconds=round(moment - newest.arrived))
        elif self._lacking or snapshot is None:
            self.show(Colour.YELLOW, Mark.RING, "lacking", readings=", ".join(self._lacking))
        # No meter sends all that a map has room for: what it once sent and does not now is what is missing.
        elif missing := self._most_present - snapshot.present:
            self.show(Colour.YELLOW, Mark.RING, "some-absent", count=missing, total=self._most_present)
        else:
            self.show(Colour.GREEN, Mark.DOT, "all-present", count=snapshot.present)
