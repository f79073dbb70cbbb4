"""Rules of the product, broken on purpose: the simulation has to notice each."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from tests.simulation import world  # noqa: F401 - before anything of the gateway

from gateway.nodes.dsmr_parser import DsmrParser  # isort: skip
from gateway.protocol.fleet.inbox import Inbox, Outcome, Verdict  # isort: skip
from gateway.protocol.fleet.ticks import Ticks  # isort: skip
from gateway.nodes.register_map import RegisterMapNode  # isort: skip
from gateway.protocol.modbus.unit import Unit  # isort: skip
from gateway.protocol.p1.age import meter_clock  # isort: skip
from gateway.protocol.p1.age.display import Display  # isort: skip
from gateway.protocol.p1.age.meter_clock import MeterClock  # isort: skip
from gateway.protocol.p1.age.verdict import Kind  # isort: skip
from gateway.protocol.p1.serving import Serving  # isort: skip
from gateway.protocol.registers.snapshot import SnapshotEncoder  # isort: skip


def _patch(owner: Any, name: str, value: Any) -> None:
    assert hasattr(owner, name), f"{owner.__name__} has no {name}; adapt the mutant to the product"
    setattr(owner, name, value)


def age_by_arrival() -> None:
    """Serve each telegram at once, dated by its arrival."""

    def take(self: Serving, received: Any, *_: Any, **__: Any) -> None:
        self.served = received

    _patch(Serving, "take", take)


def forget_delay() -> None:
    """Show a late telegram without its delay."""
    real = Display.show
    _patch(Display, "show", lambda self, item, kind, _delay=0.0: real(self, item, kind, 0.0))


def believe_the_past() -> None:
    """Show telegrams with lower counters or a clock that goes back, at once."""
    _patch(MeterClock, "_off_track", lambda self, item, *_: self.display.show(item, Kind.FRESH))
    _patch(meter_clock.HighestCounters, "exceed", lambda *_: False)


def forget_texts() -> None:
    """Take a copy for a new telegram, dated by its arrival."""
    _patch(MeterClock, "_copy", lambda self, item, _clock: self.display.show(item, Kind.FRESH))


def confirm_at_once() -> None:
    """Believe another track of the clock at its first telegram."""
    _patch(MeterClock, "_off_track", lambda self, it, *_: self._accept_clock(it, it.clock, it.arrived - it.clock))


def never_confirm() -> None:
    """Never believe a clock that was set."""
    _patch(MeterClock, "_off_track", lambda self, item, *_: meter_clock.Verdict(item.token, Kind.WAITING))


def never_stale() -> None:
    """Serve readings of any age."""
    real = Unit.publish
    _patch(Unit, "publish", lambda self, snapshot, _until: real(self, snapshot, float("inf")))


def date_by_arrival_in_the_map() -> None:
    """Publish with the moment of arrival in place of that of the measurement."""
    real = RegisterMapNode.receive

    def receive(self: RegisterMapNode, received: Any) -> None:
        real(self, received and received._replace(measured=received.arrived))

    _patch(RegisterMapNode, "receive", receive)


def tear_a_snapshot() -> None:
    """Encode a part of the registers from the telegram before."""
    real = SnapshotEncoder.encode
    turns = count()

    def encode(self: SnapshotEncoder, values: Any, before: Any = None) -> Any:
        if before is not None and next(turns) % 7 == 0:
            values = {**values, "energy_import": before.values.get("energy_import")}
        return real(self, values, before)

    _patch(SnapshotEncoder, "encode", encode)


def swap_two_telegrams() -> None:
    """Publish the telegram before in place of every tenth."""
    real = DsmrParser._serve
    kept: list[Any] = []

    def serve(self: DsmrParser) -> None:
        real(self)
        kept.append(self._meter.serving.served)
        if len(kept) % 10 == 0:
            for receive in self.readings.receivers:
                receive(kept[-2])

    _patch(DsmrParser, "_serve", serve)


def forget_ticks() -> None:
    """Take each message as if it had been sent when it arrived."""
    _patch(Inbox, "_judge", lambda _self, incoming, _ticks: Verdict(Outcome.USED, incoming.arrived))


def believe_ticks_of_others() -> None:
    """Take any tick for the newest of this gateway."""
    _patch(Ticks, "moment_of", lambda self, ticks: max(self._moments.values(), default=None) if ticks else None)


MUTANTS: dict[str, Callable[[], None]] = {
    rule.__name__: rule
    for rule in (
        age_by_arrival,
        forget_delay,
        believe_the_past,
        forget_texts,
        confirm_at_once,
        never_confirm,
        never_stale,
        date_by_arrival_in_the_map,
        tear_a_snapshot,
        swap_two_telegrams,
        forget_ticks,
        believe_ticks_of_others,
    )
}
