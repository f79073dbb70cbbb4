"""Fuzzes the age of readings: `python -m fuzz.timeline [OPTION...] fuzz/corpus/timeline`."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from fuzz.harness import Source, fuzz
from gateway.protocol.p1.age.timeline import Timeline
from gateway.protocol.p1.age.verdict import Kind, MachineClock
from tests.protocol.p1.age.scenarios import CLOCK_KINDS, GRACE_S, LINK_KINDS, SETTLED, STALE_AT_MOST_S, judge, plan

MAX_ARRIVALS = 80
IN_TIME_S = 1.0
"""Largest delay of a line without a fault."""
FAULTS = (*LINK_KINDS, *CLOCK_KINDS, "plain_lossy", "two_links")
"""Faults for which both properties hold with each seed of `benchmarks.ages`."""


class Dice(Random):
    """A generator whose numbers are those of an input; when it has ended, those of a fixed seed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        super().__init__(0)

    def random(self) -> float:
        """Return a number from 0 to 1, without 1."""
        return super().random() if self._source.is_empty else self._source.number(0xFFFF) / 0x10000

    def getrandbits(self, k: int) -> int:
        """Return a number of `k` bits."""
        return super().getrandbits(k) if self._source.is_empty else self._source.number((1 << k) - 1)


def check(data: bytes) -> None:
    """Check that no reading is fresh that is more than 1.5 s older than the limit, whatever the line or the clock does.

    This holds after ten telegrams in time, for one fault of the line or clock, or two of the line; and no meter in
    time is stale because of its clock for more than 15 s, or than its clock was set back. Telegrams without any order
    get a verdict, and what is shown came from the meter that is shown, and counts as measured before it came.
    """
    source = Source(data)
    kind = source.number(len(FAULTS))
    if kind == len(FAULTS):
        check_any_arrivals(source)
        return
    made = plan(0, FAULTS[kind], Dice(source))
    first = made.scenario.deliveries[: SETTLED + 1]
    if any(delivery.at - delivery.telegram.at > IN_TIME_S for delivery in first):
        return  # a delay from the very start cannot be seen (docs/fail-safe.md)
    outcome = judge(made.scenario)
    assert outcome.too_old <= GRACE_S, made.scenario.note
    clocks = [delivery.telegram.clock or 0 for delivery in made.scenario.deliveries]
    # While nothing in the house changes, a clock that was set back sends what it has sent before.
    set_back = max(before - after for before, after in pairwise(clocks))
    assert not made.has_p2 or outcome.longest_stale <= max(STALE_AT_MOST_S, set_back), made.scenario.note


def check_any_arrivals(source: Source) -> None:
    """Check arrivals of telegrams that need not come from any meter."""
    cadence = source.pick((1, 2, 5, 10))
    timeline, twin = (Timeline(cadence, 3.5 * cadence) for _ in range(2))
    now = 0.0
    identities: dict[int, str] = {}
    for _ in range(MAX_ARRIVALS):
        if source.is_empty:
            break
        kind = source.number(255)
        now += source.number(255) / (64 if kind & 1 else 8)
        clock = (None, source.number(63), int(now) + source.number(3), source.number(2**33))[kind >> 1 & 3]
        identity, is_first = "AABC"[kind >> 3 & 3], kind & 128 > 0
        counters = tuple(None if each == 7 else each for each in source.take(kind >> 5 & 3))
        machine = MachineClock(1e9 + source.number(255), lambda: True) if kind & 64 else None
        text = source.number(3)
        verdict = timeline.take(now, clock, identity, counters, text, is_first, machine)
        assert verdict == twin.take(now, clock, identity, counters, text, is_first, machine)
        identities[verdict.token] = identity
        assert verdict.delay >= 0
        assert verdict.kind is not Kind.OTHER_METER or identity != timeline.identity
        check_shown(timeline, now, identities)


def check_shown(timeline: Timeline, now: float, identities: dict[int, str]) -> None:
    """Check what is shown now and later, if nothing else comes."""
    for moment in (now, now + 100):
        shown = timeline.shown_at(moment)
        assert shown is None or shown.measured <= now
        assert shown is None or identities[shown.token] == timeline.identity
    due = timeline.next_change
    assert (due is None) == (timeline.pending is None)
    later = None if due is None else timeline.shown_at(due)
    assert due is None or (later is not None and later.token == timeline.pending)


if __name__ == "__main__":
    fuzz(__file__)
