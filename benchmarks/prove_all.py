"""Run the long proofs, and write their figures into docs/reliability.md.

    python -m benchmarks.prove_all [NAME...]

Each row of the table there is a promise with its figure, the command that measures it, and the date. A pattern finds
the figure in what the command prints. Without names all proofs run, which takes about four hours on a machine that has
nothing else to do. A proof that fails leaves its row as it was, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- proofs -->\n", "<!-- end of proofs -->\n"
"""Lines of the page between which the table is."""


class Proof(NamedTuple):
    """A promise, and the command that measures how it is kept."""

    name: str
    promise: str
    command: str
    pattern: str
    """Regular expression that finds the figures in the output of the command."""
    figure: str
    """Text of the figures, with the groups of the pattern."""

    def read(self, output: str) -> str | None:
        """Return the figure in the output of the command; None if the promise is not kept."""
        found = re.search(self.pattern, output, re.DOTALL | re.MULTILINE)
        return self.figure.format(**{key: _grouped(text) for key, text in found.groupdict().items()}) if found else None


def _grouped(text: str) -> str:
    """Return a whole number with a comma for each thousand, and any other text as it is."""
    return f"{int(text):,}" if text.isdecimal() else text


PROOFS = (
    Proof(
        "faults",
        "No response has an old, torn or wrong reading while the line, the clock and the network have faults",
        "python -m tests.simulation.prove --seeds 3 --seconds 600",
        r"^(?P<hours>\S+) simulated hours .*?, (?P<responses>\d+) responses checked .*?, (?P<faults>\d+) faults of "
        r"(?P<kinds>\d+) kinds, 0 violations",
        "{responses} responses in {hours} simulated hours with {faults} faults of {kinds} kinds: 0 violations",
    ),
    Proof(
        "mutants",
        "The core's own tests notice a small mistake anywhere in the core",
        "python -m benchmarks.mutants",
        r"^(?P<mutants>\d+) mutants of (?P<made>\d+): (?P<killed>\d+) killed, \d+ survived, "
        r"(?P<share>9[5-9]\.\d|100\.0) % killed$",
        "{killed} of {mutants} changes, drawn from {made}, fail a test: {share} % ([the others](decisions/mutants.md))",
    ),
    Proof(
        "ages",
        "From the tenth telegram on, a reading that counts as fresh is at most 1.5 s older than the limit",
        "python -m benchmarks.ages",
        r"^(?P<seeds>\d+) seeds, (?P<telegrams>\d+) telegrams.*^all +\d+ +(?P<old>\d+)",
        "{seeds} meters and lines with faults, {telegrams} telegrams: {old} did not keep this "
        "([which](decisions/freshness.md#figures))",
    ),
    Proof(
        "fuzz",
        "Whatever bytes come, each decoder keeps what its fuzz target states",
        "python -m fuzz.campaign --seconds 60",
        r"^(?P<targets>\d+) targets, (?P<executions>\d+) executions, 0 failed$",
        "{executions} inputs of [{targets} targets](../fuzz/__init__.py) in a minute each: 0 broke one",
    ),
    Proof(
        "siege",
        "Eleven attacks at once on the Modbus server cost a client no response",
        "python -m benchmarks.siege",
        r"attacks at once:\n +gateway: (?P<responses>\d+) responses, (?P<missed>\d+) missed, (?P<wrong>\d+) wrong; "
        r".*?longest (?P<longest>\d+) ms.*verdict: the healthy client missed no response",
        "{responses} responses, {missed} missed, {wrong} with two telegrams mixed; the longest took {longest} ms",
    ),
    Proof(
        "flood",
        "Floods of connections to the page and the other listeners cost no telegram",
        "python -m benchmarks.flood --real-time --seconds 7",
        r"^TLS handshakes +\d+ +\S+ +\S+ +(?P<longest>\S+) .*verdict: the Modbus client does not notice",
        "nine floods of 250 connections each: 0 telegrams lost; the longest wait in TLS handshakes was {longest} ms",
    ),
    Proof(
        "memory",
        "Memory does not grow with the number of telegrams",
        "python -m benchmarks.footprint --seconds 5 --telegrams 6000",
        r"^after +(?P<first>\d+) telegrams: (?P<before>\S+) MB$.*^after +(?P<last>\d+) telegrams: (?P<after>\S+) MB,",
        "{before} MB after {first} telegrams, {after} MB after {last}",
    ),
    Proof(
        "soak",
        "Telegrams for ten clients with ten maps, five passthrough readers, a page and a broker: nothing is lost, torn "
        "or left behind",
        "python -m benchmarks.soak",
        r"^(?P<readers>\d+) readers received each of (?P<count>\d+) telegrams, byte for byte.*"
        r"^(?P<clients>\d+) clients: (?P<responses>\d+) responses, .*^memory: (?P<first>\S+) MB at first, at most "
        r"(?P<growth>\S+) MB, and (?P<later>\S+) MB after the second look; descriptors: (?P<descriptors>\d+) .* log: "
        r"(?P<lines>\d+) lines\nverdict: as promised",
        "{count} telegrams to {readers} readers, byte for byte; {responses} responses, 0 torn, 0 old; memory {growth} "
        "MB after the first 3,600 telegrams, of which {later} MB after the first twentieth; {descriptors} descriptors "
        "throughout, {lines} lines of log",
    ),
    Proof(
        "sources",
        "Every kind of source is served for an hour without an old or wrong number",
        "python -m benchmarks.soak --hours 1",
        r"^memory: \S+ MB at first, at most (?P<growth>\S+) MB.*^(?P<kinds>\d+) kinds of source for (?P<hours>\S+) h: "
        r"(?P<responses>\d+) responses, \d+ exceptions, (?P<wrong>0) old or never sent\nverdict: as promised",
        "{kinds} kinds of source for {hours} h: {responses} responses, {wrong} old or wrong; memory {growth} MB",
    ),
    Proof(
        "start-stop",
        "Nothing is left of a gateway that was stopped under load: no task, descriptor, thread or warning",
        "python -m benchmarks.start_stop",
        r"^(?P<rounds>\d+) starts and stops under load; .*^memory: (?P<first>\S+) MB at first, (?P<last>\S+) MB at "
        r"last; (?P<blocks>\S+) blocks more for each\nverdict: nothing is left",
        "{rounds} starts and stops in one process in asyncio's debug mode: nothing is left; {first} MB after a tenth "
        "of them, {last} MB at last, {blocks} memory blocks more for each",
    ),
    Proof(
        "start",
        "The gateway listens soon after its start",
        "python -m benchmarks.footprint --seconds 5 --telegrams 6000",
        r"^start to first bound port, s: min (?P<least>\S+), median (?P<median>\S+),",
        "{least} s at least, {median} s in the median",
    ),
    Proof(
        "latency",
        "A new value is readable at once",
        "python -m benchmarks.freshness --without-node-red --seconds 20",
        r"^gateway, asyncio +\d+ +(?P<least>\S+) +(?P<median>\S+) +(?P<p99>\S+)",
        "{median} ms after the last byte of the telegram in the median, {p99} ms at the 99th percentile",
    ),
    Proof(
        "drill",
        "No client of a fleet reads a stale number as fresh while brokers, edges and gateways die or stand still",
        "python -m benchmarks.drill",
        r"^(?P<faults>\d+) faults, (?P<reads>\d+) reads, 0 stale as fresh$",
        "{reads} reads during {faults} faults: 0 stale as fresh ([each fault](fleet.md#what-clients-see-on-bad-days))",
    ),
    Proof(
        "parts",
        "No fault of a part, alone or with another one, makes a response wrong",
        "python -m benchmarks.faults --write",
        r"^(?P<alone>\d+) faults alone and (?P<pairs>\d+) pairs: (?P<wrong>0) wrong responses of (?P<responses>\d+)$",
        "{alone} faults alone and {pairs} pairs, {responses} responses: {wrong} wrong ([each fault](faults.md))",
    ),
    Proof(
        "passthrough",
        "The passthrough gives every reader every byte",
        "python -m benchmarks.passthrough day",
        r"^telegrams: (?P<readers>\d+) readers received each of (?P<count>\d+) telegrams, byte for byte",
        "{count} telegrams to {readers} readers, byte for byte",
    ),
    Proof(
        "dead-reader",
        "A reader whose host loses power delays no other reader",
        "python -m benchmarks.dead_reader",
        r"^[^\n]*telegrams[^\n]*? (?P<got>\d+) of (?P<sent>\d+) +(?P<pause>\S+) s +(?P<dropped>\S+) s$",
        "{got} of {sent} telegrams, the longest pause was {pause} s; the dead reader was dropped after {dropped} s",
    ),
)


def main() -> int:
    """Run the proofs, and write the page after each; return 1 if one failed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", metavar="name", help=", ".join(proof.name for proof in PROOFS))
    names = options.parse_args().names
    failed = 0
    outputs: dict[str, str] = {}
    for proof in PROOFS:
        if names and proof.name not in names:
            continue
        print(f"{proof.name}: {proof.command}", flush=True)
        if proof.command not in outputs:
            command = [sys.executable, *shlex.split(proof.command)[1:]]
            ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PAGE.parent.parent)
            outputs[proof.command] = ran.stdout + ran.stderr
        figure = proof.read(outputs[proof.command])
        print(f"  {figure or 'FAILED: ' + outputs[proof.command]}", flush=True)
        if figure:
            write(proof, figure, date.today().isoformat())  # noqa: DTZ011 - the day of whoever runs it
        failed += figure is None
    return min(failed, 1)


def write(proof: Proof, figure: str, day: str) -> None:
    """Write the row of a proof into the page, in place of the one that it has."""
    head, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    table, _, tail = rest.partition(END)
    rows = {row.split("|")[1].strip(): row for row in table.splitlines() if row.startswith("| ")}
    rows[proof.promise] = f"| {proof.promise} | {figure} | `{proof.command}` | {day} |"
    shown = [rows[each.promise] for each in PROOFS if each.promise in rows]
    lines = ["", "| promise | figure | command | date |", "| --- | --- | --- | --- |", *shown, "", ""]
    PAGE.write_text(f"{head}{BEGIN}{chr(10).join(lines)}{END}{tail}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
