"""The reasons for which the guards withhold a reading."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from gateway.protocol.p1.obis import Value


class Doubt(StrEnum):
    """Reason to withhold a reading."""

    FELL = "counter fell"
    """A counter is lower than before."""
    LEAPT = "counter leapt"
    """A counter rose faster than the connection can carry."""
    TWO_WAYS = "import and export at once"
    """A meter without checksum sends import and export, both above zero."""
    JUMPED = "power jumped"
    """The power of a meter without checksum changed, and its counters do not show that."""
    PHASES = "phases differ from total"
    """The powers of the phases of a meter without checksum do not add up to its total, as they did before."""
    NEW_METER = "new M-Bus meter"
    """Another meter is on an M-Bus channel, in one telegram so far."""
    TARIFF = "no such tariff"
    """A meter without checksum sends the number of a tariff that it has no counter for."""
    PAST_MONTH = "peak of a past month"
    """The highest demand of this month has a time in an earlier month."""


class Withheld(NamedTuple):
    """A reading that is withheld."""

    name: str
    doubt: Doubt
    old: Value | None
    """Last accepted value in the base unit."""
    new: Value | None
    """Value of the telegram in the base unit."""
    unit: str | None = None


_TWICE = "It is absent until the meter has sent it twice"
_NEXT = "The powers are absent until the next telegram agrees"
REMEDIES = {
    Doubt.FELL: _TWICE,
    Doubt.LEAPT: _TWICE,
    Doubt.NEW_METER: "It is absent until a second telegram has the same M-Bus meter",
    Doubt.TWO_WAYS: _NEXT,
    Doubt.JUMPED: _NEXT,
    Doubt.PHASES: _NEXT,
    Doubt.PAST_MONTH: "It is absent until the meter sends a peak of this month",
    Doubt.TARIFF: "It is absent until the meter sends a tariff that it has a counter for",
}
"""Reason to withhold a reading → what happens to it."""
