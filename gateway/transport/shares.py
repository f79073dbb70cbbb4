"""Fair shares: the connections that may be closed for a new one when a listener is full.

Connections are counted by their source (`addresses.source_of`). The source that would have the most connections,
counting the new one, gives one up. If that is also true of the new connection's own source, it is the source that
gives one up. If each source has only one connection and the new one comes from yet another, any may go.

So a single source may use all the room while nobody else asks for it, and then returns it one by one. A source with
less than its share always gets in while another has more than its share, and two sources with the same number never
take turns in closing each other's connections.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

C = TypeVar("C")


class TurnedAway(StrEnum):
    """The reasons why a client is refused or closed."""

    NOT_ALLOWED = "not in allow"
    FULL = "max_clients"
    FEW_DESCRIPTORS = "few file descriptors"
    HANDSHAKE = "TLS handshake"
    EVICTED = "closed for a new one"
    UNFAIR = "closed for another address"


@dataclass(frozen=True, slots=True)
class Room(Generic[C]):
    """The connections that may be closed for a new one, in the order of the mapping; none if there is none at all."""

    candidates: list[C]
    is_owed: bool
    """True if the new connection's source has less than the source that gives one up: no rule may refuse it then."""
    source: Hashable
    """The source of the first candidate; None without any."""


def room_for(source: Hashable, connected: Mapping[C, Hashable]) -> Room[C]:
    """Return which of the connections may be closed for a new one from `source`.

    Args:
        source: the source of the new connection.
        connected: each connection that may be closed at all, with its source.

    """
    counts = Counter(connected.values())
    most, own = max(counts.values(), default=0), counts[source]
    # Its own source gives one up, also if another has just as many.
    gives_own = own > 0 and own + 1 >= most
    leaving = {source} if gives_own else {each for each, count in counts.items() if count == most}
    candidates = [each for each, its_source in connected.items() if its_source in leaving]
    return Room(candidates, own + 1 < most, connected[candidates[0]] if candidates else None)


def turned_away_details(name: str, turned_away: Counter[TurnedAway]) -> dict[str, int]:
    """Return the counts of refused and closed connections as details of a node; `name` is what it calls them."""
    return {f"{name}_turned_away ({reason.value})": count for reason, count in sorted(turned_away.items())}
