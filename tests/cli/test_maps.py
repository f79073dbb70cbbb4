"""`dsmr-gateway maps` and its pages of documentation."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.maps.load import map_names
from tests.cli.calling import invoke


def test_every_map_is_listed_with_its_title() -> None:
    lines = invoke("maps").stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(map_names())
    assert all(len(line.split()) > 1 for line in lines)


def test_json_lists_the_same_maps() -> None:
    listed = json.loads(invoke("maps", "--json").stdout)
    assert [each["name"] for each in listed] == sorted(map_names())
    assert all(each.keys() == {"name", "title", "clients", "unit_id"} for each in listed)


def test_a_page_for_each_map_and_an_index_are_written(tmp_path: Path) -> None:
    result = invoke("maps", "--pages", str(tmp_path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", *(f"{name}.md" for name in map_names())}
