"""The verdict of a timeline on one telegram, and on the line as a whole."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from gateway.protocol.p1.age.counters import Counters

LATE_S = 1.5
"""Smallest delay that counts, in seconds: 1 s is the granularity of a P1 time stamp, the rest is jitter."""


class Kind(Enum):
    """The kind of a verdict."""

    FRESH = "fresh"
    """New, and in time."""
    LATE = "late"
    """New, but at least `LATE_S` late. It is shown, and its age includes the delay."""
    PENDING = "pending"
    """It may be part of a backlog. It is shown later, if no other telegram follows before."""
    WAITING = "waiting for confirmation"
    """Its clock does not fit the clock so far; the next telegrams decide."""
    REPEAT = "repeat"
    """The same measurement as the telegram before."""
    REPLAY = "replay"
    """A telegram of the past."""
    OTHER_METER = "other meter"
    """It comes from another meter than the one whose readings are shown."""


class Verdict(NamedTuple):
    """The verdict on one telegram. Moments are seconds of the caller's monotonic clock."""

    token: int
    """The number of the telegram, counted from 1 by the timeline."""
    kind: Kind
    measured: float | None = None
    """The moment at which the meter wrote it; None if that is not known."""
    delay: float = 0.0
    """Seconds between that moment and its arrival."""
    is_shown: bool = False
    """True if the readings of this telegram are served from now on."""


class Shown(NamedTuple):
    """The telegram that is served."""

    token: int
    measured: float
    """The moment at which the meter wrote it, from which its age counts."""


class MachineClock(NamedTuple):
    """This machine's clock when a telegram arrived."""

    unix: float
    """UTC seconds."""
    is_synchronised: Callable[[], bool]
    """Returns whether this clock is correct. That costs a system call, so it is called for late telegrams only."""


class Arrival(NamedTuple):
    """One telegram as it came in."""

    token: int
    arrived: float
    """The moment at which its last byte was read."""
    clock: int | None
    """The meter's time stamp in UTC seconds."""
    counters: Counters
    text: int
    """A hash of its bytes."""
    is_first: bool
    """True for the first telegram of a new connection."""
    machine_clock: MachineClock | None


class Condition(Enum):
    """The state of a meter's line, for the status under the P1 port."""

    STARTING = "starting"
    """The clock is not known for long enough to know delays."""
    BY_ARRIVAL = "by arrival"
    """There is no clock, or it stands still: delays are not known."""
    IN_TIME = "in time"
    LATE = "late"
    """Telegrams come late."""
    LATE_OR_CLOCK_SET = "late, or the meter's clock was set back"
    """It is one of the two, and nothing shows which."""
    REPEATING = "repeating"
    """The source repeats itself."""
    REPLAYING = "replaying"
    """The source sends telegrams of the past."""
    CLOCK_CHANGED = "clock changed"
    """The clock has changed, and is not confirmed yet."""
