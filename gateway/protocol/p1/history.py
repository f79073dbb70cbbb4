"""The last hour of one meter for charts: its power, and how regularly its telegrams came.

Time is divided into buckets of `BUCKET_S`. Each bucket counts telegrams and keeps the mean and the range of the power,
so an hour takes the same memory however often the meter sends.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import RefusedTelegram

BUCKET_S = 10.0
"""Length of a bucket."""
BUCKETS_KEPT = 360
"""Number of buckets in an hour."""
TELEGRAMS_KEPT = 10
"""Number of newest telegrams that are kept one by one."""


@dataclass(slots=True)
class Bucket:
    """Telegrams and power of one period of `BUCKET_S`."""

    begins: float
    """Begin of the period on the monotonic clock, in seconds."""
    telegrams: int = 0
    refused: int = 0
    longest_interval_s: float | None = None
    power_sum_w: Decimal = Decimal(0)
    power_count: int = 0
    power_lowest_w: Decimal | None = None
    power_highest_w: Decimal | None = None

    @property
    def power_mean_w(self) -> Decimal | None:
        """Return the mean net power of the telegrams that contain it, import positive, or None."""
        return self.power_sum_w / self.power_count if self.power_count else None

    def note_power(self, power_w: Decimal) -> None:
        """Add the net power of a telegram."""
        self.power_sum_w += power_w
        self.power_count += 1
        lowest, highest = self.power_lowest_w, self.power_highest_w
        self.power_lowest_w = power_w if lowest is None else min(power_w, lowest)
        self.power_highest_w = power_w if highest is None else max(power_w, highest)


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
    """The last hour of one meter, in buckets, and its newest telegrams one by one."""

    def __init__(self) -> None:
        self.buckets: deque[Bucket] = deque(maxlen=BUCKETS_KEPT)
        """Buckets, oldest first; a period without telegrams has none."""
        self.telegrams: deque[TelegramVerdict] = deque(maxlen=TELEGRAMS_KEPT)
        """Newest telegrams, oldest first."""

    def note(self, result: Received | RefusedTelegram, arrived: float) -> None:
        """Add a telegram, accepted or refused, that arrived at `arrived` on the monotonic clock."""
        interval_s = arrived - self.telegrams[-1].arrived if self.telegrams else None
        bucket = self._bucket(arrived)
        if interval_s is not None:
            bucket.longest_interval_s = max(interval_s, bucket.longest_interval_s or 0)
        if isinstance(result, RefusedTelegram):
            bucket.refused += 1
            self.telegrams.append(TelegramVerdict(arrived, interval_s, str(result.reason)))
            return
        bucket.telegrams += 1
        power_w = result.readings.values.get("power_net", result.readings.values.get("power_import"))
        if isinstance(power_w, Decimal):
            bucket.note_power(power_w)
        self.telegrams.append(TelegramVerdict(arrived, interval_s, None))

    def _bucket(self, arrived: float) -> Bucket:
        begins = arrived - arrived % BUCKET_S
        if not self.buckets or self.buckets[-1].begins < begins:
            self.buckets.append(Bucket(begins))
        return self.buckets[-1]
