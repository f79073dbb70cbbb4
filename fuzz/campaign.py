"""Fuzz several targets, one after the other, and print what came of it.

    python -m fuzz.campaign [--seconds 60] [--corpus FOLDER] [TARGET...]

Without targets all are fuzzed. New inputs are kept in FOLDER/TARGET, if a folder is given, and dropped otherwise; the
corpus of the tree is read and never changed. The exit code is 1 if an input broke what a target checks. Such an input
is kept in the present folder as `TARGET-crash-...`, and libFuzzer's output is printed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from fuzz.harness import CORPUS, TARGETS

OPTIONS = ("-max_len=2048", "-timeout=300", "-rss_limit_mb=2048", "-print_final_stats=1")
"""Limits of libFuzzer. The one for an input is real time, so it has to be long enough for a busy machine."""
_EXECUTIONS = re.compile(r"stat::number_of_executed_units: (\d+)")
_COVERAGE = re.compile(r"cov: (\d+) ft: (\d+)")


class Result(NamedTuple):
    """The end of one target."""

    executions: int
    begun: str
    """Coverage of the corpus: edges reached, and combinations of lines and counts."""
    ended: str
    failure: str
    """Output of libFuzzer where an input broke what is checked, or its exit code; empty if none did."""


def run(target: str, seconds: int, new: Path) -> Result:
    """Fuzz one target; inputs that reach something new are written to the folder `new`."""
    folders = [str(new), str(CORPUS / target)]
    command = [sys.executable, "-m", "fuzz.harness", target, *OPTIONS, f"-max_total_time={seconds}"]
    ran = subprocess.run(
        [*command, f"-artifact_prefix={target}-", *folders],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="backslashreplace",
        check=False,
    )
    coverage = [f"{edges} / {features}" for edges, features in _COVERAGE.findall(ran.stdout)] or ["-"]
    executions = _EXECUTIONS.search(ran.stdout)
    ended = f"ended with exit code {ran.returncode}" if ran.returncode else ""
    failure = ended and (_without_noise(ran.stdout) or ended)
    return Result(int(executions[1]) if executions else 0, coverage[0], coverage[-1], failure)


def _without_noise(output: str) -> str:
    return "\n".join(
        line for line in output.splitlines() if not line.startswith(("INFO: ", "WARNING: ", "#", "stat::"))
    )


def main() -> int:
    """Fuzz the targets of the command line; return 1 if one failed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    options.add_argument("--seconds", type=int, default=60, help="time for each target")
    options.add_argument("--corpus", type=Path, help="folder for new inputs")
    given = options.parse_args()
    unknown = set(given.targets) - set(TARGETS)
    if unknown:
        options.error(f"unknown target {', '.join(sorted(unknown))}. There are: {', '.join(TARGETS)}")
    targets = given.targets or TARGETS
    print(f"{'target':<13}{'executions':>11}  {'edges / features at first':>26}{'at the end':>15}")
    total = failed = 0
    for target in targets:
        with tempfile.TemporaryDirectory() as dropped:
            new = given.corpus / target if given.corpus else Path(dropped)
            new.mkdir(parents=True, exist_ok=True)
            result = run(target, given.seconds, new)
        total, failed = total + result.executions, failed + bool(result.failure)
        print(f"{target:<13}{result.executions:>11}  {result.begun:>26}{result.ended:>15}", flush=True)
        if result.failure:
            print(result.failure, flush=True)
    print(f"{len(targets)} targets, {total} executions, {failed} failed")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
