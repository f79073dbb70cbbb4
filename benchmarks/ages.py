"""The share of invented meters that a timeline calls fresh when too old, or stale because of their clock.

    python -m benchmarks.ages [FIRST LAST] [--kind KIND] [--verbose]

Each seed is one invented meter behind one invented line, `tests.protocol.p1.age.scenarios.py`. P1: older than the
limit by more than 1.5 s, and fresh. P2: stale for longer than 15 s because of its clock alone.
"""

from __future__ import annotations

import argparse
from collections import Counter

from tests.protocol.p1.age.scenarios import GRACE_S, STALE_AT_MOST_S, judge, plan


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("first", type=int, nargs="?", default=0)
    options.add_argument("last", type=int, nargs="?", default=3300)
    options.add_argument("--kind")
    options.add_argument("--verbose", action="store_true")
    chosen = options.parse_args()
    seeds: Counter[str] = Counter()
    too_old: Counter[str] = Counter()
    early: Counter[str] = Counter()
    stale: Counter[str] = Counter()
    worst: dict[str, float] = {}
    telegrams = 0
    for seed in range(chosen.first, chosen.last):
        made = plan(seed, chosen.kind)
        outcome = judge(made.scenario)
        telegrams += len(made.scenario.deliveries)
        seeds[made.kind] += 1
        worst[made.kind] = max(worst.get(made.kind, 0.0), outcome.too_old)
        too_old[made.kind] += outcome.too_old > GRACE_S
        early[made.kind] += outcome.too_old_early > GRACE_S
        stale[made.kind] += made.has_p2 and outcome.longest_stale > STALE_AT_MOST_S
        if chosen.verbose:
            report(seed, made.scenario.note, made.scenario.cadence, outcome, made.has_p2)
    print(f"{sum(seeds.values())} seeds, {telegrams} telegrams")
    print(f"{'kind':<22}{'seeds':>7}{'too old':>9}{'at worst':>10}{'early':>7}{'stale':>7}")
    for kind, count in seeds.items():
        print(f"{kind:<22}{count:>7}{too_old[kind]:>9}{worst[kind]:>10.2f}{early[kind]:>7}{stale[kind]:>7}")
    print(f"{'all':<22}{sum(seeds.values()):>7}{too_old.total():>9}{'':>10}{early.total():>7}{stale.total():>7}")


def report(seed: int, note: list[str], cadence: int, outcome, has_p2: bool) -> None:  # type: ignore[no-untyped-def]
    if outcome.too_old > GRACE_S:
        print(f"seed {seed}, {cadence} s: {outcome.too_old:.1f} s too old at {outcome.too_old_at:.1f}: {note}")
    if has_p2 and outcome.longest_stale > STALE_AT_MOST_S:
        print(f"seed {seed}, {cadence} s: stale {outcome.longest_stale:.1f} s to {outcome.stale_until:.1f}: {note}")


if __name__ == "__main__":
    main()
