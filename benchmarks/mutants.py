"""Run the core's own tests against changed copies of the core, and count the changes that they notice.

    python -m benchmarks.mutants [--number N] [--seed N] [--again]

mutmut makes mutants: copies of the functions of `gateway/protocol` with one small change each, such as `<=` for `<`. A
mutant that no test notices shows behaviour that is not tested. All of them would take hours, so this runs a sample: a
seed draws the same share of the mutants of each module. `--number 0` runs all. pytest collects the tests once. Each
mutant runs in a fork of that process, against the tests that call its function, the fastest first, until one of them
fails. A function that runs while its module is imported has run before the fork: its mutants get a process of their
own, and the tests of their module. A test that ends because of what else the machine does shows nothing, so the limits
are CPU time, and each test that has failed for a mutant runs once without one.

The tests in the test file of the module run first, with the shortest others, up to `--longest` seconds each. Whatever
survives these runs against all other tests that call its function, which takes most of the time; `--nearest` leaves
that out, and counts a mutant as survived then.

The survivors are listed at the end; `mutmut show NAME` prints the change. `--again` runs the survivors once more, with
tests that were added since, and what was not run yet. docs/decisions/mutants.md describes the survivors that stay.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol
from mutmut import __main__ as mutmut
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.utils.file_utils import change_cwd
from mutmut.utils.format_utils import mangled_name_from_mutant_name
from mutmut.workers.isolation import ForkRunner

FOLDER = Path("mutants")
SAMPLE = FOLDER / "sample"
ENDLESS_S, ENDLESS_TIMES = 5.0, 10.0
"""CPU time of a test after which the mutant does not end, so that the test has noticed it: seconds, and besides them a
multiple of the time that the test takes without a mutant. What else the machine does takes no CPU time of it."""
AFRESH_S = 120
"""CPU time of all tests of a mutant in a process of its own, in seconds, after which one of them does not end."""
MOST_TESTS = 300
"""Largest number of tests that run first: functions that nearly every test calls have thousands."""
ENDLESS = -signal.SIGPROF
"""Result of a test that does not end."""
MEMORY_BYTES = 2 << 30
"""Address space of the process of a mutant: a loop that does not end may also fill the memory."""


class Runner:
    """Collects the tests once, and runs some of them in a fork of this process for each mutant; a plugin of pytest."""

    def __init__(self, work: Callable[[Runner], None]) -> None:
        """Collect the tests when `start` is called, and call `work` then."""
        self._work = work
        self._items: dict[str, pytest.Item] = {}
        self._passing: set[str] = set()
        """Tests that pass without a mutant."""

    def start(self) -> None:
        """Collect the tests and work."""
        settings = config()
        arguments = [*settings.pytest_add_cli_args_test_selection, *settings.pytest_add_cli_args]
        with change_cwd(str(FOLDER)):
            pytest.main(["--rootdir=.", "-qq", "--capture=no", "--no-header", *arguments], plugins=[self])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Do the work instead of running each test once."""
        self._items = {item.nodeid: item for item in session.items}
        # The objects that the forks share are not copied by their garbage collections.
        gc.collect()
        gc.freeze()
        with change_cwd(".."):
            self._work(self)
        return True

    def run(self, mutant: str, tests: Iterable[str]) -> int:
        """Run tests against a mutant until one fails; return 1 then, 0 for none, and `ENDLESS` if one does not end.

        Raises:
            AssertionError: the test fails without a mutant too, so that it shows nothing.

        """
        # mutmut has another id of the few tests with a backslash in it.
        code, failed = self._run_in_fork(mutant, [self._items[test] for test in tests if test in self._items])
        if failed and failed not in self._passing:
            assert self._run_in_fork("", [self._items[failed]]) == (0, ""), failed
            self._passing.add(failed)
        return code

    def _run_in_fork(self, mutant: str, items: list[pytest.Item]) -> tuple[int, str]:
        """Return 1 and the first test that fails, or 0, or the signal that ended the process."""
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            code = 1
            try:
                failed = _first_that_fails(mutant, items)
                os.write(writing, failed.encode())
                code = int(bool(failed))
            finally:
                os._exit(code)
        os.close(writing)
        with open(reading, encoding="utf-8") as pipe:
            failed = pipe.read()
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), failed


