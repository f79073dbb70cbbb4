"""The clock of one meter, which shows how late each of its telegrams is.

For each telegram, arrival minus stamp is the delay of the line plus a constant, which is the difference of the two
clocks. The smallest difference of the line, `base`, means no delay. The delay of a later telegram is its difference
less the base. The clock may be years wrong; it only has to move.

This does not hold for every stamp. Copies and telegrams of the past are recognised by their bytes and by their
counters. A stamp that does not fit the clock so far starts a candidate, which replaces that clock when it is
confirmed. Until then nothing new is shown, and the age of the last reading grows. A late line and a clock that was
set back may look the same. Then the line counts as late, so that no old number counts as fresh.
"""

from __future__ import annotations

from gateway.protocol.p1.age.baseline import Baseline
from gateway.protocol.p1.age.candidate import NEAR_S, SPAN, WANDER_S, Run, telegrams_needed
from gateway.protocol.p1.age.counters import HighestCounters
from gateway.protocol.p1.age.display import Display
from gateway.protocol.p1.age.lateness import Lateness
from gateway.protocol.p1.age.repeating_source import RepeatingSource
from gateway.protocol.p1.age.season import is_change_to_winter
from gateway.protocol.p1.age.standing import ClockSteps, SameStamp, SharedStamps, StandingClock
from gateway.protocol.p1.age.start import Start
from gateway.protocol.p1.age.text_memory import REACH_S, SLOW_CADENCE_S, Seen, TextMemory
from gateway.protocol.p1.age.verdict import LATE_S, Arrival, Condition, Kind, Verdict

BURST = 0.6
"""Shortest gap without a delay, in cadences. After a shorter one, this telegram or the one before it was held up."""


