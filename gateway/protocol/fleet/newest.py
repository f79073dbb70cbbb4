"""The order of one meter's telegrams, whichever edge and broker they come from: nothing comes twice or runs backwards.

Telegrams of one edge are ordered by the number of its start (`boot`), and by their own number since (`seq`). The copy
from a second broker has the same numbers. Numbers that are lower belong to an old telegram, or to an edge that has lost
the count of its starts. A tick tells them apart: a telegram that was sent after the last one arrived is not old.
Higher numbers with an older tick belong to an earlier start of such an edge.

Telegrams of two edges at one meter are ordered by the meter's clock. If that does not show which one is newer, the
other edge's telegram counts as newer only if it was written after the last one arrived. A telegram of another meter is
never taken from another edge: somebody publishes under a wrong name. Neither is it taken from another start of the same
edge while the first meter goes on: then two gateways have the same name, such as after a memory card was copied.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

RESTARTED_AFTER_S = 5.0
"""Silence of an edge after which lower numbers may be those of a new start whose number it has lost."""
REPLACED_AFTER_S = 300.0
"""Silence of a meter after which a new start of its edge may publish another one: replacing a meter takes longer."""
MAX_EDGES = 8
"""Largest number of edges of one meter that are kept apart."""
NEVER = float("-inf")


class Order(Enum):
    """The place of a telegram among those before."""

    NEWER = "newer"
    """It is the newest."""
    COPY = "copy"
    """It came before, perhaps from another broker."""
    OLDER = "older"
    """A newer one came before."""
    OTHER_METER = "other meter"
    """Another edge, or a second one of the same name, publishes the telegrams of another meter under this name."""


class Stamp(NamedTuple):
    """The content of a telegram that counts between two edges."""

    clock: int | None
    """Time stamp in UTC seconds; None without one."""
    identity: str
    """Name that the meter gives itself."""


class Numbers(NamedTuple):
    """The numbers of a telegram."""

    edge: str
    boot: int
    seq: int


class _Known(NamedTuple):
    """The newest telegram of an edge."""

    numbers: tuple[int, int]
    """The numbers of the edge's start and of the telegram."""
    arrived: float
    sent_after: float

    def follows(self, before: _Known) -> bool:
        """Return whether this telegram of the same edge is newer."""
        if self.numbers > before.numbers and self.sent_after >= before.sent_after:
            return True
        return self.sent_after > before.arrived and self.arrived - before.arrived >= RESTARTED_AFTER_S


class Newest:
    """The newest telegram of one meter."""

    __slots__ = ("_arrived", "_edges", "edge")

    def __init__(self) -> None:
        self._edges: dict[str, _Known] = {}
        self._arrived = NEVER
        self.edge = ""
        """The edge whose telegram is the newest; empty before the first one."""

    def take(
        self,
        numbers: Numbers,
        arrived: float,
        sent_after: float,
        written_after: float,
        stamps: Callable[[], tuple[Stamp, Stamp | None]],
    ) -> Order:
        """Return the place of a telegram, and remember it.

        Args:
            numbers: its edge and numbers.
            arrived: the moment of its arrival.
            sent_after: the moment after which its edge certainly sent it.
            written_after: the moment after which the meter wrote it, as far as the edge knows.
            stamps: returns its stamp and that of the telegram in use, if any; called for another edge or start only.

        """
        item = _Known((numbers.boot, numbers.seq), arrived, sent_after)
        known = self._edges.get(numbers.edge)
        if known and (refused := self._refused(numbers.edge, item, known, stamps)):
            return refused
        self._remember(numbers.edge, item)
        if self.edge not in ("", numbers.edge):
            order = self._between_edges(written_after, *stamps())
            if order is not Order.NEWER:
                return order
        self.edge, self._arrived = numbers.edge, arrived
        return Order.NEWER

    def _refused(
        self, edge: str, item: _Known, known: _Known, stamps: Callable[[], tuple[Stamp, Stamp | None]]
    ) -> Order | None:
        """Return why a telegram of an edge is not used after its newest one; None if it may be."""
        if not item.follows(known):
            return Order.COPY if item.numbers == known.numbers else Order.OLDER
        is_same_start = item.numbers[0] == known.numbers[0]
        if is_same_start or edge != self.edge or item.arrived - known.arrived >= REPLACED_AFTER_S:
            return None
        new, used = stamps()
        return Order.OTHER_METER if used and new.identity != used.identity else None

    def _remember(self, edge: str, known: _Known) -> None:
        if edge not in self._edges and len(self._edges) >= MAX_EDGES:
            others = [each for each in self._edges if each != self.edge]
            del self._edges[min(others, key=lambda each: self._edges[each].arrived)]
        self._edges[edge] = known

    def _between_edges(self, written_after: float, new: Stamp, used: Stamp | None) -> Order:
        if used is None:
            return Order.NEWER
        if new.identity != used.identity:
            return Order.OTHER_METER
        is_later = new.clock is not None and used.clock is not None and new.clock > used.clock
        return Order.NEWER if is_later or written_after > self._arrived else Order.OLDER