def _first_that_fails(mutant: str, items: list[pytest.Item]) -> str:
    """Run tests against a mutant in this process, and return the first one that fails; empty if all pass."""
    os.chdir(FOLDER)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    set_mutant_under_test(mutant)
    for item, following in pairwise([*items, None]):
        assert item
        usual_s = state().duration_by_test.get(item.nodeid, 0.0)
        signal.setitimer(signal.ITIMER_PROF, ENDLESS_S + ENDLESS_TIMES * usual_s)
        if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following)):
            return item.nodeid
    return ""


def drawn(names: dict[str, list[str]], number: int, seed: int) -> set[str]:
    """Return `number` of the mutants of all modules, the same share of each; all of them for 0."""
    shuffled = random.Random(seed)
    ordered = [name for module in sorted(names) for name in shuffled.sample(names[module], len(names[module]))]
    step = max(1.0, len(ordered) / number) if number else 1.0
    return {ordered[int(place * step)] for place in range(int(len(ordered) / step))}


def tests_of(mutant: str, longest_s: float) -> list[str]:
    """Return tests that call the function of a mutant, without longer ones if there are others."""
    tests = callers_of(mutant)
    short = {test for test in tests if state().duration_by_test[test] <= longest_s}
    return nearest(short or tests, mutant.rpartition(".")[0])


def callers_of(mutant: str) -> set[str]:
    """Return all tests that call the function of a mutant."""
    return state().tests_by_mangled_function_name.get(mangled_name_from_mutant_name(mutant), set())


def nearest(tests: Collection[str], module: str) -> list[str]:
    """Return those in the test file of the module, and the shortest of the others up to `MOST_TESTS` of all."""
    ordered = sorted(tests, key=lambda test: (not is_of(module, test), state().duration_by_test[test]))
    return ordered[: max(MOST_TESTS, sum(is_of(module, test) for test in tests))]


def is_of(module: str, test: str) -> bool:
    """Return whether a test is in the test file of a module."""
    return f"/test_{module.rpartition('.')[2]}" in test


def fastest(tests: Collection[str]) -> list[str]:
    """Return the tests, the fastest first."""
    return sorted(tests, key=lambda test: state().duration_by_test[test])


def was_noticed(code: int | None) -> bool:
    """Return whether a test failed, or the tests did not end."""
    return code not in (None, 0)


@cache
def called_at_import() -> set[str]:
    """Return the functions that run while the modules of the core are imported."""
    code = (
        "import importlib, pkgutil; from mutmut.mutation.trampoline import set_mutant_under_test as use; "
        "from mutmut.state import state; use('stats'); import gateway.protocol as core; "
        "[importlib.import_module(each.name) for each in pkgutil.walk_packages(core.__path__, 'gateway.protocol.')]; "
        "print(*state()._stats)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=FOLDER, check=True, capture_output=True, text=True)
    return set(ran.stdout.split())


@cache
def tests_of_module(module: str) -> tuple[list[str], list[str]]:
    """Return the tests in the test file of a module, and others that call its functions; all pass without a mutant."""
    called = state().tests_by_mangled_function_name.items()
    tests = {test for function, callers in called if function.rpartition(".")[0] == module for test in callers}
    # A test of a table that was made at import calls no function.
    tests |= {test for test in state().duration_by_test if is_of(module, test)}
    found = nearest(tests, module)
    own = [test for test in found if is_of(module, test)]
    assert run_afresh("", found) == 0, module
    return own, [test for test in found if test not in own]


def run_afresh(mutant: str, tests: list[str]) -> int:
    """Run tests against a mutant in a process that imports everything again; return 1 if it was noticed, else 0."""
    if not tests:
        return 0
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:xdist", "--rootdir=.", *tests]
    environment = {**os.environ, "MUTANT_UNDER_TEST": mutant}
    ran = subprocess.run(
        command,
        cwd=FOLDER,
        env=environment,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (AFRESH_S, AFRESH_S)),
    )
    return int(ran.returncode != 0)


