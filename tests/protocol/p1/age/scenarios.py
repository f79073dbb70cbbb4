"""Invented meters and lines with a truth to compare with: what the meter wrote when, and what reached the gateway.

A `Scenario` is a list of deliveries, each with the moment at which the meter wrote that telegram. `judge` passes
them to a timeline and returns where it called something fresh that was too old (P1), and for how long it called a
meter stale (P2). All chance comes from the generator that is passed in.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from gateway.protocol.p1.age.timeline import Timeline

GRACE_S = 1.5
"""What a reading may be older than the limit (P1)."""
STALE_AT_MOST_S = 15.0
"""How long a meter may be called stale because of its clock (P2)."""
SETTLED = 10
"""Telegrams with a moving clock after which P1 holds."""
START = 1_700_000_000
END_OF_SUMMER_TIME = 1_698_541_200
"""29 October 2023, 1:00 UTC."""


@dataclass(frozen=True, slots=True)
class Written:
    """One telegram of a meter."""

    at: float
    clock: int | None
    counter: int
    power: int
    meter: str = "A"


@dataclass(frozen=True, slots=True)
class Delivery:
    at: float
    telegram: Written
    connected: bool = False


@dataclass(slots=True)
class Scenario:
    """Deliveries in order of time."""

    cadence: int
    limit: float
    deliveries: list[Delivery]
    note: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    too_old: float = 0.0
    """Largest age beyond the limit that counted as fresh, once the clock was seen to move."""
    too_old_at: float = 0.0
    too_old_early: float = 0.0
    """The same before."""
    longest_stale: float = 0.0
    stale_until: float = 0.0


def write(
    rng: Random,
    cadence: int,
    count: int,
    offset: Callable[[float], float | None] = lambda _: 0.0,
    load: str = "day",
    meter: str = "A",
    drift: float = 0.0,
    clock_step: int = 1,
) -> list[Written]:
    """Return the telegrams of a meter whose clock is `offset(moment)` seconds ahead; None for no stamp.

    The clock moves once in `clock_step` telegrams.
    """
    telegrams = []
    counter = 2_000_000.0
    power = rng.randrange(4000, 9000) if load == "heavy" else rng.randrange(50, 3000)
    phase = rng.random() * 0.3
    for n in range(count):
        at = n * cadence + phase + rng.random() * 0.05
        ahead = offset(at)
        clock = None if ahead is None else START + int((n // clock_step * clock_step * cadence) * (1 + drift) + ahead)
        if load in ("day", "heavy"):
            counter += power * cadence / 3600
        if load != "idle":
            power = max(1, power + rng.randrange(-40, 41))
        telegrams.append(Written(at, clock, int(counter), power, meter))
    return telegrams


Lag = Callable[[float], float]


def deliver(rng: Random, telegrams: list[Written], lag: Lag, jitter: float = 0.1, loss: float = 0.0) -> list[Delivery]:
    """Return the deliveries of a line that keeps the order, and holds what is written at a moment for `lag` seconds."""
    deliveries: list[Delivery] = []
    last = 0.0
    for telegram in telegrams:
        held = lag(telegram.at)
        if held < 0 or rng.random() < loss:
            continue
        last = max(last + 0.01, telegram.at + held + rng.random() * jitter)
        deliveries.append(Delivery(last, telegram))
    return deliveries


def no_lag(_: float) -> float:
    return 0.0


def hold(begin: float, seconds: float, rate: float | None, cadence: int) -> Lag:
    """A line that holds everything for a time and then delivers it at once, or `rate` telegrams a second."""

    def lag(at: float) -> float:
        if at < begin:
            return 0.0
        if rate is None:
            return max(0.0, begin + seconds - at)
        position = (at - begin) / cadence
        return max(0.0, begin + seconds + position / rate - at)

    return lag


def constant(begin: float, seconds: float) -> Lag:
    return lambda at: seconds if at >= begin else 0.0


def growing(begin: float, per_second: float, end: float) -> Lag:
    return lambda at: max(0.0, min(at, end) - begin) * per_second


def lost(begin: float, seconds: float) -> Lag:
    return lambda at: -1.0 if begin <= at < begin + seconds else 0.0


def both(one: Lag, other: Lag) -> Lag:
    def lag(at: float) -> float:
        a, b = one(at), other(at)
        return -1.0 if a < 0 or b < 0 else a + b

    return lag


def freeze(deliveries: list[Delivery], begin: float, seconds: float, every: float) -> list[Delivery]:
    """A source that repeats its newest telegram instead of sending new ones."""
    before = [d for d in deliveries if d.at < begin]
    if not before:
        return deliveries
    copies = [replace(before[-1], at=begin + n * every) for n in range(int(seconds / every))]
    return before + copies + [d for d in deliveries if d.at >= begin + seconds]


def replay(
    deliveries: list[Delivery], begin: float, back: float, seconds: float, mixed: bool, pace: float = 1.0
) -> list[Delivery]:
    """A source that sends again what it sent `back` seconds ago, instead of new telegrams or among them."""
    again = [d for d in deliveries if begin - back <= d.at < begin - back + seconds and d.at < begin]
    moved = [replace(d, at=begin + (d.at - (begin - back)) / pace) for d in again]
    kept = deliveries if mixed else [d for d in deliveries if not begin <= d.at < begin + seconds / pace]
    return sorted(kept + moved, key=lambda d: d.at)


def text_of(t: Written) -> int:
    return zlib.crc32(f"{t.clock} {t.counter} {t.power} {t.meter}".encode())


class Judge:
    """Passes a scenario to a timeline and compares it with the truth."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.timeline = Timeline(scenario.cadence, scenario.limit)
        self.outcome = Outcome()
        self._written: dict[int, float] = {}
        self._stamps: dict[str, tuple[int | None, int]] = {}
        self._is_settled = False
        self._was_fresh = False
        self._stale_from: float | None = None

    def run(self) -> Outcome:
        deliveries = self.scenario.deliveries
        for n, delivery in enumerate(deliveries):
            end = deliveries[n + 1].at if n + 1 < len(deliveries) else delivery.at + self.scenario.limit + 3
            self._take(delivery)
            for now in self._moments(delivery.at, end):
                self._probe(now)
        if deliveries:
            self._end_stale(deliveries[-1].at)
        return self.outcome

    def _take(self, delivery: Delivery) -> None:
        t = delivery.telegram
        verdict = self.timeline.take(delivery.at, t.clock, t.meter, (t.counter,), text_of(t), delivery.connected)
        assert verdict.token not in self._written, "each verdict has a number of its own"
        self._written[verdict.token] = t.at
        last, moves = self._stamps.get(t.meter, (None, 0))
        self._stamps[t.meter] = (t.clock, moves + (t.clock is not None and t.clock != last))
        self._is_settled = self._is_settled or self._stamps[t.meter][1] > SETTLED

    def _moments(self, begin: float, end: float) -> list[float]:
        """Where something may change until the next telegram."""
        moments = [begin, (begin + end) / 2, end - 0.001]
        ripe = self.timeline.next_change
        if ripe is not None and ripe < end:
            moments.append(ripe)
        shown = self.timeline.shown_at(begin)
        if shown is not None and begin < shown.measured + self.scenario.limit < end:
            moments.append(shown.measured + self.scenario.limit)
        return sorted(moments)

    def _probe(self, now: float) -> None:
        if not self.timeline.is_fresh(now):
            if self._was_fresh and self._stale_from is None:
                self._stale_from = now
            return
        self._was_fresh = True
        self._end_stale(now)
        shown = self.timeline.shown_at(now)
        assert shown is not None
        excess = now - self._written[shown.token] - self.scenario.limit
        if not self._is_settled:
            self.outcome.too_old_early = max(self.outcome.too_old_early, excess)
        elif excess > self.outcome.too_old:
            self.outcome.too_old, self.outcome.too_old_at = excess, now

    def _end_stale(self, now: float) -> None:
        if self._stale_from is not None and now - self._stale_from > self.outcome.longest_stale:
            self.outcome.longest_stale, self.outcome.stale_until = now - self._stale_from, now
        self._stale_from = None


