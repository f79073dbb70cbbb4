"""Two properties, under whatever a meter and a line can do.

P1: once its clock was seen to move for ten telegrams, nothing that counts as fresh is older than the limit and 1.5 s.
P2: no meter that arrives in time is called stale for longer than 15 s because of its clock.

Many more seeds: `AGE_SEEDS=20000 pytest tests/protocol/p1/age/test_properties.py`, or `python -m benchmarks.ages`.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.p1.age.timeline import Timeline
from gateway.protocol.p1.age.verdict import Kind
from tests.protocol.p1.age.scenarios import (
    CLOCK_KINDS,
    GRACE_S,
    KINDS,
    LINK_KINDS,
    STALE_AT_MOST_S,
    Scenario,
    break_link,
    clock_event,
    deliver,
    judge,
    no_lag,
    plan,
    text_of,
    write,
)

SEEDS = int(os.environ.get("AGE_SEEDS", "6"))
"""Seeds of each kind."""
fast = settings(max_examples=60)


@pytest.mark.parametrize("kind", KINDS)
def test_the_properties_hold_for_every_kind_of_fault(kind: str) -> None:
    for seed in range(SEEDS):
        made = plan(seed, kind)
        outcome = judge(made.scenario)
        if made.has_p1:
            assert outcome.too_old <= GRACE_S, (seed, made.scenario.note)
        if made.has_p2:
            assert outcome.longest_stale <= STALE_AT_MOST_S, (seed, made.scenario.note)


@fast
@given(
    seed=st.integers(0, 2**32),
    cadence=st.sampled_from((1, 10)),
    jitter=st.sampled_from((0.02, 0.4, 0.85)),
    loss=st.sampled_from((0.0, 0.2)),
    load=st.sampled_from(("day", "night", "idle")),
    faults=st.lists(st.tuples(st.sampled_from(LINK_KINDS), st.floats(0.15, 0.8)), min_size=1, max_size=2),
)
def test_no_old_number_is_fresh_under_two_faults_of_the_link(
    seed: int, cadence: int, jitter: float, loss: float, load: str, faults: list[tuple[str, float]]
) -> None:
    rng = Random(seed)
    count = 120 if cadence == 1 else 80
    deliveries = deliver(rng, write(rng, cadence, count, load=load), no_lag, jitter, loss)
    for kind, share in faults:
        deliveries = break_link(rng, kind, cadence, deliveries, share * count * cadence)
    assert judge(Scenario(cadence, 5.0 if cadence == 1 else 35.0, deliveries)).too_old <= GRACE_S


@pytest.mark.parametrize("kind", LINK_KINDS)
@pytest.mark.parametrize(("cadence", "limit"), [(1, 5.0), (10, 35.0)])
def test_no_old_number_is_fresh_from_a_meter_whose_clock_moves_each_ten_telegrams(
    kind: str, cadence: int, limit: float
) -> None:
    """It sends each second; `cadence` is that of its version."""
    for seed in range(SEEDS):
        rng = Random(f"{kind} {seed}")
        written = write(rng, 1, 400, load=rng.choice(("day", "night", "idle")), clock_step=10)
        jitter, loss = rng.choice((0.02, 0.4, 0.85)), rng.choice((0.0, 0.2))
        deliveries = break_link(rng, kind, 1, deliver(rng, written, no_lag, jitter, loss), rng.uniform(130, 250))
        assert judge(Scenario(cadence, limit, deliveries)).too_old <= GRACE_S, seed


@fast
@given(
    seed=st.integers(0, 2**32),
    cadence=st.sampled_from((1, 10)),
    jitter=st.sampled_from((0.02, 0.4)),
    kind=st.sampled_from(CLOCK_KINDS),
    share=st.floats(0.2, 0.6),
)
def test_no_meter_in_time_is_stale_for_long_because_of_its_clock(
    seed: int, cadence: int, jitter: float, kind: str, share: float
) -> None:
    rng = Random(seed)
    count = 120
    offset, load = clock_event(rng, kind, share * count * cadence, cadence)
    deliveries = deliver(rng, write(rng, cadence, count, offset, load), no_lag, jitter)
    outcome = judge(Scenario(cadence, 5.0 if cadence == 1 else 35.0, deliveries))
    assert outcome.longest_stale <= STALE_AT_MOST_S
    assert outcome.too_old <= GRACE_S


@fast
@given(
    st.lists(
        st.tuples(
            st.floats(0, 40),
            st.one_of(st.none(), st.integers(0, 40), st.integers(0, 2**33)),
            st.sampled_from("AABC"),
            st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=3),
            st.integers(0, 3),
            st.booleans(),
        ),
        max_size=80,
    ),
    st.sampled_from((1, 2, 5, 10)),
)
def test_whatever_comes_gets_a_verdict_and_what_is_shown_was_taken(
    telegrams: list[tuple[float, int | None, str, list[int | None], int, bool]], cadence: int
) -> None:
    timeline = Timeline(cadence, 3.5 * cadence)
    now = 0.0
    tokens = {}
    for gap, clock, identity, counters, text, connected in telegrams:
        now += gap
        verdict = timeline.take(now, clock, identity, counters, text, connected)
        tokens[verdict.token] = identity
        shown = timeline.shown_at(now)
        assert verdict.delay >= 0
        assert not verdict.is_shown or (shown is not None and shown.token == verdict.token)
        assert verdict.kind is not Kind.OTHER_METER or identity != timeline.identity
        for moment in (now, now + 100):
            at = timeline.shown_at(moment)
            assert at is None or (at.measured <= now and tokens[at.token] == timeline.identity)
        due = timeline.next_change
        assert (due is None) == (timeline.pending is None)
        if due is not None:
            later = timeline.shown_at(due)
            assert later is not None
            assert later.token == timeline.pending


@pytest.mark.parametrize("seed", range(3))
def test_the_same_telegrams_get_the_same_verdicts(seed: int) -> None:
    made = plan(seed, "three_links").scenario
    runs = []
    for _ in range(2):
        timeline = Timeline(made.cadence, made.limit)
        runs.append(
            [
                timeline.take(d.at, d.telegram.clock, "A", (d.telegram.counter,), text_of(d.telegram), d.connected)
                for d in made.deliveries
            ]
        )
    assert runs[0] == runs[1]