class MeterClock:
    """The clock of one meter, with what its telegrams have shown so far."""

    def __init__(self, cadence_s: float) -> None:
        self.cadence_s = cadence_s
        """Seconds between two steps of the clock."""
        self.needed = telegrams_needed(cadence_s)
        self.display = Display(cadence_s)
        self.memory = TextMemory(cadence_s)
        self.base: Baseline | None = None
        """Arrival minus stamp of a telegram without delay; None while it is not known."""
        self.top = 0
        """The newest stamp of this clock."""
        self.highest = HighestCounters()
        self.start = Start(cadence_s)
        self.candidate: Run | None = None
        self.standing = StandingClock(cadence_s, self.needed)
        self.lateness = Lateness(self.needed)
        self.last_arrival: float | None = None
        """The arrival of the newest telegram that is not a copy."""
        self._last_stamp: int | None = None
        self._stamp_arrival: float | None = None
        self._has_moved = False
        self._last_shown = False
        self._shown_stamp: int | None = None
        self._without_stamp = 0
        self._steps = ClockSteps(cadence_s)
        self._same = SameStamp()
        self._shared = SharedStamps()
        self.repeating = RepeatingSource()

    def take(self, item: Arrival) -> Verdict:
        """Judge a telegram."""
        if self.display.ripen(item.arrived) and not self._without_stamp:
            self._last_shown, self._shown_stamp = True, self._last_stamp
        verdict = self._without_clock(item) if item.clock is None else self._with_clock(item, item.clock)
        self.repeating.note(item.arrived, verdict)
        return verdict

    def _with_clock(self, item: Arrival, clock: int) -> Verdict:
        self._without_stamp = 0
        seen = self.memory.look_up(clock, item.text)
        if seen is Seen.COPY or (clock == self._last_stamp and self._same.holds(item.text)):
            return self._copy(item, clock)
        is_between = self.base is not None and clock <= self.top and self.memory.is_between(clock)
        is_reused = (seen is Seen.REUSED and not self._shared.are_usual) or is_between
        if clock == self.top:
            self._shared.note()
        self.memory.remember(clock, item.text)
        gap = self._gap(item)
        if clock == self._last_stamp:
            verdict = self._same_stamp(item, gap)
        else:
            cadence = self._steps.follow(clock, self.cadence_s, self.standing.stood_s)
            verdict = self._new_stamp(item, clock, gap, is_reused)
            self._same.begin(item.text)
            self._has_moved = self._last_stamp is not None
            if cadence is not None:
                self._set_cadence(cadence)
            self._last_stamp, self._stamp_arrival = clock, item.arrived
        self.last_arrival, self._last_shown = item.arrived, verdict.is_shown
        if verdict.is_shown:
            self._shown_stamp = clock
        return verdict

    def _new_stamp(self, item: Arrival, clock: int, gap: float | None, is_reused: bool) -> Verdict:
        if self.standing.is_standing:
            self._moves_again(item, clock)
        self.standing.begin(item.arrived)
        self.display.pending = None
        if self.highest.exceed(item.counters) and not self._is_fall(item, clock, is_reused):
            return Verdict(item.token, Kind.REPLAY)
        if self.base is None:
            return self._while_starting(item, clock)
        assert gap is not None  # a clock is accepted after several telegrams
        self.base.rise(gap)
        if self._is_on_track(item, clock, self.base.delay_of(item.arrived - clock)):
            return self._on_track(item, clock)
        return self._off_track(item, clock, gap, is_reused)

    def _gap(self, item: Arrival) -> float | None:
        return None if self.last_arrival is None else item.arrived - self.last_arrival

    def _without_clock(self, item: Arrival) -> Verdict:
        """Judge a telegram without a stamp. One may have a broken line; after several, the arrival counts."""
        gap = self._gap(item)
        self.last_arrival, self._last_shown = item.arrived, False
        self._without_stamp += 1
        self.display.pending = None
        if self.base is not None:
            if self._without_stamp < self.needed:
                return Verdict(item.token, Kind.WAITING)
            self._forget_clock()
        if self.highest.exceed(item.counters) and not self._is_lasting_fall(item):
            return Verdict(item.token, Kind.REPLAY)
        self.highest.accept(item.counters)
        return self.display.by_arrival(item, gap)

    def _copy(self, item: Arrival, clock: int) -> Verdict:
        """Judge a known text. It is an old measurement, and it may show that the candidate is a replay."""
        is_newest = clock == self._last_stamp
        if not is_newest:
            self.display.pending = None
        elif self._has_moved:
            self.standing.note_copy(item.arrived)
        else:
            # The clock has not moved yet: a telegram that repeats from the start may be of any age.
            self.start = Start(self.cadence_s)
            self.display.withdraw()
        run = self.candidate
        if run and run.is_unmasked_by(item.arrived, clock):
            self.candidate = None
        return Verdict(item.token, Kind.REPEAT if is_newest else Kind.REPLAY)

    def _same_stamp(self, item: Arrival, gap: float | None) -> Verdict:
        """Judge new values with the newest stamp: they are of the same moment, or the clock stands still."""
        self.display.pending = None
        is_standing = self.standing.is_standing
        if self.highest.exceed(item.counters) and not (is_standing and self._is_lasting_fall(item)):
            return Verdict(item.token, Kind.REPLAY)
        self.standing.add(item.arrived)
        if self.standing.is_standing:
            self.highest.accept(item.counters)
            self.start = Start(self.cadence_s)
            self.candidate = None
            return self.display.by_pace(item, gap, self.standing.pace_s)
        shown = self.display.shown
        if shown is None or not self._last_shown or self._shown_stamp != self._last_stamp:
            return Verdict(item.token, Kind.REPEAT)
        self.highest.accept(item.counters)
        measured = self._same.measured(item.text, shown.measured, self.cadence_s)
        delay = max(0.0, item.arrived - measured)
        return self.display.show(item, Kind.REPEAT, delay)

    def _moves_again(self, item: Arrival, clock: int) -> None:
        """Follow a clock that stood still. The time that it lost is not delay, except the time without telegrams."""
        self.standing.add(item.arrived)
        if self.base is None or self._last_stamp != self.top or clock <= self.top:
            return
        missing = self.base.delay_of(item.arrived - clock)
        if missing > LATE_S:
            self.base.value += max(0.0, missing - self.standing.held_s)

    def _while_starting(self, item: Arrival, clock: int) -> Verdict:
        step = None if self._stamp_arrival is None else item.arrived - self._stamp_arrival
        verdict = self.start.take(item, clock, step, self.display)
        if self.start.accepted_last:
            self.highest.accept(item.counters)
        run = self.start.run
        if self.start.accepted_last and run.is_level:
            self.start = Start(self.cadence_s)
            return self._accept_clock(item, clock, run.lowest)
        return verdict

    def _accept_clock(self, item: Arrival, clock: int, base: float) -> Verdict:
        """Accept a clock as that of the meter."""
        self.base = Baseline(base, self.needed)
        self.candidate = None
        self.highest.forget_stamps()
        return self._on_track(item, clock)

    def _is_on_track(self, item: Arrival, clock: int, delay: float) -> bool:
        is_corrected = delay > LATE_S and self.lateness.is_corrected(item, clock)
        if clock <= self.top or delay < -WANDER_S or is_corrected:
            return False
        run = self.candidate
        if run and run.is_back and run.is_proven and delay > NEAR_S:
            return not run.is_near(item.arrived - clock)
        return True

    def _on_track(self, item: Arrival, clock: int) -> Verdict:
        """Follow the clock. The delay of this telegram is its difference less the smallest one."""
        assert self.base is not None
        difference = item.arrived - clock
        delay = max(0.0, self.base.delay_of(difference))
        self.base.follow(difference)
        if self.base.keeps_sinking:
            return self._distrust_base(item)
        if delay <= NEAR_S:
            self.candidate = None
        self.top = clock
        self._shared.begin()
        self.highest.accept(item.counters, clock)
        self.lateness.follow(item, clock, delay)
        return self.display.show(item, Kind.LATE if delay >= LATE_S else Kind.FRESH, delay)

    def _distrust_base(self, item: Arrival) -> Verdict:
        """Forget the clock: a slow backlog was taken for the meter's pace."""
        self._forget_clock()
        self.start = Start(self.cadence_s, has_sunk=True)
        self.display.withdraw()
        return Verdict(item.token, Kind.WAITING)

    def _off_track(self, item: Arrival, clock: int, gap: float, is_reused: bool) -> Verdict:
        """Collect telegrams of another clock until it is confirmed."""
        assert self.base is not None
        difference = item.arrived - clock
        is_back = clock <= self.top
        is_burst = gap < BURST * self.cadence_s
        if is_burst and self._last_shown and not is_back and self.base.delay_of(difference) < 0:
            # The newest telegram looked too new: its clock was set while the line held telegrams.
            self.display.withdraw()
        run = self.candidate
        if run is None or not run.fits(clock, difference):
            carry = self.lateness.carry(item, gap, self.cadence_s, run)
            run = self.candidate = Run(self.cadence_s, self.needed, is_back=is_back, carry=carry)
        run.is_proven = run.is_proven or is_reused or self._is_proof(item, clock, self.base.delay_of(difference))
        run.add(item.arrived, clock, difference)
        if run.is_confirmed(item.arrived):
            return self._accept_clock(item, clock, run.lowest - run.carry)
        return Verdict(item.token, Kind.WAITING)

    def _is_proof(self, item: Arrival, clock: int, step: float) -> bool:
        """Return whether an old stamp cannot be a replay."""
        if self.lateness.is_corrected(item, clock):
            return True
        if clock > self.top or (clock == self.top and self._shared.are_usual):
            return False
        counters, highest = item.counters, self.highest
        is_new = highest.prove_set(counters, clock, REACH_S) or highest.are_exceeded_by(counters)
        return is_new or is_change_to_winter(self.top, step)

    def _is_fall(self, item: Arrival, clock: int, is_reused: bool) -> bool:
        """Return whether lower counters have fallen, and are not those of an old telegram: the clock goes on."""
        if self.base is None:
            goes_on = self._last_stamp is not None and clock > self._last_stamp
            is_certain = self.start.is_continued_by(item.arrived, clock)
        else:
            goes_on = clock > self.top and -WANDER_S <= self.base.delay_of(item.arrived - clock) < LATE_S
            is_certain = True
        return goes_on and self._is_lasting_fall(item, is_certain=is_certain and not is_reused)

    def _is_lasting_fall(self, item: Arrival, *, is_certain: bool = False) -> bool:
        needed = 0 if is_certain else self.needed
        return self.highest.accept_lasting_fall(item.counters, item.arrived, needed, SPAN * self.cadence_s)

    def _set_cadence(self, cadence_s: float) -> None:
        if (cadence_s >= SLOW_CADENCE_S) != (self.cadence_s >= SLOW_CADENCE_S):
            self.memory = TextMemory(cadence_s)
        self.cadence_s = self.display.cadence_s = cadence_s
        self.needed = telegrams_needed(cadence_s)
        self.standing.set_cadence(cadence_s, self.needed)
        self.lateness.needed = self.needed
        self.candidate = None
        self.start = Start(cadence_s)

    def _forget_clock(self) -> None:
        self.base = self.candidate = None
        self.lateness = Lateness(self.needed)
        self.start = Start(self.cadence_s)

    @property
    def condition(self) -> Condition:
        """Return how the telegrams come in."""
        repeating = self.repeating.condition(self.cadence_s)
        if repeating is not None:
            return repeating
        if self.standing.is_standing or (self._without_stamp and self.base is None):
            return Condition.BY_ARRIVAL
        if self.base is None:
            return Condition.STARTING
        if self.candidate or self._without_stamp:
            return Condition.CLOCK_CHANGED
        if not self.lateness.is_late:
            return Condition.IN_TIME
        return Condition.LATE if self.lateness.is_certain else Condition.LATE_OR_CLOCK_SET
