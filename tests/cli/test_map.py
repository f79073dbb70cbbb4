"""`dsmr-gateway map`: the registers of a map, with the values of a telegram."""

from __future__ import annotations

import json

from tests.cli.calling import invoke
from tests.conftest import OWN_TELEGRAMS


def test_a_map_is_shown_as_json() -> None:
    assert json.loads(invoke("map", "dsmr", "--json").stdout)[0]["address"] == "0"


def test_the_values_of_a_telegram_are_shown_beside_the_registers() -> None:
    telegram = OWN_TELEGRAMS / "v50_iskra-am550-solar.txt"
    rows = json.loads(invoke("map", "dsmr", "--json", "--telegram", str(telegram)).stdout)
    assert {row["name"]: row["now"] for row in rows}["power_net"] == "-3127 W"


def test_a_refused_telegram_is_reported_with_the_reason() -> None:
    result = invoke("map", "dsmr", "--telegram", str(OWN_TELEGRAMS / "bad_checksum.txt"))
    assert result.exit_code == 2
    assert "checksum" in result.stderr
