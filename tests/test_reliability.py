"""The page of promises has a figure, a command and a date for each, and the commands' output is read."""

from __future__ import annotations

import re

import pytest

from benchmarks.prove_all import PAGE, PROOFS, Proof
from tests.conftest import ROOT

OUTPUTS: dict[str, tuple[str, str]] = {
    "faults": (
        "3.5 simulated hours in 196 s, 59740 responses checked ({'good': 59740}), 458 faults of 21 kinds, 0 violations",
        "59,740 responses in 3.5 simulated hours with 458 faults of 21 kinds: 0 violations",
    ),
    "memory": (
        (
            "after    5000 telegrams: 55.2 MB\nafter   55000 telegrams: 55.2 MB, +0.00 MB\n"
            "after  205000 telegrams: 55.3 MB, +0.10 MB\n7600 telegrams per second\n"
        ),
        "55.2 MB after 5,000 telegrams, 55.3 MB after 205,000",
    ),
    "mutants": (
        "1500 mutants of 10257: 1470 killed, 30 survived, 98.0 % killed\n",
        "1,470 of 1,500 changes, drawn from 10,257, fail a test: 98.0 % ([the others](decisions/mutants.md))",
    ),
    "siege": (
        (
            "before:\n  gateway: 482 responses, 0 missed, 0 wrong; median 0.19, p99 1.60, longest 5 ms\n\n"
            "600 s of 11 attacks at once:\n  gateway: 54012 responses, 0 missed, 0 wrong; median 0.42, p99 4.50, "
            "longest 30 ms\nverdict: the healthy client missed no response\n"
        ),
        "54,012 responses, 0 missed, 0 with two telegrams mixed; the longest took 30 ms",
    ),
    "fuzz": (
        "target   executions\nframing        6000\n14 targets, 250000 executions, 0 failed\n",
        "250,000 inputs of [14 targets](../fuzz/__init__.py) in a minute each: 0 broke one",
    ),
    "passthrough": (
        (
            "ser2net: 20 readers received each of 86400 telegrams, byte for byte, in 26 s\n\n"
            "telegrams: 20 readers received each of 86400 telegrams, byte for byte, in 20 s\n"
        ),
        "86,400 telegrams to 20 readers, byte for byte",
    ),
    "soak": (
        (
            "5 readers received each of 2600000 telegrams, byte for byte, in 3000 s (866 per second, 845 us)\n"
            "10 clients: 169000 responses, 168800 values of one telegram, 200 exceptions, 0 torn, 0 old, 0 older than "
            "the one before\npage: 49 events; broker: 890 messages with readings, 890 with a telegram, 0 that are not "
            "those of one telegram\nmemory: 58.1 MB at first, at most +0.59 MB, and +0.29 MB after the second look; "
            "descriptors: 29 at first, 29 at most; log: 7 lines\nverdict: as promised\n"
        ),
        (
            "2,600,000 telegrams to 5 readers, byte for byte; 169,000 responses, 0 torn, 0 old; memory +0.59 MB after "
            "the first 3,600 telegrams, of which +0.29 MB after the first twentieth; 29 descriptors throughout, 7 "
            "lines of log"
        ),
    ),
    "sources": (
        (
            "memory: 74.8 MB at first, at most +0.24 MB; descriptors: 30 at first, 30 at most; log: 26 lines\n"
            "9 kinds of source for 1 h: 150000 responses, 47 exceptions, 0 old or never sent\nverdict: as promised\n"
        ),
        "9 kinds of source for 1 h: 150,000 responses, 0 old or wrong; memory +0.24 MB",
    ),
    "start-stop": (
        (
            "1000 starts and stops under load; left: 0 tasks , +0 descriptors, 0 without a name , +0 threads, 0 "
            "warnings and errors\nmemory: 106.5 MB at first, 107.0 MB at last; 3.0 blocks more for each\n"
            "verdict: nothing is left\n"
        ),
        (
            "1,000 starts and stops in one process in asyncio's debug mode: nothing is left; 106.5 MB after a tenth of "
            "them, 107.0 MB at last, 3.0 memory blocks more for each"
        ),
    ),
    "parts": (
        "0 tracebacks, 300 lines in the log\n19 faults alone and 11 pairs: 0 wrong responses of 20000\n",
        "19 faults alone and 11 pairs, 20,000 responses: 0 wrong ([each fault](faults.md))",
    ),
}
"""Name of a proof → what its command prints, and the figure."""


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_figure_is_found_in_what_the_command_prints(name: str) -> None:
    (proof,) = (each for each in PROOFS if each.name == name)
    output, figure = OUTPUTS[name]
    assert proof.read(output) == figure


def test_the_figures_of_the_readme_stand_on_the_page() -> None:
    readme = (ROOT / "README.md").read_text()
    (table,) = re.findall(r"^\| promise \| measured \|\n\|.*\n((?:\|.*\n)+)", readme, re.MULTILINE)
    figures = re.findall(r"\d[\d,.]*", re.sub(r"\]\(.*?\)", "]", table))
    assert len(figures) >= 3
    on_page = re.findall(r"\d[\d,.]*", PAGE.read_text())
    assert [figure for figure in figures if figure not in on_page and figure != "0"] == []


def test_a_promise_that_is_not_kept_has_no_figure() -> None:
    (proof,) = (each for each in PROOFS if each.name == "siege")
    assert proof.read(OUTPUTS["siege"][0].replace("the healthy client missed no response", "NOT AS PROMISED")) is None


def test_too_few_noticed_changes_are_no_figure() -> None:
    (proof,) = (each for each in PROOFS if each.name == "mutants")
    assert proof.read(OUTPUTS["mutants"][0].replace("98.0", "94.9")) is None


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_the_command_of_a_proof_is_a_program_of_the_checkout(proof: Proof) -> None:
    module = proof.command.split()[2].replace(".", "/")
    assert (ROOT / f"{module}.py").is_file()


def test_each_promise_on_the_page_has_its_figure_its_command_and_a_date() -> None:
    commands = {proof.promise: proof.command for proof in PROOFS}
    rows = re.findall(r"^\| (.+?) \| (.+) \| `(python .+?)` \| (\S+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows
    for promise, figure, command, day in rows:
        assert commands[promise] == command
        assert re.search(r"\d", figure)
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", day)
