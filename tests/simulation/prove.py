"""Runs the whole gateway in virtual time under faults, and checks every response against the truth.

    python -m tests.simulation.prove --seeds 20 --seconds 600

Prints what was simulated, and ends with the first seed that shows a violation. A run with a seed can be repeated:
`--first SEED --seeds 1`. With `--mutant NAME` a rule of the product is broken on purpose; then a violation has to come.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections import Counter

from tests.simulation.faults import MIXES
from tests.simulation.fleet import FLEET_MIXES, FleetWorld
from tests.simulation.mutants import MUTANTS
from tests.simulation.world import World

IN_TIME = {"nothing", "clock", "one broker"}
"""Mixes in which every telegram arrives in time: readings may be withheld for `MAX_STALE_S` at the longest."""
MAX_STALE_S = 15.0


def run(mix: str, seed: int, seconds: float) -> World:
    """Run one mix of faults."""
    fleet = FLEET_MIXES.get(mix)
    world = FleetWorld(seed, edges=fleet.edges) if fleet else World(seed)
    world.run(seconds, fleet.chaos if fleet else MIXES[mix])
    longest = world.oracle.longest_stale_s
    if mix in IN_TIME and longest > MAX_STALE_S:
        world.oracle.violate(f"readings were withheld for {longest:.1f} s though every telegram came in time")
    return world


def report(mix: str, world: World) -> None:
    """Print what went wrong, with what had happened before."""
    print(f"seed {world.seed}, {mix}:")
    for violation in world.oracle.violations:
        print(f"  {violation}")
    print("  faults: " + "; ".join(world.faults))


def main() -> int:
    """Run all seeds of all mixes; return 1 at the first violation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--mix", action="append", choices=[*MIXES, *FLEET_MIXES])
    parser.add_argument("--fleet", action="store_true", help="all mixes with brokers between two gateways")
    parser.add_argument("--mutant", choices=list(MUTANTS))
    given = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The same seed has to give the same run.
        os.execve(
            sys.executable, [sys.executable, "-m", __spec__.name, *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"}
        )  # type: ignore[union-attr]
    logging.disable(logging.CRITICAL)
    if given.mutant:
        MUTANTS[given.mutant]()
    begun = time.perf_counter()
    checked, faults, simulated = Counter[str](), Counter[str](), 0.0
    for mix in given.mix or (FLEET_MIXES if given.fleet else MIXES):
        oldest = longest = 0.0
        for seed in range(given.first, given.first + given.seeds):
            world = run(mix, seed, given.seconds)
            oracle = world.oracle
            checked += oracle.checked
            faults += Counter(entry.split()[1] for entry in world.faults)
            simulated += given.seconds
            oldest, longest = max(oldest, oracle.oldest_s), max(longest, oracle.longest_stale_s)
            if oracle.violations:
                report(mix, world)
                return 1
        print(f"{mix:20} oldest as good {oldest:5.2f} s, longest without readings {longest:6.1f} s", flush=True)
    print(
        f"{simulated / 3600:.1f} simulated hours in {time.perf_counter() - begun:.0f} s, {checked.total()} responses "
        f"checked ({dict(checked)}), {faults.total()} faults of {len(faults)} kinds, 0 violations"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
