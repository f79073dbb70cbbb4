"""What the page and other programs are told, as JSON; `openapi.py` describes it from these classes.

Times are unix seconds, durations seconds, powers watts; None is what is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.runtime.flow import Details


@dataclass(frozen=True, slots=True)
class LabelView:
    """A short text by its code and its values."""

    code: str
    values: dict[str, str | int | float | LabelView]
    text: str
    """In English."""


@dataclass(frozen=True, slots=True)
class MarkView:
    """The mark and the text under a node."""

    colour: str
    """green, yellow, red, blue or grey."""
    mark: str
    """dot: established; ring: not established, or waiting."""
    text: str
    """In English."""
    label: LabelView
    """The text as a code with its values, for a translation."""


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
    """What leaves the node `source` goes into the node `target`."""

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
    stale_after_s: float
    interval_s: float | None
    telegrams: int
    refused: dict[str, int]
    """By reason."""
    power_net_w: float | None


@dataclass(frozen=True, slots=True)
class UnitView:
    """What a unit id serves."""

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
    """The first register that shows a reading, to begin with."""
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
    """Of a serial line."""
    has_tls: bool
    units: list[UnitView]


@dataclass(frozen=True, slots=True)
class StatusView:
    """The whole gateway at a glance."""

    version: str
    at: float
    running_s: float
    nodes: list[NodeView] = field(default_factory=list)
    wires: list[WireView] = field(default_factory=list)
    meters: list[MeterView] = field(default_factory=list)
    servers: list[ServerView] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What is wrong with the configuration as it stands in its file."""
    is_serving: bool = True
    """False while the configuration cannot be used at all."""


@dataclass(frozen=True, slots=True)
class RegisterView:
    """A register, as a client would read it now."""

    address: int
    number: int
    """In manuals that count from 40001."""
    name: str
    type: str
    length: int
    step: str
    """What one step is worth, with its unit."""
    text: str | None
    """What it says, with its unit; None when absent."""
    words: str
    """In hexadecimal; empty when there are none."""
    is_stale: bool
    age_s: float | None
    codes: list[str]
    """OBIS codes of the lines that it comes from."""
    lines: list[int]
    """Positions of those lines in the telegram, from 0."""
    description: str


@dataclass(frozen=True, slots=True)
class Registers:
    """The registers of one unit."""

    server: str
    unit_id: int
    meter: str
    map: str
    is_fresh: bool
    on_stale: str
    age_s: float | None
    registers: list[RegisterView]


@dataclass(frozen=True, slots=True)
class LineView:
    """A line of a telegram."""

    text: str
    code: str
    name: str
    value: str | None
    unit: str | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class TelegramVerdictView:
    """A telegram that was believed or refused."""

    at: float
    interval_s: float | None
    fault: str | None
    """Why it was refused; None for one that was believed."""


@dataclass(frozen=True, slots=True)
class TelegramView:
    """The newest telegram of a meter, and how the last ones fared."""

    meter: str
    is_masked: bool
    """Whether identifiers are masked, so that the checksum no longer fits."""
    identification: str | None
    age_s: float | None
    is_fresh: bool
    text: str | None
    lines: list[LineView]
    recent: list[TelegramVerdictView]
    """Newest first."""


@dataclass(frozen=True, slots=True)
class BucketView:
    """Ten seconds of a meter."""

    at: float
    power_mean_w: float | None
    power_lowest_w: float | None
    power_highest_w: float | None
    longest_interval_s: float | None
    telegrams: int
    refused: int


@dataclass(frozen=True, slots=True)
class HistoryView:
    """The last hour of a meter."""

    meter: str
    bucket_s: float
    buckets: list[BucketView]
    """Oldest first; none for a time in which nothing came."""


@dataclass(frozen=True, slots=True)
class AdviceView:
    """What a client most likely has wrong."""

    mistake: str
    instead: int | None
    register: str | None


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request and its answer."""

    at: float
    server: str
    client: str
    unit_id: int
    function_code: int
    address: int | None
    count: int | None
    exception: int | None
    is_answered: bool
    words: str
    """Of the answer, in hexadecimal, cut to the first few."""
    advice: AdviceView | None


@dataclass(frozen=True, slots=True)
class ClientView:
    """A client that is connected, or that asked lately over UDP or a serial line."""

    server: str
    client: str
    is_connected: bool
    role: str
    unit_id: int | None
    function_code: int | None
    last_at: float | None
    answers: int
    requests_per_s: float | None
    errors: int
    """Exceptions among the newest requests."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Who asks, and what."""

    clients: list[ClientView]
    requests: list[RequestView]
    """Newest first."""


@dataclass(frozen=True, slots=True)
class HealthView:
    """Whether the gateway does its work."""

    is_healthy: bool
    reason: str
    """`ok`, or what is wrong."""
    since: float
    """Since when it is so."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """Why there is no answer."""

    detail: str
