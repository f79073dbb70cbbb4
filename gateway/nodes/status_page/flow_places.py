"""The places of the nodes of the flow: columns from the meters to the clients, and rows.

The telegrams of each meter have rows of their own. Its register maps, passthroughs and the page are under each other,
and what feeds them is beside the middle of the maps. Servers and clients are beside what feeds them. On a phone, the
nodes are in one column: each below the node that feeds it, so that no wire crosses a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

COLUMNS = {
    **dict.fromkeys(("push listener", "MQTT receiver"), 0),
    **dict.fromkeys(("P1 port", "simulated meter", "MQTT meter"), 1),
    "decryption": 2,
    "DSMR parser": 3,
    **dict.fromkeys(("register map", "passthrough", "status page"), 4),
    **dict.fromkeys(("MQTT broker", "client"), 6),
}
"""The column of each kind of node; that of other kinds is `SERVER`."""
LISTENER, SOURCE, LEAF, SERVER, CLIENT = 0, 1, 4, 5, 6
LEAVES = ("register map", "passthrough", "status page")
"""The kinds of the nodes that the telegrams of a meter end in, in the order of their rows."""
DEPTHS = (0, 0, 1, 1, 2, 3, 4)
"""Indentation of a node of each column on a phone."""

Pair = tuple[str, str]
"""The names of the nodes at the ends of a wire."""


@dataclass(frozen=True, slots=True)
class PlaceView:
    """The place of a node."""

    name: str
    column: int
    """From 1, without columns that are empty."""
    row: int
    """From 1, in halves of the height of a node."""
    depth: int
    """Indentation on a phone."""
    parent: str | None
    """The node above it that feeds it on a phone."""


def column_of(kind: str) -> int:
    """Return the column of a kind of node."""
    return COLUMNS.get(kind, SERVER)


def places(kinds: Mapping[str, str], wires: Sequence[Pair]) -> list[PlaceView]:
    """Return the places of nodes, in their order on a phone; `kinds` has the kind of each by its name."""
    columns = {name: column_of(kind) for name, kind in kinds.items()}
    used = sorted(set(columns.values()))
    rows = _Rows(kinds, columns, wires).found()
    top = min(rows.values(), default=0)
    return [
        PlaceView(name, 1 + used.index(columns[name]), 1 + round(2 * (rows[name] - top)), depth, parent)
        for name, depth, parent in _below_each_other(kinds, columns, wires)
    ]


class _Rows:
    """The rows of nodes while they are found."""

    def __init__(self, kinds: Mapping[str, str], columns: Mapping[str, int], wires: Sequence[Pair]) -> None:
        self._kinds, self._columns, self._wires = kinds, columns, wires
        self._rows: dict[str, float] = {}

    def found(self) -> dict[str, float]:
        following = 0
        for source in self._in(SOURCE):
            following = self._place_meter(source, following)
        for name, column in self._columns.items():
            if column < SERVER and name not in self._rows:
                self._rows[name] = 0 if column == LISTENER else following
                following += column != LISTENER
        # A wire from a passthrough to its readers goes straight past the servers.
        passing = [
            self._rows[source]
            for source, target in self._wires
            if self._kinds[source] == "passthrough" and self._columns[target] == CLIENT
        ]
        self._settle(self._in(SERVER), following, passing)
        self._settle(self._in(CLIENT), following, None)
        return self._rows

    def _in(self, column: int) -> list[str]:
        return [name for name, each in self._columns.items() if each == column]

    def _place_meter(self, source: str, first: int) -> int:
        """Give rows from `first` on to the nodes that the telegrams of a source pass; return the next row."""
        found = [source]
        for name in found:
            if self._columns[name] < LEAF:
                found += [
                    each for each in _fed_by(name, self._wires) if self._columns[each] <= LEAF and each not in found
                ]
        leaves = [name for name in found if self._columns[name] == LEAF and name not in self._rows]
        leaves.sort(key=lambda name: LEAVES.index(self._kinds[name]))
        maps = max(1, sum(self._kinds[name] == "register map" for name in leaves))
        self._rows |= {name: first + index for index, name in enumerate(leaves)}
        self._rows |= {name: first + (maps - 1) / 2 for name in found if self._columns[name] < LEAF}
        return first + max(1, len(leaves))

    def _settle(self, names: Iterable[str], last: int, passing: Sequence[float] | None) -> None:
        """Put nodes beside what feeds them, and move them down where one is already.

        `passing` are rows without a server; clients (None) are around the middle of their feeder instead.
        """
        groups: dict[str | None, list[str]] = {}
        for name in names:
            feeders = [source for source, target in self._wires if target == name and source in self._rows]
            groups.setdefault(feeders[0] if feeders else None, []).append(name)
        wanted = []
        for feeder, group in groups.items():
            row = self._rows[feeder] if feeder else last
            first = max(0, row - (len(group) - 1) / 2) if passing is None else row
            wanted += [(first + index, name) for index, name in enumerate(group)]
        least = 0.0
        for row, name in sorted(wanted, key=lambda each: each[0]):
            place = max(least, row)
            while any(abs(each - place) < 0.75 for each in passing or ()):
                place += 0.5
            self._rows[name] = place
            least = place + 1


def _fed_by(name: str, wires: Sequence[Pair]) -> Iterator[str]:
    return (target for source, target in wires if source == name)


def _below_each_other(
    kinds: Mapping[str, str], columns: Mapping[str, int], wires: Sequence[Pair]
) -> list[tuple[str, int, str | None]]:
    """Return the nodes in their order on a phone, each with its indentation and the node that feeds it."""
    feeders: dict[str, list[str]] = {}
    for source, target in wires:
        feeders.setdefault(target, []).append(source)
    found: dict[str, tuple[str, int, str | None]] = {}

    def meter_of(name: str) -> str | None:
        return next(iter(feeders.get(name, ())), None)

    def take(name: str, parent: str | None) -> None:
        if name in found:
            return
        follows_passthrough = columns[name] == CLIENT and parent is not None and kinds[parent] == "passthrough"
        found[name] = name, DEPTHS[SERVER if follows_passthrough else columns[name]], parent
        for target in _fed_by(name, wires):
            # A server is below the last map of its first meter.
            beside = [each for each in feeders[target] if meter_of(each) == meter_of(feeders[target][0])]
            if kinds[name] != "register map" or beside[-1] == name:
                take(target, name)

    for name in sorted(kinds, key=lambda each: columns[each] != SOURCE):
        take(name, None)
    return list(found.values())
