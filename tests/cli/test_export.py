"""`dsmr-gateway export`: what is exported where no map, port or unit id is given."""

from __future__ import annotations

import pytest

from gateway.cli.export import FORMATS
from gateway.cli.parameters import named_map
from gateway.exports import Target, export
from tests.cli.calling import invoke


@pytest.mark.parametrize("form", FORMATS)
def test_by_default_the_native_map_at_unit_1_and_port_502_is_exported(form: str) -> None:
    shown = invoke("export", form, "--host", "p1.example").stdout_bytes.decode()
    assert shown == export(form, named_map("dsmr"), Target("p1.example", 502, 1))