def judge(scenario: Scenario) -> Outcome:
    """Return what became of a scenario."""
    return Judge(scenario).run()


@dataclass(frozen=True, slots=True)
class Plan:
    """A scenario of one kind, and the properties that it must have."""

    kind: str
    scenario: Scenario
    has_p1: bool
    has_p2: bool


def meter_of(rng: Random) -> tuple[int, float, int]:
    """Cadence, limit and a good number of telegrams."""
    return (1, 5.0, rng.randrange(120, 240)) if rng.random() < 0.6 else (10, 35.0, rng.randrange(60, 120))


LINK_KINDS = (
    *("hold_burst", "hold_drip", "hold_lost", "constant_lag", "growing_lag", "freeze", "replay", "replay_mixed"),
    *("replay_fast", "reconnect", "two_edges", "holds_again", "lag_and_catch_up"),
)
CLOCK_KINDS = (
    *("set_back", "set_ahead", "set_small", "set_night", "winter_flag", "summer_flag", "year", "from_never"),
    *("stands", "stands_then_right", "stands_then_goes_on", "one_wrong_stamp", "drift"),
)
OTHER_KINDS = (
    "start_burst",
    "start_drip",
    "plain_lossy",
    "two_links",
    "three_links",
    "clock_and_link",
    "clockless_hold",
)
KINDS = (*LINK_KINDS, *CLOCK_KINDS, *OTHER_KINDS)


