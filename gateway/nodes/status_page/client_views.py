"""The data about clients, as JSON: their requests, the values that they got, and their likely mistakes."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.nodes.status_page.labels import LabelView


@dataclass(frozen=True, slots=True)
class AdviceView:
    """The likely mistake in a request."""

    mistake: str
    instead: int | None
    register: str | None
    is_mistake: bool
    """False if the client does nothing wrong."""
    change: LabelView
    """Sentence about the change in the client."""
    reason: LabelView


@dataclass(frozen=True, slots=True)
class ValueView:
    """The value of a register as it was sent."""

    name: str
    value: str | None
    """None for an absent value."""
    unit: str | None
    bits: list[str] = field(default_factory=list)
    """Names of the bits that are set, for a register of bits."""
    unix_time: int | None = None
    """The value of a register that holds a time."""


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request and its response."""

    at: float
    server: str
    client: str
    host: str
    unit_id: int
    function_code: int
    address: int | None
    count: int | None
    exception: int | None
    is_answered: bool
    words: str
    """First registers of the response, in hexadecimal."""
    values: list[ValueView]
    """First values of the response, decoded by the register map of the unit."""
    more_values: int
    """Number of values that are not among `values`."""
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
class HostView:
    """All clients of one host, however often they connect, or the readers of passthroughs of one host."""

    host: str
    """Address of the host; the device for a client on a serial line."""
    kind: str
    """`modbus`, or `passthrough` for a host that gets telegrams."""
    state: str
    """`ok`, `mistake`, `stale` while it gets no values because its meter is offline, or `idle` without requests."""
    server: str
    """Node that served it last."""
    servers: list[str]
    transport: str
    meter: str | None
    """Meter of its newest request."""
    meters: list[str]
    connections: int
    """Number of open connections."""
    requests_per_s: float | None
    """For a passthrough, telegrams per second."""
    last_at: float | None
    name: str = ""
    """The client that it probably is, by the register map that it reads; empty if many clients read that map."""
    role: str = ""
    """Role in the certificate of the client; empty without one."""
    unit_id: int | None = None
    map: str | None = None
    answers: int | None = None
    """Responses so far; None for a passthrough, as `errors` and `mistakes`."""
    errors: int | None = None
    """Exception responses to its newest requests."""
    mistakes: int | None = None
    """Number of its newest requests that are likely a mistake."""
    function_code: int | None = None
    address: int | None = None
    count: int | None = None
    reads: str = ""
    """Names of the first registers that it reads."""
    values: list[ValueView] = field(default_factory=list)
    """First values of its newest response."""
    more_values: int = 0
    exception: int | None = None
    """Exception that its newest request got."""
    is_answered: bool = True


@dataclass(frozen=True, slots=True)
class HostAdviceView:
    """A likely mistake that a host has repeated."""

    host: str
    name: str
    server: str
    unit_id: int
    function_code: int
    address: int | None
    count: int | None
    exception: int | None
    times: int
    """Number of such requests among the newest."""
    last_at: float
    advice: AdviceView


@dataclass(frozen=True, slots=True)
class Hosts:
    """The hosts of all clients, those with a mistake first."""

    at: float
    requests_per_s: float
    advices: list[HostAdviceView]
    """Newest first."""
    hosts: list[HostView]
    more_hosts: int
    """Number of hosts that are not among `hosts`."""
