"""The page as a node: events of its viewers, and a password file that cannot be used."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.nodes.status_page.bench import HOUSE, LIMIT_S, Bench, serving
from tests.waiting import until


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(tmp_path) as bench:
        yield bench


async def test_events_carry_the_status_with_each_telegram(bench: Bench) -> None:
    def watch() -> list[int]:
        connection = http.client.HTTPConnection("127.0.0.1", bench.page.port, timeout=LIMIT_S)
        connection.request("GET", "/events")
        response = connection.getresponse()
        counts = []
        while len(counts) < 3:
            line = response.readline()
            if line.startswith(b"data: "):
                counts.append(json.loads(line[6:])["meters"][0]["telegrams"])
        connection.close()
        return counts

    counts = await asyncio.to_thread(watch)
    assert counts == sorted(counts)
    await until(lambda: bench.page.details()["viewers"] == 0)


async def test_an_unusable_password_file_closes_the_page_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short\n")
    page = 'status_page: {listen: "127.0.0.1:0", password_file: secret}\n'
    async with serving(tmp_path, HOUSE + page) as bench:
        await until(lambda: bench.page.status.is_failure)
        assert bench.wiring.servers[0].status.colour != "red"
        assert bench.wiring.health(counts_meters=False).reason == f"{bench.page.name}: password_file cannot be used"