def break_link(rng: Random, kind: str, cadence: int, deliveries: list[Delivery], begin: float) -> list[Delivery]:
    """Add one fault of the link that begins about `begin`; the truth stays with the telegrams."""
    unit = float(cadence)
    length = rng.uniform(3, 60) * unit
    if kind in ("hold_burst", "hold_drip", "holds_again", "reconnect"):
        rate = rng.uniform(1.2, 6) / unit if kind == "hold_drip" else None
        lag = hold(begin, length, rate, cadence)
        changed = relag(deliveries, lag)
        if kind == "holds_again":
            again = begin + length + rng.uniform(0, 20) * unit
            changed = relag(changed, hold(again, rng.uniform(3, 30) * unit, None, cadence))
        if kind == "reconnect":
            first = next((n for n, d in enumerate(changed) if d.at >= begin + length), None)
            if first is not None:
                changed[first] = replace(changed[first], connected=True)
        return changed
    if kind == "hold_lost":
        return [d for d in deliveries if not begin <= d.at < begin + length]
    if kind == "constant_lag":
        return relag(deliveries, constant(begin, rng.uniform(1.6, 40) * unit))
    if kind in ("growing_lag", "lag_and_catch_up"):
        end = begin + rng.uniform(20, 120) * unit
        grown = relag(deliveries, growing(begin, rng.uniform(0.01, 0.6), end))
        return relag_back(grown, end, rng.uniform(1.3, 5) / unit) if kind == "lag_and_catch_up" else grown
    if kind == "freeze":
        return freeze(deliveries, begin, length, unit * rng.choice((0.1, 1, 1, 2)))
    if kind in ("replay", "replay_mixed", "replay_fast"):
        back = rng.uniform(1, max(2.0, begin / unit - 2)) * unit
        pace = rng.uniform(1.5, 50) if kind == "replay_fast" else 1.0
        return replay(deliveries, begin, back, length, mixed=kind == "replay_mixed", pace=pace)
    assert kind == "two_edges"
    far = rng.uniform(2, 30) * unit
    near = [d for d in deliveries if d.at < begin]
    return sorted(near + [replace(d, at=d.at + far) for d in deliveries], key=lambda d: d.at)


def relag(deliveries: list[Delivery], lag: Lag) -> list[Delivery]:
    """Pass deliveries through one more line."""
    changed: list[Delivery] = []
    last = 0.0
    for d in deliveries:
        held = lag(d.at)
        if held < 0:
            continue
        last = max(last + 0.01, d.at + held)
        changed.append(replace(d, at=last))
    return changed


def relag_back(deliveries: list[Delivery], begin: float, rate: float) -> list[Delivery]:
    """Work off what was held up, at `rate` telegrams a second, from a moment on."""
    changed: list[Delivery] = []
    last = begin
    for d in deliveries:
        last = d.at if d.at < begin else max(last + 1 / rate, d.telegram.at + 0.05)
        changed.append(replace(d, at=last))
    return changed


Offset = Callable[[float], float | None]


