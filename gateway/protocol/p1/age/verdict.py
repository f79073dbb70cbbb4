"""The verdict of a timeline on one telegram, and on the line as a whole."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from gateway.protocol.p1.age.counters import Counters

LATE_S = 1.5
"""A smaller delay does not count as one: 1 s is the granularity of a P1 time stamp, the rest its wander."""


class Kind(Enum):
    """The result of judging a telegram."""

    FRESH = "fresh"
    """New, and in time."""
    LATE = "late"
    """New, but held up on the way by at least `LATE_S`; it is shown, and its age includes the delay."""
    PENDING = "pending"
    """It may be part of a backlog; it is shown if no other telegram follows before it is ripe."""
    WAITING = "waiting for confirmation"
    """Its clock does not fit the clock so far; the next telegrams decide."""
    REPEAT = "repeat"
    """The same measurement as the telegram before."""
    REPLAY = "replay"
    """A telegram of the past."""
    OTHER_METER = "other meter"
    """It comes from another meter than the one whose readings are shown."""


class Verdict(NamedTuple):
    """The judgement of one telegram. Moments are seconds on the caller's monotonic clock."""

    token: int
    """The number of the telegram, counted from 1 by the timeline."""
    kind: Kind
    measured: float | None = None
    """The moment at which the meter wrote it; None where that is not known."""
    delay: float = 0.0
    """Seconds between that moment and its arrival."""
    is_shown: bool = False
    """The readings of this telegram are the ones to serve from now on."""


class Shown(NamedTuple):
    """The telegram that is served."""

    token: int
    measured: float
    """The moment at which the meter wrote it, from which its age counts."""


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
    """It is the first one of a new connection."""
    machine_clock: float | None
    """The synchronised clock of this machine at the arrival, in UTC seconds; None where it is not synchronised."""


class Condition(Enum):
    """The state of a meter's line, for the status under the P1 port."""

    STARTING = "starting"
    """The clock has not been followed for long enough to know delays."""
    BY_ARRIVAL = "by arrival"
    """There is no clock, or it stands still: a delay cannot be seen."""
    IN_TIME = "in time"
    LATE = "late"
    """Telegrams come late."""
    LATE_OR_CLOCK_SET = "late, or the meter's clock was set back"
    """Nothing tells which of the two it is."""
    REPEATING = "repeating"
    """The source repeats itself."""
    REPLAYING = "replaying"
    """The source sends telegrams of the past."""
    CLOCK_CHANGED = "clock changed"
    """The clock has changed, and is watched before it is trusted again."""
