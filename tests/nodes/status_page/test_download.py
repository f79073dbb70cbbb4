"""Downloads of register maps, exports and histories."""

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


async def test_the_history_of_a_meter_is_a_table_with_a_row_for_each_bucket(bench: Bench) -> None:
    series = (await bench.get("/api/series?range=day")).data
    download = await bench.get("/download/history?range=day")
    assert download.headers["content-disposition"] == 'attachment; filename="meter-day.csv"'
    rows = list(csv.DictReader(io.StringIO(download.body.decode())))
    assert len(rows) == len(series["columns"]["telegrams"])
    assert list(rows[-1]) == ["time", *series["columns"]]
    expected = ["" if value is None else str(value) for value in series["columns"]["telegrams"]]
    assert [row["telegrams"] for row in rows] == expected
    assert rows[0]["time"].endswith("+00:00")
