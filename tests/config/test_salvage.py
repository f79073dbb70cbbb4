"""What is valid in a configuration is kept for further checks, whatever is wrong with the rest."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.salvage import salvage_config
from gateway.files.yaml_file import parse


def test_an_invalid_value_is_taken_out_and_its_neighbours_stay() -> None:
    salvaged = salvage_config(parse("modbus: [{listen: x, max_clients: 5}, {listen: ':5021'}]", "f"))
    assert [server.max_clients for server in salvaged.config.modbus] == [5, 32]
    assert salvaged.config.modbus[1].address.port == 5021
    assert salvaged.lost == {("modbus", 0, "listen")}
    assert [str(problem.place) for problem in salvaged.problems] == ["f:1:11: modbus[0].listen: "]


def test_an_entry_that_cannot_be_used_keeps_its_position_and_its_name() -> None:
    salvaged = salvage_config(parse("meters: {a: 5, b: {port: /dev/b}}\nmodbus: [7, {listen: 1}]", "f"))
    assert list(salvaged.config.meters) == ["a", "b"]
    assert salvaged.config.modbus[1].address.port == 1


def test_an_entry_whose_keys_do_not_fit_each_other_keeps_what_is_checked_later() -> None:
    text = (
        "modbus: [{serial: {port: /dev/a}, listen: 3, units: {1: {wait_up_to: 1s, map: dsrm, meter: b}, 7: {map: x}}}]"
    )
    salvaged = salvage_config(parse(text, "f"))
    units = salvaged.config.modbus[0].units
    assert {unit_id: (unit.map, unit.meter) for unit_id, unit in units.items()} == {1: ("dsrm", "b"), 7: ("x", None)}
    assert ("modbus", 0, "listen") in salvaged.lost
    assert ("modbus", 0) not in salvaged.lost


def test_a_document_that_is_no_mapping_gives_defaults() -> None:
    salvaged = salvage_config(parse("- 1", "f"))
    assert (len(salvaged.problems), salvaged.lost) == (1, {()})


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 300) | st.sampled_from(["x", ":502", "/dev/p1", "dsmr", "30s"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["meter", "meters", "modbus", "passthrough", "listen", "units", "map", "port", "tls", "other"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["meter", "meters", "modbus", "passthrough", "status_page"]), _VALUES))
def test_any_data_has_valid_parts_and_problems_with_places(data: dict[str, Any]) -> None:
    salvaged = salvage_config(parse(yaml.safe_dump(data), "f"))
    assert bool(salvaged.lost) == bool(salvaged.problems)
    for problem in salvaged.problems:
        assert problem.place.line
        assert problem.what


@pytest.mark.parametrize("text", ["", "meter: {simulate: true}"])
def test_a_valid_configuration_loses_nothing(text: str) -> None:
    salvaged = salvage_config(parse(text, "f"))
    assert (salvaged.problems, salvaged.lost) == ([], frozenset())
