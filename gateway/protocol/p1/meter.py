"""One meter's newest readings, how old they are, and what became of its telegrams.

The moment of arrival on the gateway's own clock alone decides what is fresh: a meter's clock may stand
still or run a year ahead, and a value may rightly stay the same for hours.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from gateway.protocol.p1.acceptance import contradict, refuse
from gateway.protocol.p1.country import interpret
from gateway.protocol.p1.obis import Value
from gateway.protocol.p1.readings import Reading, Readings, read, read_ahead
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram, Telegram
from gateway.protocol.p1.variants import Variant, detect

FAST_CADENCE_S = 1.0
STALE_AFTER_FAST_S = 5.0
"""For a meter that sends each second: a telegram or two may be lost to noise."""
STALE_AFTER_SLOW_S = 35.0
"""For a meter that sends each ten seconds: three telegrams may."""
FAST_LIMIT_S = 3.0
"""A meter that sends more often than this counts as fast."""
INTERVALS_KEPT = 4
TOGETHER_S = 0.2
"""Telegrams that come closer than this were held up on the way, or sent twice; that tells nothing of the cadence."""
ERROR_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Received:
    """A telegram that is believed."""

    telegram: Telegram
    readings: Readings
    variant: Variant
    arrived: float
    """On the monotonic clock, in seconds."""
    arrived_at: float
    """By the wall clock, in unix seconds."""
    shown: Variant
    """What the telegram looks like, whatever the configuration says."""


class MeterState:
    """The cache of one meter."""

    def __init__(
        self, name: str, variant: Variant | None, stale_after_s: float | None = None, *, is_simulated: bool = False
    ) -> None:
        """Begin without readings.

        Args:
            name: the meter's name in the configuration.
            variant: what the configuration says it is; None to find out from its telegrams.
            stale_after_s: age beyond which readings are stale; None to follow the meter's cadence.
            is_simulated: whether its readings are invented.

        """
        self.name = name
        self.is_simulated = is_simulated
        self.is_connected = False
        self.newest: Received | None = None
        self.fresh_since = float("-inf")
        """When telegrams began to come without a pause that made the readings stale."""
        self.accepted = 0
        self.refused: Counter[RefusalReason] = Counter()
        self.newest_refused: RefusedTelegram | None = None
        self.line_faults = 0
        self._configured = variant
        self._stale_after_s = stale_after_s
        self._doubted: Readings | None = None
        self._ahead: dict[bytes, Reading] = {}
        self._intervals: deque[float] = deque(maxlen=INTERVALS_KEPT)
        self._last_error = float("-inf")

    def read_ahead(self, lines: bytes) -> None:
        """Read whole lines of a telegram that is still coming in, so that little is left to do at its last byte."""
        read_ahead(lines, self.newest.readings if self.newest else None, self._ahead)

    def take(self, item: Telegram | RefusedTelegram, arrived: float, arrived_at: float) -> Received | RefusedTelegram:
        """Believe a telegram or refuse it; a refused one changes nothing but the counts."""
        received = item if isinstance(item, RefusedTelegram) else self._judge(item, arrived, arrived_at)
        self._ahead = {}
        if isinstance(received, RefusedTelegram):
            self.refused[received.fault] += 1
            self.newest_refused = received
            self._last_error = arrived
            return received
        if not self.is_fresh(arrived):
            self.fresh_since = arrived
        interval = arrived - self.newest.arrived if self.newest else 0.0
        if interval > TOGETHER_S:
            self._intervals.append(interval)
        if received.readings.faults:
            self.line_faults += len(received.readings.faults)
            self._last_error = arrived
        self.newest = received
        self.accepted += 1
        return received

    def _judge(self, telegram: Telegram, arrived: float, arrived_at: float) -> Received | RefusedTelegram:
        before = self.newest
        readings = read(telegram, before.readings if before else None, self._ahead)
        variant, shown = self._variant_of(telegram, readings)
        elapsed = arrived - before.arrived if before else 0.0
        bad = refuse(telegram, readings, variant, before.readings if before else None, elapsed)
        if bad and bad.fault is not RefusalReason.IMPLAUSIBLE:
            return bad
        if bad and (self._doubted is None or contradict(self._doubted, readings, elapsed)):
            self._doubted = readings
            return bad
        # Two telegrams in a row that agree with each other and not with the past: a meter was exchanged.
        self._doubted = None
        return Received(telegram, interpret(readings, variant, shown), variant, arrived, arrived_at, shown)

    def _variant_of(self, telegram: Telegram, readings: Readings) -> tuple[Variant, Variant]:
        """What the meter counts as, and what this telegram shows it to be."""
        if self.newest and self.newest.readings.identification == readings.identification and not self._configured:
            return self.newest.variant, self.newest.variant
        version = readings.values.get("p1_version")
        has_d0_codes = b"*255(" in telegram.raw
        shown = detect(readings.codes, str(version) if version else None, has_d0_codes, readings.identification)
        return self._configured or shown, shown

    @property
    def interval_s(self) -> float | None:
        """Seconds between the last two telegrams."""
        return self._intervals[-1] if self._intervals else None

    @property
    def stale_after_s(self) -> float:
        """Age in seconds beyond which the readings are stale.

        Follows the shortest of the last intervals, which lost telegrams do not lengthen, and until there
        are enough of them what is known of the variant.
        """
        if self._stale_after_s is not None:
            return self._stale_after_s
        cadence = FAST_CADENCE_S
        if len(self._intervals) == INTERVALS_KEPT:
            cadence = min(self._intervals)
        elif self.newest:
            cadence = self.newest.variant.cadence_s
        return STALE_AFTER_FAST_S if cadence < FAST_LIMIT_S else STALE_AFTER_SLOW_S

    @property
    def fresh_until(self) -> float:
        """The moment after which the newest readings are stale."""
        return self.newest.arrived + self.stale_after_s if self.newest else float("-inf")

    def is_fresh(self, now: float) -> bool:
        """Whether the newest readings may be given out as good."""
        return now <= self.fresh_until

    def has_recent_errors(self, now: float) -> bool:
        """Whether anything was refused in the last minute."""
        return now - self._last_error < ERROR_WINDOW_S

    def status_values(self, now: float) -> Mapping[str, Value]:
        """The gateway's own values (`names.GATEWAY_VALUES`) for the status block of a register map.

        Whether it is fresh is for the unit to say, which may have a limit of its own.
        """
        values: dict[str, Value] = {
            "gateway_connected": int(self.is_connected),
            "gateway_recent_errors": int(self.has_recent_errors(now)),
            "gateway_simulated": int(self.is_simulated),
            "gateway_heartbeat": int(now) % 0x10000,
            "gateway_telegrams": self.accepted,
            "gateway_checksum_errors": self.refused[RefusalReason.CHECKSUM] + self.refused[RefusalReason.NO_CHECKSUM],
        }
        values["gateway_form_errors"] = self.refused.total() - int(values["gateway_checksum_errors"])
        if self.newest:
            values["gateway_telegram_age"] = Decimal(round(1000 * (now - self.newest.arrived))) / 1000
            values["gateway_arrival_time"] = int(self.newest.arrived_at)
            version = _version_times_ten(self.newest)
            if version is not None:
                values["gateway_dsmr_version"] = version
            if self.newest.readings.time is not None:
                values["gateway_telegram_time"] = self.newest.readings.time
        if self.interval_s is not None:
            values["gateway_telegram_interval"] = Decimal(round(1000 * self.interval_s)) / 1000
        return values


_VERSIONS = {"2.2": 22, "4": 40, "5": 50, "5B": 50}
"""Variant → the version of DSMR that it follows, times ten, where its telegrams do not say."""


def _version_times_ten(received: Received) -> int | None:
    said = str(received.readings.values.get("p1_version", ""))
    if len(said) == 2 and said.isdecimal():
        return int(said)
    return _VERSIONS.get(received.variant.key)
