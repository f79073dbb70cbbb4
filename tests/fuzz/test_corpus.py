"""Each fuzz target holds what it says for its corpus and for small inputs, without atheris."""

from __future__ import annotations

import ast
from importlib import import_module

import pytest
import yaml

from fuzz.harness import CORPUS, TARGETS, Source
from tests.conftest import ROOT

MAX_CORPUS_BYTES = 300_000
SMALL = (b"", b"\0", b"\xff", b"\0" * 40, b"\xff" * 40, bytes(range(64)))


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_target_checks_holds_for_its_corpus(target: str) -> None:
    check = import_module(f"fuzz.{target}").check
    inputs = [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]
    assert inputs
    for data in (*SMALL, *inputs):
        check(data)


def test_each_module_with_a_check_is_a_target_with_a_corpus() -> None:
    modules = {path.stem: ast.parse(path.read_text()) for path in (ROOT / "fuzz").glob("*.py")}
    checks = {
        name
        for name, tree in modules.items()
        if any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tree.body)
    }
    assert checks == set(TARGETS) == {path.name for path in CORPUS.iterdir()}


def test_continuous_integration_fuzzes_every_target() -> None:
    path = ROOT / ".github" / "workflows" / "fuzz.yaml"
    if not path.exists():
        pytest.skip("an sdist is without workflows")
    job = yaml.safe_load(path.read_text())["jobs"]["fuzz"]
    assert job["strategy"]["matrix"]["target"] == list(TARGETS)


def test_the_corpora_are_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < MAX_CORPUS_BYTES


def test_choices_come_from_the_front_and_are_zero_at_the_end() -> None:
    source = Source(bytes((1, 2, 3, 255)))
    assert source.pick("abc") == "b"
    assert source.number(0xFFFF) == 0x0203
    assert not source.is_empty
    assert (source.number(9), source.is_empty) == (255 % 10, True)
    assert (source.number(9), source.pick("abc"), source.rest()) == (0, "a", b"")


def test_segments_are_the_whole_cut_at_places_that_are_parts_of_it() -> None:
    assert Source(b"\x40\x00\xff\xff\x80\x00abcdefgh").segments() == [b"ab", b"cd", b"efgh", b""]
    assert b"".join(Source(b"\x01").segments()) == b""
