"""Guards: checks of values over time, for every meter, with a checksum or without.

An implausible reading is withheld: its line has no value, and neither has any reading that is derived from
it. The rest of the telegram is used. The guards keep the state of two meters at most, because two may send on one
line; nothing is compared across them. `counter_guard` judges counters, `live_channel` chooses between M-Bus meters,
`twins` tells meters of the same identity apart, and `unchecked_guard` judges what one wrong digit may do to a telegram
without checksum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from gateway.protocol.p1.counter_guard import CounterGuard
from gateway.protocol.p1.demand_history import month_of
from gateway.protocol.p1.derive import OTHER_PHASES, POWERS_L1
from gateway.protocol.p1.doubt import Doubt, Withheld
from gateway.protocol.p1.live_channel import LiveChannels
from gateway.protocol.p1.names import sources
from gateway.protocol.p1.readings import Readings
from gateway.protocol.p1.telegram import Telegram
from gateway.protocol.p1.twins import Twins
from gateway.protocol.p1.unchecked_guard import UncheckedGuard

METERS_KEPT = 2
"""Number of meters on one line whose state is kept."""
PHASES_KEPT_S = 600.0
"""Time for which a meter that has sent several phases has to send none of L2 and L3 before it counts as one with one
phase."""


class _Meter:
    """The guards of one meter."""

    def __init__(self) -> None:
        self.counters = CounterGuard()
        self.channels = LiveChannels()
        self.unchecked = UncheckedGuard()
        self.phases = _Phases()


class _Phases:
    """The phases of one meter: whether it has sent L2 or L3 a while ago, and its newest telegram has neither.

    The total is the power of L1 for a meter with one phase only (`derive`).
    """

    def __init__(self) -> None:
        self._codes: frozenset[str] | None = None
        self._has_others = False
        """True if the telegrams with these codes have L2 or L3."""
        self._had_others_at = float("-inf")

    def judge(self, readings: Readings, arrived: float) -> Readings:
        """Return the readings, without a power of L1 that is the total of all phases."""
        if readings.codes is not self._codes:
            self._codes = readings.codes
            self._has_others = not OTHER_PHASES.isdisjoint(line.name for line in readings.lines)
        if self._has_others:
            self._had_others_at = arrived
            return readings
        has_one = arrived - self._had_others_at > PHASES_KEPT_S
        if has_one or not POWERS_L1.isdisjoint(line.name for line in readings.lines):
            return readings
        values = {name: value for name, value in readings.values.items() if name not in _FROM_TOTAL}
        return readings.with_values(values, {name: unit for name, unit in readings.units.items() if name in values})


_FROM_TOTAL = frozenset({"power_net_l1", "current_signed_l1"})


class Guards:
    """The guards of one line, and the number of readings that they withheld."""

    def __init__(self) -> None:
        self.withheld: Counter[Doubt] = Counter()
        """Number of readings that were withheld, each telegram counted, by reason."""
        self._meters: dict[str, _Meter] = {}
        self._identity = ""
        self.suffix = ""
        """Suffix that tells the meter of the newest telegram from another one of the same identity (`twins`)."""
        self._twins: dict[str, Twins] = {}

    def judge(self, telegram: Telegram, readings: Readings, arrived: float) -> tuple[Readings, tuple[Withheld, ...]]:
        """Return the plausible readings, and the list of those that are withheld.

        Args:
            telegram: an accepted telegram.
            readings: its readings.
            arrived: its arrival on the monotonic clock, in seconds.

        """
        identity = identity_of(readings)
        twins = self._twins_of(identity)
        meter = self._of(identity + twins.assign(readings, arrived))
        readings = meter.phases.judge(meter.channels.choose(readings, arrived), arrived)
        withheld = meter.counters.judge(telegram, readings, arrived)
        twins.note(readings, withheld, arrived)
        self.suffix = twins.suffix
        if not telegram.checked:
            withheld += meter.unchecked.judge(readings, arrived)
        if "demand_peak_time" in readings.values:
            withheld += _past_peak(readings)
        if not withheld:
            return readings, ()
        self.withheld.update(item.doubt for item in withheld)
        return withhold(readings, {item.name: item.doubt for item in withheld}), tuple(withheld)

    def _twins_of(self, identity: str) -> Twins:
        twins = self._twins.get(identity)
        if twins is None:
            if len(self._twins) >= METERS_KEPT:
                del self._twins[next(iter(self._twins))]
            twins = self._twins[identity] = Twins()
        return twins

    def _of(self, identity: str) -> _Meter:
        if identity != self._identity or not self._meters:
            meter = self._meters.pop(identity, None) or _Meter()
            if len(self._meters) >= METERS_KEPT:
                del self._meters[next(iter(self._meters))]
            self._meters[identity], self._identity = meter, identity
        return self._meters[identity]


def _past_peak(readings: Readings) -> list[Withheld]:
    """Return the highest demand of this month if it is that of an earlier month.

    Some meters send it for an hour, or longer, after the month has ended. A client that may draw as much as the
    highest demand of this month would make the next one with it.
    """
    values = readings.values
    clock, time, peak = values.get("clock"), values["demand_peak_time"], values.get("demand_peak")
    if not isinstance(clock, int) or not isinstance(time, int):
        return []
    # The time of a peak is the end of its quarter of an hour. Without a peak, it is the begin of the month.
    if month_of(time - 1 if peak else time) >= month_of(clock):
        return []
    return [Withheld("demand_peak", Doubt.PAST_MONTH, None, peak, "W")]


def identity_of(readings: Readings) -> str:
    """Return what a telegram's meter is known by: its equipment identifier, or else the identification."""
    return str(readings.values.get("equipment_identifier") or readings.identification)


def withhold(readings: Readings, reasons: Mapping[str, str]) -> Readings:
    """Return the readings without those in `reasons` and without all that is derived from them.

    Args:
        readings: the readings of a telegram.
        reasons: name of a line's reading → why it is withheld, which becomes the error of the line.

    """
    with_value = {line.name for line in readings.lines if line.value is not None}
    gone = {name for name in readings.values if not sources(name, readings, with_value).isdisjoint(reasons)}
    values = {name: value for name, value in readings.values.items() if name not in gone}
    units = {name: unit for name, unit in readings.units.items() if name not in gone}
    lines = tuple(
        line._replace(value=None, time=None, base_value=None, base_unit=None, error=f"withheld: {reasons[line.name]}")
        if line.name in reasons
        else line
        for line in readings.lines
    )
    return readings.with_values(values, units)._replace(lines=lines)
