"""Register map: turns each telegram's readings into the registers of one unit id.

In: readings. Out: snapshots of all registers, each of which replaces the one before.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from gateway.protocol.freshness import fresh_until
from gateway.protocol.modbus.unit import OnStale, Unit
from gateway.protocol.p1.guards import PHASES_KEPT_S
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.readings import Readings
from gateway.protocol.p1.serving import Received
from gateway.protocol.registers.snapshot import Snapshot
from gateway.runtime.clock import now
from gateway.runtime.flapping import Flapping
from gateway.runtime.flow import Details, Node
from gateway.runtime.output import Output
from gateway.runtime.status import Colour, Mark
from gateway.runtime.ticking import Rest, look_each

TICK_S = 1.0
AFTER_LIMIT_S = 0.005
"""Time after the limit at which readings are looked at: timers of the event loop may be early by a clock's tick."""
_IDENTITY = ("identification", "equipment_identifier")
"""Readings that tell one meter from another."""
WHEN_STALE = {
    OnStale.EXCEPTION: "a read of them gets exception 0x0B",
    OnStale.SILENT: "a read of them gets no response",
    OnStale.ABSENT: "their registers hold the codes for absent",
    OnStale.HOLD: "clients still get the old values (on_stale: hold)",
}
"""Text of the log for what clients get while readings are stale."""


class SnapshotSink(Protocol):
    """A receiver of snapshots."""

    def publish(self, snapshot: Snapshot, fresh_until: float) -> None:
        """Replace the registers; they are stale after the moment `fresh_until` of the gateway's clock."""

    def withdraw(self) -> None:
        """Remove the registers: nothing may be served."""


