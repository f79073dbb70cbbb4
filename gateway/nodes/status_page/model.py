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
    stale_after_s: float
    interval_s: float | None
    telegrams: int
    refused: dict[str, int]
    """Number of refused telegrams by reason."""
    power_net_w: float | None


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


@dataclass(frozen=True, slots=True)
class StatusView:
    """The status of the whole gateway."""

    version: str
    at: float
    running_s: float
    nodes: list[NodeView] = field(default_factory=list)
    wires: list[WireView] = field(default_factory=list)
    meters: list[MeterView] = field(default_factory=list)
    servers: list[ServerView] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """The problems of the configuration file as text."""
    problems: list[ProblemView] = field(default_factory=list)
    """The same problems as data."""
    warnings: list[ProblemView] = field(default_factory=list)
    """Advice about what to do soon, such as to renew a certificate."""
    reload: ReloadView | None = None
    """The last reload; None before the first."""
    is_serving: bool = True
    """False while the configuration cannot be used."""


@dataclass(frozen=True, slots=True)
class RegisterView:
    """A register as a client reads it now."""

    address: int
    number: int
    """Number of the register in manuals that count from 40001."""
    name: str
    type: str
    length: int
    step: str
    """Resolution, with its unit."""
    text: str | None
    """Value with its unit; None when absent, or when a client gets no value."""
    words: str
    """Content of the register in hexadecimal; empty when a client gets none."""
    exception: int | None
    """Code of the exception that a client gets instead of a value."""
    is_answered: bool
    """False when a client gets no response at all."""
    is_stale: bool
    """True when the value comes from a telegram that is too old; a constant is never stale."""
    is_withheld: bool
    """True when the register is absent because its unit does not have `identifiers: true`."""
    age_s: float | None
    codes: list[str]
    """OBIS codes of the telegram's lines that the value comes from."""
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
    """A telegram that was accepted or refused."""

    at: float
    interval_s: float | None
    fault: str | None
    """Reason of the refusal; None for an accepted telegram."""


@dataclass(frozen=True, slots=True)
class TelegramView:
    """The newest telegram of a meter, and the results of the last telegrams."""

    meter: str
    is_masked: bool
    """True when identifiers are masked. The checksum then does not match the text."""
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
    """Oldest first. There is no bucket for a time without telegrams."""


@dataclass(frozen=True, slots=True)
class AdviceView:
    """The likely mistake in a request."""

    mistake: str
    instead: int | None
    register: str | None


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request and its response."""

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
    """First registers of the response, in hexadecimal."""
    advice: AdviceView | None


@dataclass(frozen=True, slots=True)
class ClientView:
    """A client that is connected, or that recently sent a request over UDP or a serial line."""

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
    """Exception responses to the newest requests."""


@dataclass(frozen=True, slots=True)
class Requests:
    """The clients and their newest requests."""

    clients: list[ClientView]
    requests: list[RequestView]
    """Newest first."""


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
