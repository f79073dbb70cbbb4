"""The telegrams that were seen: for each time stamp of the last hour, the hashes of its two newest texts.

At night a meter may send the same counters for hours. Then only the bytes of a telegram show whether it is an old one.
Two texts are kept for each stamp. After a clock was set back, each stamp comes a second time, and a replay of the first
time must still be recognised.

The memory is a ring over the meter's clock, packed in arrays: six bytes a slot, and four more from the first stamp on
that comes with a second text. 4,096 slots of one second cover the hour of a change to winter time in 24 kB (40 kB). A
meter that writes each ten seconds needs a slot for each ten seconds; 512 of them cover 85 minutes in 4 kB (6 kB).
"""

from __future__ import annotations

from array import array
from enum import Enum

FAST_SLOTS, SLOW_SLOTS = 4096, 512
SLOW_CADENCE_S = 10
"""From this cadence on, a slot stands for ten seconds."""
REACH_S = 4096
"""Seconds of the meter's clock for which each telegram is recognised."""
BETWEEN = 1.2
"""Largest distance of two neighbouring stamps, in cadences: the meter wrote no stamp between them."""

_EMPTY = 0xFFFF
"""Turn of a slot without a stamp, which equals the turn of no stamp."""
_CROWDED = 0x8000
"""Flag of a stamp that came with more texts than are kept."""
_TURNS = 0x7FFF
"""Number of turns of the ring, after which their count begins again: more than four years."""
_TEXT = 0xFFFF_FFFF


class Seen(Enum):
    """The content of the memory for a stamp and a text."""

    NEVER = 0
    """The stamp is new."""
    COPY = 1
    """The stamp came with this text."""
    REUSED = 2
    """The stamp came before, always with other texts: the meter writes it a second time."""
    CROWDED = 3
    """The stamp came with more texts than are kept; this may be one of them."""


class TextMemory:
    """The stamps and texts of one meter's newest telegrams."""

    def __init__(self, cadence_s: float) -> None:
        self._widest_s = BETWEEN * cadence_s
        self._seconds = SLOW_CADENCE_S if cadence_s >= SLOW_CADENCE_S else 1
        self._slots = SLOW_SLOTS if cadence_s >= SLOW_CADENCE_S else FAST_SLOTS
        self._turn = array("H", [_EMPTY]) * self._slots
        self._newest = array("I", [0]) * self._slots
        self._older: array[int] | None = None
        """The text before the newest one; None while no stamp has come with two texts."""
        self._offset = bytearray(self._slots) if self._seconds > 1 else None

    @property
    def size_bytes(self) -> int:
        """Return the memory that the slots take, in bytes."""
        arrays = (self._turn, self._newest, *([self._older] if self._older else []))
        return sum(len(each) * each.itemsize for each in arrays) + len(self._offset or b"")

    def look_up(self, clock: int, text: int) -> Seen:
        """Return what the memory holds for this stamp and this text."""
        turn, slot = self._place(clock)
        kept = self._turn[slot]
        if kept & _TURNS != turn or (self._offset and self._offset[slot] != clock % self._seconds):
            return Seen.NEVER
        text &= _TEXT
        if text == self._newest[slot] or (self._older and text == self._older[slot]):
            return Seen.COPY
        return Seen.CROWDED if kept & _CROWDED else Seen.REUSED

    def remember(self, clock: int, text: int) -> None:
        """Keep a telegram that is not a copy."""
        turn, slot = self._place(clock)
        text &= _TEXT
        if self._turn[slot] & _TURNS != turn or (self._offset and self._offset[slot] != clock % self._seconds):
            self._turn[slot] = turn
            if self._older is not None:
                self._older[slot] = text
            if self._offset is not None:
                self._offset[slot] = clock % self._seconds
        else:
            if self._older is None:
                self._older = array("I", self._newest)
            if self._older[slot] != self._newest[slot]:
                self._turn[slot] |= _CROWDED
            self._older[slot] = self._newest[slot]
        self._newest[slot] = text

    def is_between(self, clock: int) -> bool:
        """Return whether this stamp is between two neighbouring stamps that the meter wrote before."""
        if self._offset is None:
            return False
        nearby = [stamp for step in (-1, 0, 1) if (stamp := self._stamp_near(clock, step)) is not None]
        before = [stamp for stamp in nearby if stamp < clock]
        after = [stamp for stamp in nearby if stamp > clock]
        return bool(before and after) and min(after) - max(before) <= self._widest_s

    def _stamp_near(self, clock: int, step: int) -> int | None:
        """Return the stamp that is kept for the ten seconds before, of, or after this one."""
        assert self._offset is not None
        start = (clock // self._seconds + step) * self._seconds
        turn, slot = self._place(start)
        return start + self._offset[slot] if self._turn[slot] & _TURNS == turn else None

    def _place(self, clock: int) -> tuple[int, int]:
        """Return the turn of the ring and the slot of a stamp."""
        turn, slot = divmod(clock // self._seconds, self._slots)
        return turn % _TURNS, slot