class RegisterMapNode(Node):
    """The source of one unit's registers."""

    kind = "register map"

    def __init__(self, name: str, meter: MeterState, unit: Unit, stale_after_s: float | None) -> None:
        """Make the registers of a unit.

        Args:
            name: the node's name.
            meter: the meter that the readings come from.
            unit: the unit whose register map is used, and whose state is shown.
            stale_after_s: age in seconds beyond which the registers are stale; None for the meter's own limit.

        """
        super().__init__(name)
        self._meter = meter
        self._unit = unit
        self.snapshots: Output[SnapshotSink] = Output(self)
        self._stale_after_s = stale_after_s
        self._newest: Snapshot | None = None
        self._measured = 0.0
        """Moment at which the meter wrote the telegram of the newest snapshot."""
        self._draft: Snapshot | None = None
        """Snapshot of readings that may be served next."""
        self._is_stale: bool | None = None
        """None until the readings have been fresh."""
        self._flapping = Flapping()
        self._rest = Rest(meter.when_connected)
        self._limit_timer: asyncio.TimerHandle | None = None
        self._unfit: tuple[str, ...] = ()
        self._lacking: list[str] = []
        self._most_present = 0
        self.unfit = 0
        """Number of values that did not fit their register, in all telegrams."""

    def details(self) -> Details:
        """Return the map, and how many of its registers have a value."""
        register_map = self._unit.register_map
        return {
            "map": register_map.name,
            "title": register_map.title,
            "registers": len(register_map.registers),
            "registers_present": self._newest.present if self._newest else None,
            "values_clamped": self.unfit,  # most of these values are absent, others are clamped
            "on_stale": self._unit.on_stale.value,
        }

    def prepare(self, readings: Readings) -> None:
        """Make the snapshot of readings that may be served next, so that little work is left when they are."""
        self._draft = self._unit.register_map.readings.encode(readings.values, self._newest)

    def receive(self, received: Received | None) -> None:
        """Make a snapshot of a telegram's readings; None withdraws the registers."""
        if received is None:
            self._withdraw()
            return
        values = received.readings.values
        register_map, newest = self._unit.register_map, self._newest
        lacking = register_map.lacking(values)
        if newest and register_map.conditions and not (lacking or newest.values.keys() <= values.keys()):
            lacking = self._vanished(received, newest)
        if lacking != self._lacking:
            self._lacking = lacking
            if lacking:
                what = "a telegram is not served, because it lacks"
                self.log(logging.WARNING, f"{what} {', '.join(lacking)}", alike=f"{what} readings")
        if lacking:
            if newest and newest.values.get("identification") != values.get("identification"):
                # The registers show another meter, not an older state of this one.
                self._withdraw()
            return
        draft, self._draft = self._draft, None
        if draft is None or draft.values is not values:
            draft = register_map.readings.encode(values, newest)
        snapshot = self._newest = draft
        self._measured = received.measured
        self._publish(snapshot, received.measured)
        self.unfit += len(snapshot.unfit)
        self._most_present = max(self._most_present, snapshot.present)
        if snapshot.unfit != self._unfit:
            self._unfit = snapshot.unfit
            if snapshot.unfit:
                what = "values do not fit their registers"
                self.log(logging.WARNING, f"{what}: {', '.join(snapshot.unfit)}", alike=what)

    def _vanished(self, received: Received, newest: Snapshot) -> list[str]:
        """Return the readings of phases that the meter sent until a moment ago, if the telegram has none of them.

        The map would show zeros or codes for these phases, and a charger would take them for idle ones.
        """
        if received.measured - self._measured > PHASES_KEPT_S:
            return []
        values, before = received.readings.values, newest.values
        vanished = self._unit.register_map.vanished(values, before)
        is_other = vanished and any(before.get(name) != values.get(name, before.get(name)) for name in _IDENTITY)
        return [] if is_other else vanished

    def _publish(self, snapshot: Snapshot, measured: float) -> None:
        stale_after = self._meter.stale_after_s if self._stale_after_s is None else self._stale_after_s
        for sink in self.snapshots.receivers:
            sink.publish(snapshot, fresh_until(measured, stale_after))
        if self._is_stale:
            self._note_freshness(now())

    def _withdraw(self) -> None:
        self._newest = None
        for sink in self.snapshots.receivers:
            sink.withdraw()

    async def run(self) -> None:
        """Keep the status current until cancelled."""
        self.show(Colour.GREY, Mark.RING, "no-readings-yet")
        self.ready.set()
        try:
            await look_each(TICK_S, self._look, rest=self._rest)
        finally:
            if self._limit_timer:
                self._limit_timer.cancel()

    def _look(self, moment: float) -> None:
        self._note_freshness(moment)
        self._show(moment)
        left = self._unit.fresh_until - moment
        if left < 0 and self._meter.is_offline(moment):
            self._rest.begin()
        elif 0 <= left < TICK_S:
            # The limit is before the next look: the log has the time of the limit.
            loop = asyncio.get_running_loop()
            self._limit_timer = loop.call_later(left + AFTER_LIMIT_S, lambda: self._note_freshness(now()))

    def _note_freshness(self, moment: float) -> None:
        """Log when readings become stale, and when they are fresh again."""
        is_stale = not self._unit.is_fresh(moment)
        if is_stale and self._is_stale is False:
            on_stale = self._unit.on_stale
            if on_stale is OnStale.HOLD and self._unit.snapshot is None:
                on_stale = OnStale.EXCEPTION  # the values are withdrawn
            if (note := self._flapping.note_loss(moment)) is not None:
                text = f"the readings are stale: {WHEN_STALE[on_stale]}"
                self.log(logging.WARNING, f"{text}{note}", alike=text)
        elif self._is_stale and not is_stale and not self._flapping.is_damped:
            self.log(logging.INFO, "the readings are fresh again")
        elif not is_stale and (text := self._flapping.settle(moment)):
            self.log(logging.INFO, f"fresh readings: {text}", alike="fresh readings again without interruption")
        if self._is_stale is not None or not is_stale:
            self._is_stale = is_stale

    def _show(self, moment: float) -> None:
        if self._unit.shows_test_pattern:
            self.show(Colour.BLUE, Mark.DOT, "test-pattern")
            return
        snapshot, served = self._unit.snapshot, self._meter.served
        if served is None:
            if snapshot is None and self._meter.newest:
                self.show(Colour.YELLOW, Mark.RING, "not-served-yet")
            return
        if snapshot and not self._unit.is_fresh(moment):
            self.show(Colour.RED, Mark.DOT, "stale", seconds=round(moment - served.measured))
        elif self._lacking or snapshot is None:
            self.show(Colour.YELLOW, Mark.RING, "lacking", readings=", ".join(self._lacking))
        elif snapshot.unfit:
            count = len(snapshot.unfit)
            self.show(Colour.YELLOW, Mark.DOT, "some-unfit" if count > 1 else "one-unfit", count=count)
        # No meter sends every reading of a map. A reading is missing only if the meter sent it before.
        elif missing := self._most_present - snapshot.present:
            self.show(Colour.YELLOW, Mark.RING, "some-absent", count=missing, total=self._most_present)
        else:
            self.show(Colour.GREEN, Mark.DOT, "all-present", count=snapshot.present)
