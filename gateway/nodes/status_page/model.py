"""The data of the page and of other programs, sent as JSON. `openapi.py` describes the API from these classes.

Times are unix seconds, durations seconds, powers watts. None means not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.nodes.status_page.labels import MarkView, ProblemView
from gateway.runtime.flow import Details


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node of the flow."""

    name: str
    kind: str
    label: str
    status: MarkView
    details: Details


@dataclass(frozen=True, slots=True)
class WireView:
    """A wire from the output of the node `source` to the node `target`."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class MeterView:
    """A meter and its newest telegram."""

    name: str
    variant: str | None
    identification: str | None
    is_simulated: bool
    is_connected: bool
    is_fresh: bool
    age_s: float | None
    due_s: float
    """Expected time between two telegrams."""
    late_after_s: float
    """Age from which the readings are late, but still served."""
    stale_after_s: float
    interval_s: float | None
    received_at: float | None
    """Arrival of the telegram that is served."""
    telegrams: int
    refused: dict[str, int]
    """Number of refused telegrams by reason."""
    power_net_w: float | None


@dataclass(frozen=True, slots=True)
class CountsView:
    """Number of meters by state."""

    fresh: int
    late: int
    stale: int
    never: int
    """Meters that have not sent a telegram yet."""


@dataclass(frozen=True, slots=True)
class UnitView:
    """A unit id and its register map."""

    unit_id: int
    meter: str
    map: str
    title: str
    function_codes: list[int]
    word_order: str
    on_stale: str
    is_fresh: bool
    shows_test_pattern: bool
    first_register: str | None
    """Name of the first register with a reading, for a first test of a client."""
    first_address: int | None


@dataclass(frozen=True, slots=True)
class ServerView:
    """A Modbus server."""

    name: str
    transport: str
    host: str
    """Empty for all addresses of the machine."""
    port: int
    device: str | None
    """Serial device, for a server on a serial line."""
    has_tls: bool
    exports: dict[str, str]
    """Programs that can read over its transport: name of the format to that of the program."""
    units: list[UnitView]


@dataclass(frozen=True, slots=True)
class ReloadView:
    """The last reload of the configuration and of the files that it names."""

    at: float
    is_applied: bool
    """False when it was refused, and nothing has changed."""
    changes: list[str]
    """A text for each change, in English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameView:
    """The beginning of each event: what the page shows around every view."""

    at: float
    version: str
    """The version of the gateway; a page of another version loads itself again."""
    counts: CountsView
    meters: list[MeterView] = field(default_factory=list)
    """The meters; events for one view name only those it needs."""
    problems: list[ProblemView] = field(default_factory=list)
    """The problems of the configuration file."""
    warnings: list[ProblemView] = field(default_factory=list)
    """Advice about what to do soon, such as to renew a certificate."""
    reload: ReloadView | None = None
    """The last reload; None before the first."""
    is_serving: bool = True
    """False while the configuration cannot be used."""
    has_advice: bool = False
    """True while a client makes a mistake that can be named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView(FrameView):
    """The status of the whole gateway."""

    running_s: float
    nodes: list[NodeView] = field(default_factory=list)
    wires: list[WireView] = field(default_factory=list)
    servers: list[ServerView] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """The problems of the configuration file as text."""


@dataclass(frozen=True, slots=True)
class HealthView:
    """The health of the gateway."""

    is_healthy: bool
    reason: str
    """`ok`, or the problems."""
    since: float
    """Time since which the reason applies."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The reason of an error response."""

    detail: str
