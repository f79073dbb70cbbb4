"""Downloads of register maps and exports."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from tests.nodes.status_page.bench import Bench, serving


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(tmp_path) as bench:
        yield bench


async def test_downloads_are_files(bench: Bench) -> None:
    table = await bench.get("/download/map?unit=2")
    assert table.headers["content-disposition"] == 'attachment; filename="abb-b23.csv"'
    assert next(csv.DictReader(io.StringIO(table.body.decode())))["address"] == "20480"
    export = await bench.get("/download/export?format=home-assistant&host=gateway.lan&unit=2")
    assert export.headers["content-disposition"] == 'attachment; filename="abb-b23-home-assistant.yaml"'
    (hub,) = yaml.safe_load(export.body)["modbus"]
    assert (hub["host"], hub["port"]) == ("gateway.lan", bench.wiring.servers[0].port)
