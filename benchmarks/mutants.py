"""Run the core's own tests against changed copies of the core, and count the changes that they notice.

    python -m benchmarks.mutants [--number N] [--seed N] [--again]

mutmut makes mutants: copies of the functions of `gateway/protocol` with one small change each, such as `<=` for `<`. A
mutant that no test notices shows behaviour that is not tested. All of them would take hours, so this runs a sample: a
seed draws the same share of the mutants of each module. `--number 0` runs all. Each mutant runs in a fork of this
process, against the tests that call its function, the fastest first, until one of them fails.

The survivors are listed at the end; `mutmut show NAME` prints the change. `--again` runs the survivors once more, with
tests that were added since, and what was not run yet. docs/decisions/mutants.md describes the survivors that stay.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from collections import Counter
from math import ceil
from pathlib import Path

from mutmut import __main__ as mutmut
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import mangled_name_from_mutant_name
from mutmut.workers.isolation import get_mutant_runner

FOLDER = Path("mutants")
LONGEST_TEST_S = 1.0
"""Longest test that runs for a mutant whose function has shorter ones: longer ones check a property of thousands of
telegrams, and such a test of each mutant would take days."""
ENDLESS = 5
"""CPU time of a mutant, as a multiple of that of its tests, after which it does not end. Its tests noticed it, then."""
NEVER_S = 1e6
"""Wall-clock time limit: none, since the machine may be busy."""


def drawn(names: dict[str, list[str]], number: int, seed: int) -> set[str]:
    """Return `number` of the mutants of all modules, the same share of each; all of them for 0."""
    shuffled = random.Random(seed)
    ordered = [name for module in sorted(names) for name in shuffled.sample(names[module], len(names[module]))]
    step = max(1.0, len(ordered) / number) if number else 1.0
    return {ordered[int(place * step)] for place in range(int(len(ordered) / step))}


def tests_of(mutant: str) -> list[str]:
    """Return the tests that call the function of a mutant, without the longest ones if there are others."""
    tests = state().tests_by_mangled_function_name.get(mangled_name_from_mutant_name(mutant), set())
    short = [test for test in tests if state().duration_by_test[test] <= LONGEST_TEST_S]
    return short or list(tests)


def was_noticed(code: int | None) -> bool:
    """Return whether a test failed, or the tests did not end."""
    return status_by_exit_code[code] in ("killed", "timeout", "segfault")


def prepare() -> list[SourceFileMutationData]:
    """Make the mutants, run all tests once to see which functions they call, and return the mutants by module."""
    set_mutant_under_test("mutant_generation")
    FOLDER.mkdir(exist_ok=True)
    mutmut.copy_src_dir()
    mutmut.copy_also_copy_files()
    mutmut.setup_source_paths()
    mutmut.create_mutants(1)
    mutmut.collect_or_load_stats(get_mutant_runner())
    set_mutant_under_test("")
    return list(mutmut.collect_source_file_mutation_data(mutant_names=())[1].values())


def run(modules: list[SourceFileMutationData], sample: set[str]) -> None:
    """Run the mutants of the sample that have no result yet, and then those that survived."""
    module_of = {name: module for module in modules for name in module.exit_code_by_key if name in sample}
    waiting = [name for name, module in module_of.items() if not was_noticed(module.exit_code_by_key[name])]
    seconds = {name: sum(state().duration_by_test[test] for test in tests_of(name)) for name in waiting}
    waiting.sort(key=lambda name: (module_of[name].exit_code_by_key[name] is not None, seconds[name]))
    runner = get_mutant_runner()
    runner.startup()
    for count, name in enumerate(waiting, start=1):
        runner.submit(name, tests_of(name), ceil(ENDLESS * seconds[name] + ENDLESS), NEVER_S)
        result = runner.wait_for_result()
        module = module_of[name]
        module.exit_code_by_key[name] = result.exit_code
        module.durations_by_key[name] = result.duration
        module.save()
        if not was_noticed(result.exit_code):
            print(f"{count} of {len(waiting)}: {name} {status_by_exit_code[result.exit_code]}", flush=True)
    runner.shutdown()


def report(modules: list[SourceFileMutationData], sample: set[str]) -> float:
    """Print the results of each module and of all, and the survivors; return the percentage that tests noticed."""
    total: Counter[str] = Counter()
    print(f"\n{'module':44} {'mutants':>7} {'killed':>7}")
    for module in modules:
        codes = {name: code for name, code in module.exit_code_by_key.items() if name in sample}
        killed = sum(map(was_noticed, codes.values()))
        total.update(mutants=len(codes), killed=killed, made=len(module.exit_code_by_key))
        total.update(status_by_exit_code[code] for code in codes.values())
        if codes:
            print(f"{module.path!s:44} {len(codes):7} {killed:7}")
    print("\nsurvived:")
    print(*(name for module in modules for name in module.exit_code_by_key if survived(module, name, sample)), sep="\n")
    share = 100 * total["killed"] / total["mutants"]
    print(
        f"{total['mutants']} mutants of {total['made']}: {total['killed']} killed, of them {total['timeout']} without "
        f"an end, {total['mutants'] - total['killed']} survived, {share:.1f} % killed"
    )
    return share


def survived(module: SourceFileMutationData, name: str, sample: set[str]) -> bool:
    """Return whether a mutant of the sample was run and not noticed."""
    return name in sample and not was_noticed(module.exit_code_by_key[name])


def main() -> int:
    """Run the sample and report; return 1 if fewer mutants are killed than `--least` says."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--number", type=int, default=2000, help="mutants in the sample (2000); 0 for all")
    options.add_argument("--seed", type=int, default=20, help="seed of the sample (20)")
    options.add_argument("--again", action="store_true", help="only what survived or was not run before")
    options.add_argument("--least", type=float, default=95.0, help="percentage that must be killed (95)")
    given = options.parse_args()
    if not given.again:
        shutil.rmtree(FOLDER, ignore_errors=True)
    modules = prepare()
    sample = drawn({str(each.path): list(each.exit_code_by_key) for each in modules}, given.number, given.seed)
    run(modules, sample)
    return int(report(modules, sample) < given.least)


if __name__ == "__main__":
    sys.exit(main())
