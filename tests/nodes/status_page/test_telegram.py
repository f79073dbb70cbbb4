"""The newest telegrams and the last hour of a meter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.nodes.status_page.bench import Bench, serving
from tests.waiting import until


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(tmp_path) as bench:
        yield bench


async def test_the_last_telegrams_and_the_last_hour_are_kept(bench: Bench) -> None:
    meter = bench.wiring.meters["meter"]
    await until(lambda: meter.accepted > 1)
    telegram = (await bench.get("/api/telegram")).data
    assert [each["fault"] for each in telegram["recent"]] == [None] * len(telegram["recent"])
    assert telegram["recent"][-1]["interval_s"] is None
    history = (await bench.get("/api/history")).data
    assert history["bucket_s"] * 360 == 3600
    assert sum(bucket["telegrams"] for bucket in history["buckets"]) >= 2
    assert history["buckets"][-1]["power_mean_w"] is not None