def prepare() -> list[SourceFileMutationData]:
    """Make the mutants, run all tests once to see which functions they call, and return the mutants by module."""
    set_mutant_under_test("mutant_generation")
    FOLDER.mkdir(exist_ok=True)
    mutmut.copy_src_dir()
    mutmut.copy_also_copy_files()
    mutmut.setup_source_paths()
    mutmut.create_mutants(1)
    mutmut.collect_or_load_stats(ForkRunner(1, PytestRunner()))
    set_mutant_under_test("")
    return list(mutmut.collect_source_file_mutation_data(mutant_names=())[1].values())


def run(modules: list[SourceFileMutationData], sample: set[str], longest_s: float, *, only_nearest: bool) -> None:
    """Run the mutants of the sample that have no result yet, and then those that survived.

    With `only_nearest`, a mutant that the nearest tests do not notice has survived, whatever the others would do.
    """
    module_of = {name: module for module in modules for name in module.exit_code_by_key if name in sample}
    waiting = [name for name, module in module_of.items() if not was_noticed(module.exit_code_by_key[name])]
    tests = {name: tests_of(name, longest_s) for name in waiting}
    at_import = {name for name in waiting if mangled_name_from_mutant_name(name) in called_at_import()}
    waiting.sort(
        key=lambda name: (module_of[name].exit_code_by_key[name] is not None, name in at_import, len(tests[name]))
    )

    def work(runner: Runner) -> None:
        for count, name in enumerate(waiting, start=1):
            if name in at_import:
                own, more = tests_of_module(name.rpartition(".")[0])
                code = run_afresh(name, own) or run_afresh(name, more)
            else:
                code = runner.run(name, tests[name])
                if not (code or only_nearest):
                    code = runner.run(name, fastest(callers_of(name).difference(tests[name])))
            module_of[name].exit_code_by_key[name] = code
            module_of[name].save()
            if not was_noticed(code):
                print(f"{count} of {len(waiting)}: {name}", flush=True)

    Runner(work).start()


def report(modules: list[SourceFileMutationData], sample: set[str]) -> float:
    """Print the results of each module and of all, and the survivors; return the percentage that tests noticed."""
    total: Counter[str] = Counter()
    print(f"\n{'module':44} {'mutants':>7} {'killed':>7}")
    for module in modules:
        codes = {name: code for name, code in module.exit_code_by_key.items() if name in sample}
        killed = sum(map(was_noticed, codes.values()))
        was_run = len(codes) - list(codes.values()).count(None)
        total.update(mutants=len(codes), run=was_run, killed=killed, made=len(module.exit_code_by_key))
        if codes:
            print(f"{module.path!s:44} {len(codes):7} {killed:7}")
    print("\nsurvived:")
    print(*(name for module in modules for name in module.exit_code_by_key if survived(module, name, sample)), sep="\n")
    share = 100 * total["killed"] / total["run"]
    print(
        f"{total['run']} mutants of {total['made']}: {total['killed']} killed, "
        f"{total['run'] - total['killed']} survived, {share:.1f} % killed"
        + (f", {total['mutants'] - total['run']} not run" if total["run"] < total["mutants"] else "")
    )
    return share


def survived(module: SourceFileMutationData, name: str, sample: set[str]) -> bool:
    """Return whether a mutant of the sample was run and not noticed."""
    return name in sample and module.exit_code_by_key[name] == 0


def main() -> int:
    """Run the sample and report; return 1 if fewer mutants are killed than `--least` says."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--number", type=int, default=1500, help="mutants in the sample (1500); 0 for all")
    options.add_argument("--seed", type=int, default=20, help="seed of the sample (20)")
    options.add_argument("--again", action="store_true", help="only what survived or was not run before")
    options.add_argument("--longest", type=float, default=1.0, help="longest test that runs first, in seconds (1)")
    options.add_argument("--nearest", action="store_true", help="only the tests that run first")
    options.add_argument("--least", type=float, default=95.0, help="percentage that must be killed (95)")
    given = options.parse_args()
    if not given.again:
        shutil.rmtree(FOLDER, ignore_errors=True)
    modules = prepare()
    if not given.again:
        names = {str(module.path): list(module.exit_code_by_key) for module in modules}
        SAMPLE.write_text("\n".join(sorted(drawn(names, given.number, given.seed))), "utf-8")
    sample = set(SAMPLE.read_text("utf-8").split())
    run(modules, sample, given.longest, only_nearest=given.nearest)
    return int(report(modules, sample) < given.least)


if __name__ == "__main__":
    sys.exit(main())
