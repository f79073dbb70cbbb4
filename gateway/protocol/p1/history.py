"""What one meter said in the last hour, and how well it was heard, for charts."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from gateway.protocol.p1.meter import Received
from gateway.protocol.p1.telegram import RefusedTelegram

BUCKET_S = 10.0
BUCKETS_KEPT = 360
"""An hour."""
TELEGRAMS_KEPT = 10


@dataclass(slots=True)
class Bucket:
    """What came in during `BUCKET_S`."""

    begins: float
    """On the monotonic clock, in seconds."""
    telegrams: int = 0
    refused: int = 0
    longest_interval_s: float | None = None
    power_sum_w: Decimal = Decimal(0)
    power_count: int = 0
    power_lowest_w: Decimal | None = None
    power_highest_w: Decimal | None = None

    @property
    def power_mean_w(self) -> Decimal | None:
        """Net power, import positive, as the mean of the telegrams that say it."""
        return self.power_sum_w / self.power_count if self.power_count else None

    def note_power(self, power_w: Decimal) -> None:
        """Take down the net power of a telegram."""
        self.power_sum_w += power_w
        self.power_count += 1
        lowest, highest = self.power_lowest_w, self.power_highest_w
        self.power_lowest_w = power_w if lowest is None else min(power_w, lowest)
        self.power_highest_w = power_w if highest is None else max(power_w, highest)


@dataclass(frozen=True, slots=True)
class TelegramVerdict:
    """A telegram that was believed or refused."""

    arrived: float
    """On the monotonic clock, in seconds."""
    interval_s: float | None
    """Since the one before."""
    fault: str | None
    """Why it was refused; None for one that is believed."""


class History:
    """The last hour of one meter, in buckets, and its newest telegrams one by one."""

    def __init__(self) -> None:
        self.buckets: deque[Bucket] = deque(maxlen=BUCKETS_KEPT)
        """Oldest first; none for a time in which nothing came."""
        self.telegrams: deque[TelegramVerdict] = deque(maxlen=TELEGRAMS_KEPT)
        """Oldest first."""

    def note(self, result: Received | RefusedTelegram, arrived: float) -> None:
        """Take down what became of a telegram that arrived at `arrived` on the monotonic clock."""
        interval_s = arrived - self.telegrams[-1].arrived if self.telegrams else None
        bucket = self._bucket(arrived)
        if interval_s is not None:
            bucket.longest_interval_s = max(interval_s, bucket.longest_interval_s or 0)
        if isinstance(result, RefusedTelegram):
            bucket.refused += 1
            self.telegrams.append(TelegramVerdict(arrived, interval_s, str(result.fault)))
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
