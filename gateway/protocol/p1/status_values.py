"""The gateway's own values about a meter, which register maps serve in their status block."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.obis import Value
from gateway.protocol.p1.serving import LATE, REPEATING, Received
from gateway.protocol.p1.telegram import RefusalReason


def status_values(meter: MeterState, now: float) -> Mapping[str, Value]:
    """Return the gateway's own values (`names.GATEWAY_VALUES`) for the status block of a register map.

    `gateway_fresh` is not among them: the unit adds it, because a unit may have its own age limit.
    """
    values: dict[str, Value] = {
        "gateway_connected": int(meter.is_connected),
        "gateway_recent_errors": int(meter.has_recent_errors(now)),
        "gateway_simulated": int(meter.is_simulated),
        "gateway_heartbeat": int(now) % 0x10000,
        "gateway_telegrams": meter.telegrams,
        "gateway_checksum_errors": meter.refused[RefusalReason.CHECKSUM] + meter.refused[RefusalReason.NO_CHECKSUM],
    }
    no_form_errors = int(values["gateway_checksum_errors"]) + meter.unconfirmed
    values["gateway_form_errors"] = meter.refused.total() - no_form_errors
    values["gateway_late"] = int(meter.serving.condition in LATE)
    values["gateway_repeating"] = int(meter.serving.condition in REPEATING)
    version = _version_times_ten(meter.newest) if meter.newest else None
    if version is not None:
        values["gateway_dsmr_version"] = version
    if meter.served:
        values["gateway_telegram_age"] = _milliseconds(now - meter.served.measured)
        values["gateway_arrival_time"] = int(meter.served.arrived_at)
        if meter.served.readings.time is not None:
            values["gateway_telegram_time"] = meter.served.readings.time
    delay_s = meter.serving.delay_s
    if delay_s is not None:
        values["gateway_telegram_delay"] = _milliseconds(delay_s)
    if meter.interval_s is not None:
        values["gateway_telegram_interval"] = _milliseconds(meter.interval_s)
    return values


def _milliseconds(seconds: float) -> Decimal:
    """Return seconds, rounded to milliseconds."""
    return Decimal(round(1000 * seconds)) / 1000


_VERSIONS = {"2.2": 22, "4": 40, "5": 50, "5B": 50}
"""Variant → the version of DSMR that it follows, times ten, for telegrams that do not contain the version."""


def _version_times_ten(received: Received) -> int | None:
    version = str(received.readings.values.get("p1_version", ""))
    if len(version) == 2 and version.isdecimal():
        return int(version)
    return _VERSIONS.get(received.variant.key)
