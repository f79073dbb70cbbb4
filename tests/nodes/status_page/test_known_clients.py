"""The known clients: the table of `dsmr-gateway clients`, for the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.maps.clients import load_clients
from tests.nodes.status_page.bench import Bench, serving
from tests.nodes.status_page.test_texts import LANGUAGES, texts

LARGEST_BYTES = 100_000


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(tmp_path) as bench:
        yield bench


async def test_each_client_of_the_table_has_what_the_command_shows(bench: Bench) -> None:
    answer = await bench.get("/api/clients")
    shown = {client["name"]: client for client in answer.data["clients"]}
    assert list(shown) == [client.name for client in load_clients()]
    assert len(answer.body) < LARGEST_BYTES
    for client in load_clients():
        assert (shown[client.name]["page"], shown[client.name]["why_not"]) == (client.page, client.why_not)
        for way, view in zip(client.ways, shown[client.name]["ways"], strict=True):
            same = (way.select, way.map, way.unit, way.transport, way.on_stale, way.tested)
            assert tuple(view[key] for key in ("select", "map", "unit_id", "transport", "on_stale", "tested")) == same
            assert view["configuration"] == way.configuration()
            assert (view["serial"] is None) is (way.transport != "serial")


async def test_the_page_has_a_text_for_each_code_of_a_way(bench: Bench) -> None:
    ways = [way for client in (await bench.get("/api/clients")).data["clients"] for way in client["ways"]]
    codes = {f"transport_{way['transport']}" for way in ways} | {f"tested_{way['tested']}" for way in ways}
    lines = [way["serial"] for way in ways if way["serial"]]
    codes |= {f"parity_{line['parity']}" for line in lines} | {f"stopbit_{line['stopbits']}" for line in lines}
    for language in LANGUAGES:
        assert codes - texts(language)["page"].keys() == set()
