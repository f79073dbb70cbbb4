"""Withholds counters that fall or leap until the same meter has sent them twice in a row.

A valid checksum proves only that a number arrived as it was sent. Some meters send a counter as 0 or 999999.999 in
one telegram, and the old value in the next one. A counter only rises, and only as fast as the connection can carry
since its last accepted value. The guard withholds any other value. If the next measurement continues that value, the
meter was replaced or set, and the value is accepted. If it continues the last accepted value, the other one was
wrong.

Some meters write new counters only once in ten seconds or in a quarter of an hour, and telegrams more often. So a rise
may also be as large as the energy that the powers show since a counter of the meter last moved.

The value of an M-Bus meter comes in each telegram of an hour, but was measured once. It counts as a second
measurement only with a newer time stamp. Counters of different meters are not compared: a new equipment identifier is
a new counter. It is accepted when two telegrams in a row have that identifier.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import compress, count
from operator import attrgetter

from gateway.protocol.p1.doubt import Doubt, Withheld
from gateway.protocol.p1.obis import ENTRIES, MBUS_CHANNELS, Value
from gateway.protocol.p1.reading import Reading
from gateway.protocol.p1.readings import Readings
from gateway.protocol.p1.signs import step_of
from gateway.protocol.p1.telegram import Telegram

CONNECTION_W = Decimal(60_000)
"""Largest power of a connection without current transformers: 3 x 80 A at 250 V."""
POWER_MARGIN = Decimal("1.5")
"""Largest power between two telegrams, as a multiple of the powers that they contain."""
VOLTAGE_V = Decimal(250)
"""Voltage at which a fuse limit in ampere becomes a power."""
MAX_FUSE_A = Decimal(400)
"""Largest fuse limit, in ampere. A meter without a limit sends 999 A."""
MAX_PER_HOUR = {"Wh": CONNECTION_W, "varh": CONNECTION_W, "m3": Decimal(100), "J": Decimal(3_600_000_000)}
"""Unit of a counter → its largest rise per hour: 100 m3 of gas or water, and 1 MW of heat."""
SLACK = {"Wh": Decimal(17), "varh": Decimal(17), "m3": Decimal(1), "J": Decimal(500_000_000)}
"""Unit of a counter → rise that is always accepted. For energy it is what the connection carries in one second: a
counter and a time stamp may be a second apart."""
UNKNOWN_LAG_S = 10.0
"""Time in seconds for which a counter may stand although energy flows, for a meter that sends no power."""
STEPS = 2
"""Number of steps of the last digit that rounding may add."""
LATE_S = 3600.0
"""Seconds by which a measurement may be older than its arrival: M-Bus meters are read at least once an hour."""
METERS_KEPT = 2
"""Number of meters per M-Bus channel whose counters are kept: the present one and the one before."""

MBUS_COUNTERS = {f"mbus{n}_reading": f"mbus{n}_identifier" for n in MBUS_CHANNELS}
"""Counter of an M-Bus channel → the name of its meter's identifier."""
_MBUS_TYPES = {f"mbus{n}_reading": f"mbus{n}_type" for n in MBUS_CHANNELS}
"""Counter of an M-Bus channel → the name of its meter's device type."""
COUNTERS = frozenset({entry.name for entry in ENTRIES.values() if entry.unit in ("Wh", "varh")} | MBUS_COUNTERS.keys())
"""Names of the counters."""

_POWERS = ("power_import", "power_export", "power_net", "apparent_power_import", "apparent_power_export")
_FUSES = ("fuse_limit_l1", "fuse_limit_l2", "fuse_limit_l3")
_WHOLE_DIGITS = re.compile(r"\(-?([0-9]+)(?:\.[0-9]+)?(?:\*\w+)?\)[\r\n]*\Z")


@dataclass(slots=True)
class _Counter:
    """The last accepted value of one counter of one meter, and the value in doubt."""

    line: Reading
    """Newest line that was accepted."""
    accepted_at: float
    """Arrival of the last telegram with the accepted value; for M-Bus, of the first telegram with it."""
    doubted: Reading | None = None
    doubted_at: float = 0.0


_MbusMeter = tuple[Value | None, Value | None]
"""Identifier and device type of an M-Bus meter; None for one that the telegram does not have."""


