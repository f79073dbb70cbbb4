"""The last hour and the last day of one meter for charts, in memory of a fixed size.

Time is divided into buckets, on the monotonic clock: short ones for the last hour, long ones for the last day. A bucket
has the mean and the range of what was measured, the longest interval and the number of telegrams. It is written into
packed arrays, one for each column, in which its position is its number modulo their size. So an hour takes the same
memory however often the meter sends. A bucket without telegrams is a gap: its columns are NaN.

Only the newest bucket of each kind is kept as sums. A short bucket that ends is added to the long one.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from gateway.protocol.p1.day import Day
from gateway.protocol.p1.obis import Value
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import RefusedTelegram

HOUR_S, DAY_S = 3600.0, 86400.0
TELEGRAMS_KEPT = 60
"""Number of newest telegrams that are kept one by one: the last minute of a meter that sends each second."""


class Layout(NamedTuple):
    """The buckets and quantities that are kept of each meter."""

    short_s: float
    """Length of a bucket of the last hour."""
    long_s: float
    """Length of a bucket of the last day."""
    powers: tuple[str, ...]
    """Readings of which the mean is kept."""
    voltages: tuple[str, ...]
    """Readings of which the range is kept, as that of the net power is."""
    telegrams_kept: int

    @property
    def means(self) -> tuple[str, ...]:
        """Return the columns with means."""
        return ("power_mean_w", *(f"{name.replace('_net', '')}_w" for name in self.powers[1:]))

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of all columns."""
        ranges = [f"{name}_{end}_v" for end in ("lowest", "highest") for name in self.voltages]
        counts = ("longest_interval_s", "telegrams", "refused")
        return (*self.means, "power_lowest_w", "power_highest_w", *ranges, *counts)


_PHASES = ("l1", "l2", "l3")
FULL = Layout(
    10.0,
    300.0,
    ("power_net", *(f"power_net_{phase}" for phase in _PHASES)),
    tuple(f"voltage_{phase}" for phase in _PHASES),
    TELEGRAMS_KEPT,
)
"""The layout for a few meters: 15 columns of 360 and 288 buckets, 39 kB."""
SMALL = Layout(60.0, 300.0, ("power_net",), (), 10)
"""The layout for hundreds of meters: 6 columns of 60 and 288 buckets, 8 kB."""


class Bucket:
    """The newest bucket: sums of what was measured in it so far."""

    __slots__ = ("_highest", "_layout", "_lowest", "_sums", "_weights", "longest_s", "number", "refused", "telegrams")

    def __init__(self, layout: Layout, number: int) -> None:
        """Begin a bucket; it begins at `number` times its length on the monotonic clock."""
        self._layout = layout
        self.number = number
        self.telegrams = self.refused = 0
        self.longest_s = -math.inf
        self._sums = [0.0] * len(layout.powers)
        self._weights = [0] * len(layout.powers)
        self._lowest = [math.inf] * (1 + len(layout.voltages))
        self._highest = [-math.inf] * (1 + len(layout.voltages))

    def note(self, values: Mapping[str, Value]) -> None:
        """Add the readings of an accepted telegram."""
        self.telegrams += 1
        for index, name in enumerate(self._layout.powers):
            value = values.get(name)
            if isinstance(value, Decimal):
                self._sums[index] += float(value)
                self._weights[index] += 1
        for index, name in enumerate((self._layout.powers[0], *self._layout.voltages)):
            value = values.get(name)
            if isinstance(value, Decimal):
                number = float(value)
                self._lowest[index] = min(number, self._lowest[index])
                self._highest[index] = max(number, self._highest[index])

    def note_interval(self, interval_s: float) -> None:
        """Add the time between two telegrams, accepted or refused."""
        self.longest_s = max(interval_s, self.longest_s)

    def add(self, other: Bucket) -> None:
        """Add a bucket of the same time."""
        self.telegrams += other.telegrams
        self.refused += other.refused
        self.longest_s = max(self.longest_s, other.longest_s)
        self._sums = [one + two for one, two in zip(self._sums, other._sums, strict=True)]
        self._weights = [one + two for one, two in zip(self._weights, other._weights, strict=True)]
        self._lowest = list(map(min, self._lowest, other._lowest))
        self._highest = list(map(max, self._highest, other._highest))

    def row(self) -> list[float]:
        """Return the values of the columns, NaN for what was not measured."""
        means = [
            total / weight if weight else math.nan for total, weight in zip(self._sums, self._weights, strict=True)
        ]
        ends = [self._lowest[0], self._highest[0], *self._lowest[1:], *self._highest[1:], self.longest_s]
        return [*means, *(value if math.isfinite(value) else math.nan for value in ends), self.telegrams, self.refused]

    @classmethod
    def from_row(cls, layout: Layout, number: int, row: Sequence[float]) -> Bucket:
        """Return a bucket with the values of `row`."""
        bucket = cls(layout, number)
        count, phases = len(layout.powers), len(layout.voltages)
        bucket.telegrams, bucket.refused = int(row[-2]), int(row[-1])
        bucket._weights = [0 if math.isnan(mean) else bucket.telegrams for mean in row[:count]]
        bucket._sums = [
            mean * weight if weight else 0.0 for mean, weight in zip(row[:count], bucket._weights, strict=True)
        ]
        lowest, highest = row[count + 2 : count + 2 + phases], row[count + 2 + phases : count + 2 + 2 * phases]
        bucket._lowest = [math.inf if math.isnan(value) else value for value in (row[count], *lowest)]
        bucket._highest = [-math.inf if math.isnan(value) else value for value in (row[count + 1], *highest)]
        bucket.longest_s = -math.inf if math.isnan(row[-3]) else row[-3]
        return bucket


