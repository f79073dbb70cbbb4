"""The beginning of every event: the meters with their state, problems, and what a reload changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import TypedDict

from gateway.nodes.status_page.labels import ProblemView, problem_view
from gateway.nodes.status_page.model import CountsView, MeterView, ReloadView
from gateway.nodes.status_page.observation import Gateway, Reload
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.redaction import redact_line
from gateway.runtime import clock
from gateway.runtime.clock import unix_now
from gateway.version import version

FEW_METERS = 3
"""Largest number of meters that every event has, and that a drawing of the flow has room for."""
INTERVALS_UNTIL_LATE = 3
"""Number of expected intervals after which readings are late, unless they are stale much sooner."""


class FrameFields(TypedDict):
    """The fields of a `FrameView`."""

    at: float
    version: str
    counts: CountsView
    meters: list[MeterView]
    problems: list[ProblemView]
    warnings: list[ProblemView]
    reload: ReloadView | None
    is_serving: bool
    has_advice: bool


def frame(
    gateway: Gateway,
    moment: float,
    meters: Iterable[MeterState],
    *,
    has_advice: bool = False,
    counted: CountsView | None = None,
) -> FrameFields:
    """Return the fields of a `FrameView` with these meters; `counted` is the number of all by state, if known."""
    return {
        "at": round(unix_now(), 3),
        "version": version(),
        "counts": counted or counts(state_of(meter, moment) for meter in gateway.meters.values()),
        "meters": [meter_view(meter, moment) for meter in meters],
        "problems": [problem_view(each, gateway.excerpts.get(each.place)) for each in gateway.problems],
        "warnings": [problem_view(warning) for warning in gateway.warnings],
        "reload": _reload(gateway.reloaded),
        "is_serving": gateway.is_serving,
        "has_advice": has_advice,
    }


def _reload(reload: Reload | None) -> ReloadView | None:
    return ReloadView(round(reload.at, 3), reload.is_applied, list(reload.changes)) if reload else None


def unix_time(moment: float) -> float:
    """Return a moment of the gateway's clock as unix seconds."""
    return round(clock.unix_time(moment), 3)


def late_after_s(meter: MeterState) -> float:
    """Return the age at which readings are late: some intervals, or halfway from due to stale if that is sooner."""
    due, stale = meter.cadence_s, meter.stale_after_s
    return min(INTERVALS_UNTIL_LATE * due, (due + stale) / 2)


def state_of(meter: MeterState, moment: float) -> str:
    """Return the state of a meter: the name of a field of `CountsView`."""
    if meter.newest is None:
        return "never"
    if meter.served is None or not meter.is_fresh(moment):
        return "stale"
    return "late" if moment - meter.served.measured > late_after_s(meter) else "fresh"


def counts(states: Iterable[str]) -> CountsView:
    """Return the number of meters by state."""
    found = Counter(states)
    return CountsView(found["fresh"], found["late"], found["stale"], found["never"])


def age(meter: MeterState, moment: float) -> float | None:
    """Return the age of the readings that are served, in seconds."""
    return None if meter.served is None else round(moment - meter.served.measured, 3)


def net_power(meter: MeterState) -> float | None:
    """Return the net power that is served, in W; None where it is absent, also if one direction of it is known."""
    power = meter.served.readings.values.get("power_net") if meter.served else None
    return float(power) if isinstance(power, Decimal) else None


def identification(meter: MeterState, *, is_masked: bool) -> str | None:
    """Return the first line of the newest telegram, which contains a serial number for some makers."""
    if meter.newest is None:
        return None
    text = f"/{meter.newest.readings.identification}"
    return redact_line(text) if is_masked else text


def meter_view(meter: MeterState, moment: float) -> MeterView:
    """Return the state of a meter."""
    newest, served = meter.newest, meter.served
    return MeterView(
        name=meter.name,
        variant=newest.variant.title if newest else None,
        identification=identification(meter, is_masked=True),
        is_simulated=meter.is_simulated,
        is_connected=meter.is_connected,
        is_fresh=meter.is_fresh(moment),
        age_s=age(meter, moment),
        due_s=meter.cadence_s,
        late_after_s=late_after_s(meter),
        stale_after_s=meter.stale_after_s,
        interval_s=None if meter.interval_s is None else round(meter.interval_s, 3),
        received_at=round(served.arrived_at, 3) if served else None,
        telegrams=meter.telegrams,
        refused={str(reason): count for reason, count in sorted(meter.refused.items())},
        power_net_w=net_power(meter),
    )
