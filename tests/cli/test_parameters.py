"""The choices that commands offer are those of the code that they call."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from gateway import exports
from gateway.cli.export import FORMATS
from gateway.cli.parameters import DEFAULT_CONFIG, TABLE_FORMATS, named_map, unit_id_or_default
from gateway.maps import table as map_table


def test_choices_are_those_of_the_code_that_is_called() -> None:
    assert tuple(exports.FORMATS) == FORMATS
    assert tuple(map_table.FORMATS) == TABLE_FORMATS
    assert DEFAULT_CONFIG == "gateway.yaml"


def test_the_unit_id_is_the_given_one_or_that_of_the_map_or_1(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "unit_id: 247\nregisters: [{address: 0, name: a, type: uint16, value: tariff}]\n"
    )
    own, native = named_map(str(tmp_path / "own.yaml")), named_map("dsmr")
    assert [unit_id_or_default(given, own) for given in (None, 0, 5)] == [247, 0, 5]
    assert unit_id_or_default(None, native) == 1


def test_an_unknown_map_is_a_usage_error_with_a_suggestion() -> None:
    with pytest.raises(click.UsageError, match=r"'dsrm'.*Did you mean dsmr"):
        named_map("dsrm")
