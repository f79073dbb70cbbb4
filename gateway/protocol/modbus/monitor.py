"""What clients asked for and what they were answered."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from gateway.protocol.registers.register import manual_number

RECENT_REQUESTS = 1000
MAX_COUNTERS = 1000
"""Of one kind. Past it, what a scanner asks is counted in one sum."""
OTHER = -1
"""Stands for the unit ids, functions and exceptions of that sum."""
MAX_CLIENTS = 1000
"""Whose answers are counted, unless more are connected."""
CLIENTS_GIVEN_UP = 100
"""At a time, so that a crowd of new ones is not compared with all others one by one."""


class Exchange(NamedTuple):
    """One request and its answer."""

    at: float
    """On the monotonic clock, in seconds."""
    client: str
    unit_id: int
    request: bytes
    """The PDU."""
    answer: bytes | None
    """The PDU, None where none was given."""

    def __str__(self) -> str:
        function_code = self.request[0]
        asked = f"FC{function_code:02}"
        if function_code in (3, 4) and len(self.request) == 5:
            address, count = (int.from_bytes(self.request[i : i + 2], "big") for i in (1, 3))
            asked += f" address {address} ({manual_number(address, function_code)}) count {count}"
        return f"{self.client} unit {self.unit_id} {asked}: {_outcome(self.answer)}"


def _outcome(answer: bytes | None) -> str:
    if answer is None:
        return "no answer"
    return f"exception 0x{answer[1]:02X}" if answer[0] & 0x80 else f"{len(answer) - 2} bytes {answer[2:].hex(' ', 2)}"


ExchangeRecord = tuple[int, bytes, bytes | None]
"""The unit id, request and answer of an `Exchange`."""


class Tally:
    """How often something was asked; whoever counts keeps it at hand, as looking it up costs more than counting."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


class CountedClient:
    """A client, as far as it is counted; whoever serves it keeps it at hand."""

    __slots__ = ("answers", "at", "is_connected", "name")

    def __init__(self, name: str, at: float) -> None:
        self.name = name
        self.answers = 0
        """How many it got."""
        self.at = at
        """When it last sent something."""
        self.is_connected = False
        """Then it is not given up."""


class Monitor:
    """Counts requests and keeps the newest; cheap enough to be always on."""

    def __init__(self) -> None:
        self.recent: deque[tuple[float, CountedClient, ExchangeRecord]] = deque(maxlen=RECENT_REQUESTS)
        """The fields of the newest exchanges, oldest first: few, as this is written at every request."""
        self.exceptions: Counter[tuple[int, int, int]] = Counter()
        """By unit id, function code and exception code."""
        self._clients: dict[str, CountedClient] = {}
        self._requests: dict[tuple[int, int], Tally] = {}

    @property
    def requests(self) -> Counter[tuple[int, int]]:
        """How many so far, by unit id and function code."""
        return Counter({asked: tally.number for asked, tally in self._requests.items()})

    @property
    def answers(self) -> dict[str, int]:
        """How many so far, by client."""
        return {name: client.answers for name, client in self._clients.items()}

    @property
    def noted(self) -> int:
        """Requests so far."""
        return sum(tally.number for tally in self._requests.values())

    def tally_of(self, unit_id: int, function_code: int) -> Tally:
        """What counts the requests for a unit id and function code."""
        asked = (unit_id, function_code)
        if asked not in self._requests and len(self._requests) >= MAX_COUNTERS:
            asked = (OTHER, OTHER)
        return self._requests.setdefault(asked, Tally())

    def client(self, name: str, at: float) -> CountedClient:
        """What counts the answers to a client that sends now and then."""
        return self._clients.get(name) or self._enrol(name, at)

    def connect(self, name: str, at: float) -> CountedClient:
        """What counts the answers to a client until its connection ends, which it is told then."""
        client = self._enrol(name, at)
        client.is_connected = True
        return client

    def _enrol(self, name: str, at: float) -> CountedClient:
        """Count a new client's answers; of those not connected, the ones silent longest are given up for it."""
        if len(self._clients) >= MAX_CLIENTS:
            gone = (client for client in self._clients.values() if not client.is_connected)
            for silent in sorted(gone, key=lambda client: client.at)[:CLIENTS_GIVEN_UP]:
                del self._clients[silent.name]
        client = self._clients[name] = CountedClient(name, at)
        return client

    def note(self, at: float, client: CountedClient, unit_id: int, request: bytes, answer: bytes | None) -> None:
        """Take down one exchange."""
        self.recent.append((at, client, (unit_id, request, answer)))
        self.tally_of(unit_id, request[0]).number += 1
        if answer is not None and answer[0] & 0x80:
            refused = (unit_id, request[0], answer[1])
            is_counted = refused in self.exceptions or len(self.exceptions) < MAX_COUNTERS
            self.exceptions[refused if is_counted else (OTHER, OTHER, OTHER)] += 1

    def newest(self) -> Iterator[Exchange]:
        """The newest exchanges, newest first."""
        return (Exchange(at, client.name, *said) for at, client, said in reversed(self.recent))

    def since(self, noted: int) -> list[Exchange]:
        """The exchanges after the first `noted` ones, oldest first, as far as they are kept."""
        fresh = max(0, self.noted - noted)
        return list(islice(self.newest(), fresh))[::-1]
