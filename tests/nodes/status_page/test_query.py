"""The parameters of requests, and the history of each meter across a reload."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.config import load_config, load_maps
from gateway.problems.problem import Place, as_data, problem_of
from tests.nodes.status_page.bench import HOUSE, PAGE, Bench, serving


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(tmp_path) as bench:
        yield bench


REFUSED = [
    ("/api/registers?server=1", 404, "There is no server 1. There are 1, counted from 0."),
    ("/api/registers?unit=9", 404, "There is no unit 9. Configured units: 1, 2."),
    ("/api/registers?unit=-1", 400, "unit must be a number from 0 to 255 (found '-1')."),
    ("/api/registers?unit=1e1", 400, "unit must be a number from 0 to 255 (found '1e1')."),
    ("/api/registers?identifiers=maybe", 400, "identifiers must be true or false (found 'maybe')."),
    ("/api/requests?limit=0", 400, "limit must be a number from 1 to 1000 (found '0')."),
    ("/api/telegram?meter=barn", 404, "There is no meter 'barn'. Configured meters: meter."),
    ("/api/history?meter=", 404, "There is no meter ''. Configured meters: meter."),
    ("/api/series?range=week", 400, "range must be hour or day (found 'week')."),
    ("/api/series?since=now", 400, "since must be a time in unix seconds (found 'now')."),
    ("/api/series?since=1e999", 400, "since must be a time in unix seconds (found '1e999')."),
    ("/download/export?format=excel&host=h", 400, "format must be one of home-assistant, evcc,"),
    ("/download/export?format=evcc", 400, "host must be the name or address of the gateway"),
    ("/download/export?format=evcc&host=a%22b", 400, "host must be the name or address of the gateway"),
    ("/nothing", 404, "Not Found"),
    ("/static/../app.py", 404, "Not Found"),
    ("/static/%2e%2e/app.py", 404, "Not Found"),
]


async def test_a_wrong_parameter_is_refused_with_the_reason(bench: Bench) -> None:
    for path, status, reason in REFUSED:
        answer = await bench.get(path)
        assert answer.status == status, path
        assert answer.data["detail"].startswith(reason), path


async def test_a_reload_shows_the_new_flow_and_keeps_the_history(bench: Bench, tmp_path: Path) -> None:
    before = (await bench.get("/api/history")).data["buckets"]
    (tmp_path / "gateway.yaml").write_text(HOUSE.replace("2: {map: abb-b23}", "5: {map: cg-em24}") + PAGE)
    config = load_config(tmp_path / "gateway.yaml", {})
    page = bench.page
    await bench.wiring.change(config, load_maps(config, tmp_path))
    assert page in bench.wiring.flow.nodes
    status = (await bench.get("/api/status")).data
    assert [unit["map"] for unit in status["servers"][0]["units"]] == ["dsmr", "cg-em24"]
    assert (await bench.get("/api/history")).data["buckets"][0]["at"] == pytest.approx(before[0]["at"], abs=0.1)
    problem = problem_of("unknown-key", "unknown key", place=Place("gateway.yaml", 1, 1, "modbsu"), key="modbsu")
    bench.wiring.problems = [problem]
    status = (await bench.get("/api/status")).data
    assert status["faults"] == ["gateway.yaml:1:1: modbsu: unknown key"]
    assert status["problems"] == [{**as_data(problem), "lines": [], "length": 0}]
