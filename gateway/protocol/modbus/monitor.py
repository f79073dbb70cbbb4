"""The requests of clients and the responses they got: counters, and the newest exchanges.

A monitor is always on, so noting an exchange must cost next to nothing. The server keeps the counters it needs at
hand, and appends plain tuples to a bounded list. Text is made only when somebody looks. Counters are bounded too:
only units that are configured and functions that Modbus defines have counters of their own. A scanner that tries every
unit id and function code adds to the counters of the rest.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from gateway.protocol.modbus.pdu import EXCEPTION_BIT, decode_read, exception_in
from gateway.protocol.registers.register import manual_number

if TYPE_CHECKING:
    from gateway.protocol.modbus.repeat import HeldRequest

RECENT_REQUESTS = 1000
"""Number of exchanges that are kept."""
MAX_COUNTERS = 1000
"""Largest number of counters of one kind. Beyond it, one counter takes the rest."""
OTHER = -1
"""Unit id, function code and exception code under which the rest is counted."""
NAMED_FUNCTIONS = frozenset((*range(1, 9), 11, 12, *range(15, 18), *range(20, 25), 43))
"""Function codes that are counted apart: the public ones (application protocol V1.1b3, 5.1)."""
MAX_CLIENTS = 1000
"""Largest number of clients whose responses are counted, unless more are connected."""
CLIENTS_GIVEN_UP = 100
"""Number of clients that are dropped at a time, so that not each new client is compared with all others."""


class Exchange(NamedTuple):
    """One request and its response."""

    at: float
    """Moment of the response, in seconds of the monotonic clock."""
    client: str
    unit_id: int
    request: bytes
    """The request PDU."""
    response: bytes | None
    """The response PDU; None if there was no response."""

    def __str__(self) -> str:
        asked = f"FC{self.request[0]:02}"
        read = decode_read(self.request)
        if read:
            asked += f" address {read.address} ({manual_number(read.address, read.function_code)}) count {read.count}"
        return f"{self.client} unit {self.unit_id} {asked}: {_outcome(self.response)}"


def _outcome(response: bytes | None) -> str:
    if response is None:
        return "no response"
    exception = exception_in(response)
    if exception is not None:
        return f"exception 0x{exception:02X}"
    return f"{len(response) - 2} bytes {response[2:].hex(' ', 2)}"


ExchangeRecord = tuple[int, bytes, bytes | None]
"""Unit id, request and response of an `Exchange`."""


class Tally:
    """A counter of requests; the server keeps it at hand, because looking it up costs more than counting."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


class CountedClient:
    """The counter of one client's responses; the connection keeps it at hand."""

    __slots__ = ("at", "echo", "held", "is_connected", "name", "responses")

    def __init__(self, name: str, at: float) -> None:
        self.name = name
        self.responses = 0
        """Number of responses it got."""
        self.at = at
        """Moment at which it last sent something."""
        self.is_connected = False
        """True while its connection is open; such a client is not dropped."""
        self.held: HeldRequest | None = None
        """Its request that is held back, if there is one."""
        self.echo = b""
        """The newest frame that was sent to it, on transports where that may come back."""


class Monitor:
    """Counts requests and keeps the newest; cheap enough to be always on."""

    def __init__(self) -> None:
        self.recent: deque[tuple[float, CountedClient, ExchangeRecord]] = deque(maxlen=RECENT_REQUESTS)
        """The newest exchanges, oldest first, in as few fields as possible: this is written at every request."""
        self.exceptions: Counter[tuple[int, int, int]] = Counter()
        """Number of exception responses, by unit id, function code and exception code."""
        self.ignored = 0
        """Number of frames and datagrams that get no response: they are no single request, such as responses of another
        server, or over RTU a later request replaces them."""
        self._named_units: set[int] = set()
        self._clients: dict[str, CountedClient] = {}
        self._requests: dict[tuple[int, int], Tally] = {}

    @property
    def requests(self) -> Counter[tuple[int, int]]:
        """Return the number of requests so far, by unit id and function code."""
        return Counter({asked: tally.number for asked, tally in self._requests.items()})

    @property
    def responses(self) -> dict[str, int]:
        """Return the number of responses so far, by client."""
        return {name: client.responses for name, client in self._clients.items()}

    @property
    def noted(self) -> int:
        """Return the number of requests so far."""
        return sum(tally.number for tally in self._requests.values())

    def name_units(self, unit_ids: Iterable[int]) -> None:
        """Count the requests for these unit ids apart from now on; units that were named stay, so no counter falls."""
        self._named_units.update(unit_ids)

    def tally_of(self, unit_id: int, function_code: int) -> Tally:
        """Return the counter of the requests for a unit id and function code."""
        known = self._requests.get((unit_id, function_code))
        if known:
            return known
        asked = self._counted_as(unit_id, function_code)
        if asked not in self._requests and len(self._requests) >= MAX_COUNTERS:
            asked = (OTHER, OTHER)
        return self._requests.setdefault(asked, Tally())

    def _counted_as(self, unit_id: int, function_code: int) -> tuple[int, int]:
        unit = unit_id if unit_id in self._named_units else OTHER
        return unit, function_code if function_code in NAMED_FUNCTIONS else OTHER

    def client(self, name: str, at: float) -> CountedClient:
        """Return the counter of a client without connection, such as one over UDP."""
        return self._clients.get(name) or self._enrol(name, at)

    def connect(self, name: str, at: float) -> CountedClient:
        """Return the counter of a client with a connection; the caller clears `is_connected` when that ends."""
        client = self._enrol(name, at)
        client.is_connected = True
        return client

    def _enrol(self, name: str, at: float) -> CountedClient:
        """Add a client; if there are too many, drop those without connection that sent nothing for longest."""
        if len(self._clients) >= MAX_CLIENTS:
            gone = (client for client in self._clients.values() if not client.is_connected)
            for oldest in sorted(gone, key=lambda client: client.at)[:CLIENTS_GIVEN_UP]:
                del self._clients[oldest.name]
        client = self._clients[name] = CountedClient(name, at)
        return client

    def note(self, at: float, client: CountedClient, unit_id: int, request: bytes, response: bytes | None) -> None:
        """Keep and count one exchange."""
        self.recent.append((at, client, (unit_id, request, response)))
        self.tally_of(unit_id, request[0]).number += 1
        if response is not None and response[0] & EXCEPTION_BIT:
            refused = (*self._counted_as(unit_id, request[0]), response[1])
            is_counted = refused in self.exceptions or len(self.exceptions) < MAX_COUNTERS
            self.exceptions[refused if is_counted else (OTHER, OTHER, OTHER)] += 1

    def newest(self) -> Iterator[Exchange]:
        """Iterate over the newest exchanges, newest first."""
        return (Exchange(at, client.name, *record) for at, client, record in reversed(self.recent))

    def since(self, noted: int) -> list[Exchange]:
        """Return the exchanges after the first `noted` ones, oldest first, as far as they are kept."""
        fresh = max(0, self.noted - noted)
        return list(islice(self.newest(), fresh))[::-1]
