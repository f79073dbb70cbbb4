"""The part of the data model for the views Now and Charts.

Times are unix seconds, durations seconds, powers watts. None means not known.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.nodes.status_page.labels import MarkView
from gateway.nodes.status_page.model import FrameView
from gateway.runtime.flow import Details


@dataclass(frozen=True, slots=True)
class PhaseView:
    """The newest readings of a phase."""

    power_w: float | None
    voltage_v: float | None
    current_a: float | None


@dataclass(frozen=True, slots=True)
class TodayView:
    """The counters since the begin of the day."""

    since: float
    """Midnight of the meter's country, or the first telegram after it."""
    import_kwh: float | None
    export_kwh: float | None
    gas_m3: float | None
    telegrams: int
    refused: int


@dataclass(frozen=True, slots=True)
class ServedAsView:
    """A unit that serves the readings of a meter."""

    server: str
    unit_id: int
    map: str
    on_stale: str
    is_fresh: bool
    power_address: int | None
    """Address of the register `power_net`."""


@dataclass(frozen=True, slots=True)
class BeatView:
    """A telegram of the last minute."""

    at: float
    interval_s: float | None
    fault: str | None
    """Reason of the refusal; None for an accepted telegram."""


@dataclass(frozen=True, slots=True)
class SourceView:
    """The node that reads a meter."""

    label: str
    status: MarkView
    details: Details


@dataclass(frozen=True, slots=True)
class NowMeterView:
    """The newest readings of a meter; they are old once its age is above `stale_after_s`."""

    name: str
    power_net_w: float | None
    phases: list[PhaseView]
    main_fuse_a: int | None
    limits_v: tuple[float, float]
    """Lowest and highest allowed voltage."""
    tariff: int | None
    tariff_is_low: bool | None
    demand_w: float | None
    """Mean import of the quarter of an hour that runs."""
    peak_w: float | None
    """Largest mean import of a quarter of an hour in this month."""
    peak_at: float | None
    gas_m3: float | None
    gas_at: float | None
    """Time at which the gas meter was read."""
    today: TodayView | None
    units: list[ServedAsView]
    source: SourceView | None
    beats: list[BeatView]
    """The telegrams of the last minute, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NowView(FrameView):
    """An event of the view Now."""

    meter: NowMeterView | None


@dataclass(frozen=True, slots=True)
class SeriesView:
    """The last hour or the last day of a meter, as a list for each quantity."""

    meter: str
    at: float
    bucket_s: float
    first: float
    """Begin of the first bucket; the others follow without a gap."""
    columns: dict[str, list[float | None]]
    """Values by name of the quantity, oldest first. None where there were no telegrams."""