def clock_event(rng: Random, kind: str, begin: float, cadence: int) -> tuple[Offset, str]:
    """An offset of the meter's clock over time, and the load of the house."""
    ahead = cadence * rng.choice((1, 2, 5, 20, rng.randrange(1, 200)))
    night = -min(begin * 0.8 // cadence * cadence, ahead + cadence) or -cadence
    any_load = rng.choice(("day", "night"))
    steps = {
        "set_small": (-rng.randrange(2, 8) * cadence, "day"),
        "set_back": (-ahead - 1, "heavy"),
        "set_ahead": (ahead, any_load),
        "set_night": (night, "night"),
        "summer_flag": (3600, any_load),
        "year": (-365 * 86400 - rng.randrange(86400), "heavy"),
    }
    if kind == "winter_flag":
        night = END_OF_SUMMER_TIME - START - int(begin // cadence * cadence)
        return (lambda at: night - 3600 if at >= begin else night), any_load
    if kind in steps:
        step, load = steps[kind]
        return (lambda at: step if at >= begin else 0.0), load
    if kind == "from_never":
        return (lambda at: None if at < begin else 0.0), "day"
    if kind == "one_wrong_stamp":
        wrong = rng.choice((-1, 1)) * rng.randrange(20, 4000)
        return (lambda at: wrong if begin <= at < begin + cadence else 0.0), any_load
    if kind.startswith("stands"):
        end = begin + rng.uniform(20, 80) * cadence if kind != "stands" else float("inf")
        return standing_clock(begin, end, cadence, is_right_then=kind == "stands_then_right"), "heavy"
    return (lambda _: 0.0), rng.choice(("day", "night", "idle"))


def standing_clock(begin: float, end: float, cadence: int, is_right_then: bool) -> Offset:
    """A clock that stands still for a time, and then is right or goes on from where it stood."""
    stop = begin // cadence * cadence

    def offset(at: float) -> float:
        if at < begin:
            return 0.0
        if at < end:
            return stop - at // cadence * cadence
        return 0.0 if is_right_then else stop - end // cadence * cadence

    return offset


def plan(seed: int, kind: str | None = None, rng: Random | None = None) -> Plan:
    """Return the scenario of a seed, or of another generator."""
    rng = rng or Random(seed)
    kind = kind or KINDS[seed % len(KINDS)]
    cadence, limit, count = meter_of(rng)
    begin = rng.uniform(15, count * 0.4) * cadence
    jitter = rng.choice((0.02, 0.1, 0.4, 0.85))
    loss = rng.choice((0.0, 0.0, 0.0, 0.1, 0.2))
    has_p2 = kind in CLOCK_KINDS
    if has_p2:
        loss = 0.0
    offset, load = clock_event(rng, kind, begin, cadence)
    note = [f"{kind} at {begin:.1f}, jitter {jitter}, loss {loss}, {load}"]
    if kind == "clock_and_link":
        event = rng.choice(CLOCK_KINDS)
        offset, load = clock_event(rng, event, begin, cadence)
        note.append(event)
    if kind == "clockless_hold":
        offset = lambda _: None  # noqa: E731
    drift = rng.uniform(-50e-6, 50e-6) if kind == "drift" else 0.0
    telegrams = write(rng, cadence, count, offset, load, drift=drift)
    deliveries = deliver(rng, telegrams, no_lag, jitter, loss)
    if kind in LINK_KINDS:
        deliveries = break_link(rng, kind, cadence, deliveries, begin)
    elif kind in ("start_burst", "start_drip"):
        rate = rng.uniform(1.2, 10) / cadence if kind == "start_drip" else None
        deliveries = relag(deliveries, hold(0.0, rng.uniform(5, 60) * cadence, rate, cadence))
    elif kind in ("two_links", "three_links", "clock_and_link", "clockless_hold"):
        faults = {"two_links": 2, "three_links": 3, "clock_and_link": rng.choice((1, 2)), "clockless_hold": 1}[kind]
        for _ in range(faults):
            fault = "hold_burst" if kind == "clockless_hold" else rng.choice(LINK_KINDS)
            moment = rng.uniform(15, count * 0.7) * cadence
            note.append(f"{fault} at {moment:.1f}")
            deliveries = break_link(rng, fault, cadence, deliveries, moment)
    has_p1 = kind not in ("three_links", "clock_and_link", "clockless_hold", "start_burst", "start_drip")
    return Plan(kind, Scenario(cadence, limit, deliveries, note), has_p1, has_p2)