class CounterGuard:
    """The counters of one electricity meter and of the M-Bus meters behind it."""

    def __init__(self) -> None:
        self._counters: dict[str, _Counter] = {}
        self._mbus: dict[str, dict[_MbusMeter, _Counter]] = {}
        self._on_channel: dict[str, tuple[_MbusMeter, _Counter]] = {}
        """Counter of an M-Bus channel → the meter that is on it now, and its state."""
        self._new_on_channel: dict[str, tuple[_MbusMeter, bytes]] = {}
        """Counter of an M-Bus channel → another meter, and the telegram that had it."""
        self._codes: frozenset[str] = frozenset()
        self._lines_of_counters: list[int] = []
        """Numbers of the lines of a telegram with these codes that are counters."""
        self._before: Readings | None = None
        self._before_telegram: Telegram | None = None
        self._before_at = 0.0
        self._before_w = 0.0
        """Largest power of the telegram before."""
        self._carried_wh = 0.0
        """Largest energy that the powers show since a counter last moved."""
        self._has_moved = False
        """True if the telegram before moved a counter of energy."""

    def judge(self, telegram: Telegram, readings: Readings, arrived: float) -> list[Withheld]:
        """Return the counters of a telegram that are withheld, and remember the others.

        Args:
            telegram: the telegram, an accepted one of this meter.
            readings: its readings.
            arrived: its arrival on the monotonic clock, in seconds.

        """
        withheld: list[Withheld] = []
        counters, values = self._counters, readings.values
        self._follow_power(values, arrived)
        if readings.codes is not self._codes:
            self._codes = readings.codes
            are_counters = map(COUNTERS.__contains__, map(attrgetter("name"), readings.lines))
            self._lines_of_counters = list(compress(count(), are_counters))
        for number in self._lines_of_counters:
            line = readings.lines[number]
            name = line.name
            if name in MBUS_COUNTERS:
                known = self._of_meter(name, values, line, telegram, arrived)
                if known is None:
                    withheld += self._withhold_new(name, values, line)
                    continue
                counter = known
            else:
                counter = counters.get(name) or counters.setdefault(name, _Counter(line, arrived))
            if counter.line is line and counter.doubted is None:
                continue
            # A line without a value shows nothing, and neither do two lines that contradict each other.
            if name in values and isinstance(line.base_value, Decimal):
                item = self._judge(counter, line, telegram, readings, arrived)
                if item:
                    withheld.append(item)
        self._before, self._before_telegram, self._before_at = readings, telegram, arrived
        return withheld

    def _follow_power(self, values: Mapping[str, Value], arrived: float) -> None:
        """Add the energy that has flowed since the telegram before, at the larger power of the two."""
        powers = [abs(value) for name in _POWERS if isinstance(value := values.get(name), Decimal)]
        power = float(max(powers)) if powers else float(CONNECTION_W)
        if self._has_moved:
            self._carried_wh, self._has_moved = 0.0, False
        if self._before is not None:
            self._carried_wh += max(power, self._before_w) * (arrived - self._before_at) / 3600
            if not powers:
                self._carried_wh = min(self._carried_wh, power * UNKNOWN_LAG_S / 3600)
        self._before_w = power

    def _of_meter(
        self, name: str, values: Mapping[str, Value], line: Reading, telegram: Telegram, arrived: float
    ) -> _Counter | None:
        """Return the counter of the M-Bus meter that is on a channel now; None while that meter is not confirmed."""
        identifier, kind = values.get(MBUS_COUNTERS[name]), values.get(_MBUS_TYPES[name])
        known = self._on_channel.get(name)
        if known and identifier in (known[0][0], None) and kind in (known[0][1], None):
            if self._new_on_channel:
                self._new_on_channel.pop(name, None)
            return known[1]
        meter = identifier, kind
        if self._before is not None:
            before = self._new_on_channel.get(name)
            self._new_on_channel[name] = meter, telegram.body
            if before is None or before[0] != meter or before[1] == telegram.body:
                return None
            del self._new_on_channel[name]
        meters = self._mbus.setdefault(name, {})
        counter = meters.pop(meter, None) or _Counter(line, arrived)
        if len(meters) >= METERS_KEPT:
            del meters[next(iter(meters))]
        meters[meter] = counter
        self._on_channel[name] = meter, counter
        return counter

    def _withhold_new(self, name: str, values: Mapping[str, Value], line: Reading) -> list[Withheld]:
        """Return the reading of an M-Bus meter that is not confirmed yet, and its identifier."""
        known = self._on_channel.get(name)
        identifier, old = MBUS_COUNTERS[name], known[1].line.base_value if known else None
        withheld = [Withheld(name, Doubt.NEW_METER, old, line.base_value, line.base_unit)] if name in values else []
        if identifier in values:
            withheld.append(Withheld(identifier, Doubt.NEW_METER, known[0][0] if known else None, values[identifier]))
        return withheld

    def _judge(
        self, counter: _Counter, line: Reading, telegram: Telegram, readings: Readings, arrived: float
    ) -> Withheld | None:
        doubt = self._doubt(counter.line, self._elapsed_s(counter, line, readings, arrived), line, readings)
        doubted = counter.doubted
        if doubt and doubted:
            elapsed_s = arrived - counter.doubted_at + (LATE_S if line.time is not None else 0.0)
            continues = self._doubt(doubted, elapsed_s, line, readings, may_roll_over=False) is None
            if continues and self._is_later(doubted, line, telegram, readings):
                doubt = None
            elif continues and not _is_older(line, doubted):
                line = doubted  # the same measurement again
        if doubt is None:
            if line.base_value != counter.line.base_value and line.name not in MBUS_COUNTERS:
                self._has_moved = True
            counter.line, counter.doubted, counter.accepted_at = line, None, arrived
            return None
        if doubted is None and line.name not in MBUS_COUNTERS:
            counter.accepted_at = self._before_at
        if line is not doubted:
            counter.doubted, counter.doubted_at = line, arrived
        return Withheld(line.name, doubt, counter.line.base_value, line.base_value, line.base_unit)

    def _elapsed_s(self, counter: _Counter, line: Reading, readings: Readings, arrived: float) -> float:
        """Return the longest time in seconds in which the counter may have risen to the value of `line`."""
        if line.name in MBUS_COUNTERS:
            since = counter.accepted_at
            stamps = (counter.line.time, line.time)
        else:
            was_sent = self._before is not None and line.name in self._before.values
            since = self._before_at if counter.doubted is None and was_sent else counter.accepted_at
            stamps = (self._before.time if self._before else None, readings.time)
        elapsed_s = arrived - since
        if stamps[0] is not None and stamps[1] is not None:
            elapsed_s = max(elapsed_s, min(stamps[1] - stamps[0], elapsed_s + LATE_S))
        return elapsed_s

    def _doubt(
        self, before: Reading, elapsed_s: float, line: Reading, readings: Readings, *, may_roll_over: bool = True
    ) -> Doubt | None:
        """Return the reason why the counter cannot have gone from `before` to `line`; None if it can."""
        old, new, unit = before.base_value, line.base_value, line.base_unit
        if not isinstance(old, Decimal) or not isinstance(new, Decimal) or unit not in SLACK:
            return None
        if before.base_unit != unit:
            return Doubt.LEAPT
        rise = new - old
        if 0 <= rise <= SLACK[unit]:
            return None
        if rise < 0:
            rolled_over = _range(before, line) if may_roll_over else None
            if rolled_over is None:
                return Doubt.FELL
            rise += rolled_over
        step = max(step_of(old), step_of(new))
        most = SLACK[unit] + STEPS * step + self._per_hour(unit, readings) * Decimal(max(elapsed_s, 0.0)) / 3600
        if unit in ("Wh", "varh"):
            most += POWER_MARGIN * Decimal(self._carried_wh)
        if rise <= most:
            return None
        return Doubt.LEAPT if new > old else Doubt.FELL

    def _per_hour(self, unit: str, readings: Readings) -> Decimal:
        """Return the largest rise of a counter per hour."""
        most = MAX_PER_HOUR[unit]
        if unit not in ("Wh", "varh"):
            return most
        for each in (readings.values, self._before.values if self._before else {}):
            powers = (abs(value) for name in _POWERS if isinstance(value := each.get(name), Decimal))
            most = max(most, POWER_MARGIN * max(powers, default=Decimal(0)))
        fuses = [value for name in _FUSES if isinstance(value := readings.values.get(name), Decimal)]
        # A limit for L1 alone is the limit of each phase: Belgian meters send only this one.
        return max(most, 3 * max(fuses) * VOLTAGE_V) if fuses and max(fuses) < MAX_FUSE_A else most

    def _is_later(self, doubted: Reading, line: Reading, telegram: Telegram, readings: Readings) -> bool:
        """Return True when `line` is a later measurement than `doubted`, not the same one again."""
        if line.time is not None and doubted.time is not None:
            return line.time > doubted.time
        before = self._before_telegram
        return readings.time is None or before is None or telegram.body != before.body


def _is_older(line: Reading, other: Reading) -> bool:
    return line.time is not None and other.time is not None and line.time < other.time


def _range(before: Reading, after: Reading) -> Decimal | None:
    """Return the number of base units after which a counter begins again at zero, from its number of digits."""
    old, new = _WHOLE_DIGITS.search(before.text), _WHOLE_DIGITS.search(after.text)
    if old is None or new is None or len(old[1]) != len(new[1]):
        return None
    value, base_value = before.value, before.base_value
    if not isinstance(value, Decimal) or not isinstance(base_value, Decimal) or not value:
        return None
    return Decimal(1).scaleb(len(old[1])) * (base_value / value)
