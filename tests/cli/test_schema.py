"""`dsmr-gateway schema`: the JSON Schemas, with which editors check, agree with the checks of the gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from gateway.cli.schema import schema
from gateway.maps.load import map_names
from tests.cli.calling import invoke
from tests.conftest import ROOT
from tests.test_docs import EXAMPLES

MAP_SCHEMA = ROOT / "register_maps" / "map.schema.json"
MAP_FILES = sorted((ROOT / "register_maps").glob("*/*.yaml"))


def faults(of: str, text: str) -> list[str]:
    # A round trip through JSON makes keys texts, as an editor sees them.
    document: Any = json.loads(json.dumps(yaml.safe_load(text)))
    return [error.message for error in Draft202012Validator(schema(of)).iter_errors(document)]


@pytest.mark.parametrize("of", ["config", "map"])
def test_the_command_prints_a_valid_schema(of: str) -> None:
    printed = json.loads(invoke("schema", of).stdout)
    Draft202012Validator.check_schema(printed)
    assert printed == schema(of)


@pytest.mark.parametrize("path", MAP_FILES, ids=lambda path: path.stem)
def test_every_built_in_map_fits_the_schema_that_it_names(path: Path) -> None:
    text = path.read_text()
    assert faults("map", text) == []
    first = text.splitlines()[0]
    assert first == "# yaml-language-server: $schema=../map.schema.json"
    assert (path.parent / first.partition("$schema=")[2]).resolve() == MAP_SCHEMA


def test_the_schema_beside_the_maps_is_that_of_the_models() -> None:
    assert json.loads(MAP_SCHEMA.read_text()) == schema("map"), "run make pages"


@pytest.mark.parametrize("path", map_names().values(), ids=map_names().keys())
def test_every_map_names_its_source(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    assert document.get("source") or document.get("extends")
    assert document["title"]


@pytest.mark.parametrize("text", [text for _, _, text in EXAMPLES], ids=[f"{p.stem}-{n}" for p, n, _ in EXAMPLES])
def test_every_example_of_the_documentation_fits_the_schema(text: str) -> None:
    assert faults("map" if "\nregisters:" in f"\n{text}" else "config", text) == []


@pytest.mark.parametrize(
    ("of", "text"),
    [
        ("config", "meter: {prot: /dev/p1}"),
        ("config", "meter: {dsmr_version: six}"),
        ("config", "modbus: [{units: {1: {on_stale: never}}}]"),
        ("config", "passthrough: [{listen: {host: a}}]"),
        ("map", "registers: [{address: -1, name: a, type: uint16, value: 1}]"),
        ("map", "registers: [{address: 1, name: a, type: uint17, value: 1}]"),
        ("map", "word_order: middle"),
        ("map", "register: []"),
    ],
)
def test_a_problem_is_one_for_the_schema_too(of: str, text: str) -> None:
    assert faults(of, text)