class Ring:
    """The buckets of one length, as an array for each column."""

    def __init__(self, layout: Layout, length_s: float, span_s: float) -> None:
        """Begin without buckets."""
        self.layout = layout
        self.length_s = length_s
        self.size = round(span_s / length_s)
        self.columns = {name: array("f", [math.nan]) * self.size for name in layout.columns}
        self.open: Bucket | None = None
        """The newest bucket with telegrams of this run, which is not in the columns yet."""
        self.newest: int | None = None
        """Number of the newest bucket; None before any."""

    def bucket_at(self, moment: float) -> Bucket:
        """Return the bucket of a moment on the monotonic clock; that of an earlier one is the newest."""
        number = math.floor(moment / self.length_s)
        if self.open is None or number > self.open.number:
            self.flush()
            self._advance(number)
            self.open = Bucket(self.layout, number)
        return self.open

    def _advance(self, number: int) -> None:
        """Clear the buckets up to a number, which is the newest from now on."""
        first = number - self.size + 1 if self.newest is None else max(self.newest + 1, number - self.size + 1)
        for gone in range(first, number + 1):
            self.put(gone, [math.nan] * len(self.columns))
        self.newest = number if self.newest is None else max(number, self.newest)

    def put(self, number: int, row: Iterable[float]) -> None:
        """Write the values of a bucket."""
        for column, value in zip(self.columns.values(), row, strict=True):
            column[number % self.size] = value

    def row(self, number: int) -> list[float]:
        """Return the values of a bucket."""
        return [column[number % self.size] for column in self.columns.values()]

    def flush(self) -> None:
        """Write the newest bucket as it is so far."""
        if self.open:
            self.put(self.open.number, self.open.row())

    def numbers(self) -> range:
        """Return the numbers of the buckets, oldest first; those without telegrams are among them."""
        self.flush()
        return range(0) if self.newest is None else range(self.newest - self.size + 1, self.newest + 1)

    def restore(self, number: int, row: Sequence[float], moment: float) -> None:
        """Add a bucket of an earlier run, where this run has none; `moment` is now."""
        if self.newest is None:
            self._advance(math.floor(moment / self.length_s))
        newest = self.newest or 0
        if math.isnan(row[-2]) or not newest - self.size < number <= newest:
            return
        if self.open and number == self.open.number:
            self.open.add(Bucket.from_row(self.layout, number, row))
        elif math.isnan(self.columns["telegrams"][number % self.size]):
            self.put(number, row)


@dataclass(frozen=True, slots=True)
class TelegramVerdict:
    """The outcome of one telegram: accepted or refused."""

    arrived: float
    """Arrival on the monotonic clock, in seconds."""
    interval_s: float | None
    """Time since the telegram before; None for the first one."""
    reason: str | None
    """Reason of the refusal; None for an accepted telegram."""


class History:
    """The last hour, the last day and the present day of one meter, and its newest telegrams one by one."""

    def __init__(self, layout: Layout = FULL) -> None:
        self.layout = layout
        self.hour = Ring(layout, layout.short_s, HOUR_S)
        self.day = Ring(layout, layout.long_s, DAY_S)
        self.today = Day()
        self.telegrams: deque[TelegramVerdict] = deque(maxlen=layout.telegrams_kept)
        """Newest telegrams, oldest first."""
        self._before: float | None = None

    def note(self, result: Received | RefusedTelegram, arrived: float) -> None:
        """Add a telegram, accepted or refused, that arrived at `arrived` on the monotonic clock."""
        interval_s = None if self._before is None else arrived - self._before
        self._before = arrived
        bucket = self._bucket(arrived)
        if interval_s is not None:
            bucket.note_interval(interval_s)
        if isinstance(result, RefusedTelegram):
            bucket.refused += 1
            self.today.note_refused()
            self.telegrams.append(TelegramVerdict(arrived, interval_s, str(result.reason)))
            return
        bucket.note(result.readings.values)
        self.today.note(result)
        self.telegrams.append(TelegramVerdict(arrived, interval_s, None))

    def _bucket(self, arrived: float) -> Bucket:
        before = self.hour.open
        bucket = self.hour.bucket_at(arrived)
        if before and before is not bucket:
            self.day.bucket_at(before.number * self.hour.length_s).add(before)
        if self.day.open is None:
            self.day.bucket_at(arrived)
        return bucket

    def points(self, count: int, length_s: float) -> list[float | None]:
        """Return the mean net power of `count` periods of the last hour, oldest first; None where there was none."""
        if self.hour.newest is None:
            return [None] * count
        numbers, powers = self.hour.numbers(), self.hour.columns["power_mean_w"]
        each = round(length_s / self.hour.length_s)
        found = []
        for period in range(count):
            of_period = numbers[-each * (count - period) : len(numbers) - each * (count - period - 1)]
            known = [power for number in of_period if not math.isnan(power := powers[number % self.hour.size])]
            found.append(sum(known) / len(known) if known else None)
        return found

    def refused_in_day(self, moment: float) -> int:
        """Return the number of telegrams that were refused in the 24 hours before a moment on the monotonic clock."""
        # A meter that sends nothing any more makes no bucket, so its newest buckets can be old.
        first = math.floor(moment / self.day.length_s) - self.day.size + 1
        numbers, column = self.day.numbers(), self.day.columns["refused"]
        counts = [column[number % self.day.size] for number in numbers if number >= first]
        if self.hour.open and self.hour.open.number * self.hour.length_s >= first * self.day.length_s:
            counts.append(self.hour.open.refused)
        return int(sum(count for count in counts if not math.isnan(count)))
