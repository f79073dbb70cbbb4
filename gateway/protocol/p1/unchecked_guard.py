"""Guards of meters without a checksum: a power or a tariff that one wrong digit may have made.

Without a checksum a digit may change on the line, and the number still looks like one. The rest of the telegram shows
most of that:

- A meter sends either import or export, or zero for both.
- The powers of the phases add up to the total, for a meter that sends them. One wrong digit changes the sum.
- Otherwise a power that changed by more than `JUMP_W` must show in the counters: P kW raise a counter by P/0.36 Wh in
  10 s. A change just before the telegram does not show there yet. So what is not shown is withheld for one telegram,
  and accepted when the next one has about the same power.
- A tariff must have a counter.

A value that comes in two telegrams in a row is accepted, so that an unusual meter is not withheld for ever.
"""

from __future__ import annotations

from decimal import Decimal

from gateway.protocol.p1.derived import PHASES, TARIFFS
from gateway.protocol.p1.doubt import Doubt, Withheld
from gateway.protocol.p1.readings import Readings
from gateway.protocol.p1.signs import step_of

JUMP_W = Decimal(500)
"""Change of the net power that is accepted without a second sign."""
SAME_SHARE = Decimal("0.1")
"""Share of a large power by which two telegrams of the same power may differ."""
JITTER_SHARE = Decimal("0.05")
"""Share by which the mean power from the counters may be wrong, because a telegram may arrive late."""
SUM_TOLERANCE_W = Decimal(30)
"""Largest difference between a total and the sum of its phases, from rounding to 10 W each."""

_TOTALS = ("power_import", "power_export", "power_net")
_POWERS = frozenset({name + suffix for name in _TOTALS for suffix in ("", *(f"_l{phase}" for phase in PHASES))})
_COUNTERS = {way: (f"energy_{way}", *(f"energy_{way}_t{n}" for n in TARIFFS)) for way in ("import", "export")}


class UncheckedGuard:
    """The power and the tariff of one meter without checksum."""

    def __init__(self) -> None:
        self._accepted: Decimal | None = None
        """Net power of the last telegram with an accepted power, in W."""
        self._doubted: tuple[Decimal, Doubt] | None = None
        self._adds_up = False
        self._before: Readings | None = None
        self._before_at = 0.0

    def judge(self, readings: Readings, arrived: float) -> list[Withheld]:
        """Return the lines that are withheld: all powers, or the tariff.

        Args:
            readings: the readings of a telegram of this meter.
            arrived: its arrival on the monotonic clock, in seconds.

        """
        withheld = _judge_tariff(readings)
        net, accepted = _net(readings, ""), self._accepted
        if net is not None:
            doubt = self._doubt(readings, net, arrived)
            before, self._doubted = self._doubted, (net, doubt) if doubt else None
            if before and before[1] is doubt and _is_same(before[0], net):
                doubt = None
            if doubt and accepted is not None:
                names = {line.name for line in readings.lines if line.name in _POWERS and line.value is not None}
                withheld += [Withheld(name, doubt, accepted, readings.values.get(name), "W") for name in sorted(names)]
            if doubt is None or accepted is None:
                self._accepted = net
        self._before, self._before_at = readings, arrived
        return withheld

    def _doubt(self, readings: Readings, net: Decimal, arrived: float) -> Doubt | None:
        """Return the reason not to believe a net power, or None."""
        values, old = readings.values, self._accepted
        if _positive(values.get("power_import")) and _positive(values.get("power_export")):
            return Doubt.TWO_WAYS
        phases = [_net(readings, f"_l{phase}") for phase in PHASES]
        known = [phase for phase in phases if phase is not None]
        if known:
            # Some meters send the amount of the total or of the phases.
            added_up, self._adds_up = self._adds_up, abs(abs(sum(known, Decimal(0))) - abs(net)) <= SUM_TOLERANCE_W
            if self._adds_up:
                return None
            if added_up:
                return Doubt.PHASES
        if old is None or abs(net - old) <= JUMP_W or self._counters_show(readings, old, net, arrived):
            return None
        return Doubt.JUMPED

    def _counters_show(self, readings: Readings, old: Decimal, net: Decimal, arrived: float) -> bool:
        """Return True when the counters show that the power changed from `old` towards `net`."""
        elapsed_s = Decimal(arrived - self._before_at)
        if self._before is None or elapsed_s <= 0:
            return False
        imported, exported = (_rise(self._before, readings, way) for way in ("import", "export"))
        if imported is None and exported is None:
            return False
        rise, step = (imported or _NO_RISE)[0] - (exported or _NO_RISE)[0], (imported or exported or _NO_RISE)[1]
        mean = 3600 * rise / elapsed_s
        unsure = 3600 * step / elapsed_s + JITTER_SHARE * abs(old)
        change = mean - old if net > old else old - mean
        return unsure < change <= abs(net - old) + unsure


_NO_RISE = Decimal(0), Decimal(0)


def _judge_tariff(readings: Readings) -> list[Withheld]:
    tariff = readings.values.get("tariff")
    counters = {n for n in TARIFFS if f"energy_import_t{n}" in readings.values}
    if tariff is None or not counters or tariff in counters:
        return []
    return [Withheld("tariff", Doubt.TARIFF, None, tariff)]


def _net(readings: Readings, suffix: str) -> Decimal | None:
    """Return the net power of a phase, or of all, as the lines of a telegram have it; None without a line."""
    values = readings.values
    net = values.get(f"power_net{suffix}")
    if isinstance(net, Decimal):
        return net
    imported, exported = values.get(f"power_import{suffix}"), values.get(f"power_export{suffix}")
    if not isinstance(imported, Decimal) and not isinstance(exported, Decimal):
        return None
    return _number(imported) - _number(exported)


def _number(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(0)


def _positive(value: object) -> bool:
    return isinstance(value, Decimal) and value > 0


def _is_same(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= max(JUMP_W, SAME_SHARE * abs(other))


def _rise(before: Readings, after: Readings, way: str) -> tuple[Decimal, Decimal] | None:
    """Return the rise of the counters of a way in Wh and the step of their last digit; None without counters."""
    for names in (_COUNTERS[way][:1], _COUNTERS[way][1:]):
        pairs = [(before.values.get(name), after.values.get(name)) for name in names]
        known = [(a, b) for a, b in pairs if isinstance(a, Decimal) and isinstance(b, Decimal)]
        if known:
            return sum((b - a for a, b in known), Decimal(0)), step_of(known[0][1])
    return None
