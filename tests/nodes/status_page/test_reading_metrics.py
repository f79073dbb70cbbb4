"""The readings as metrics: by choice, fresh ones only, and with no label that a meter or a client can choose."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway.config import check_config
from gateway.nodes.status_page.reading_metrics import METERS_AT_ONCE, render_readings
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.names import NAMES
from tests.nodes.status_page.bench import PAGE, SEVERAL, Bench, serving
from tests.waiting import until

CHOSEN = "metrics: {readings: true}\n"


async def readings_of(bench: Bench) -> dict[str, Metric]:
    text = (await bench.get("/metrics")).body.decode()
    families = text_string_to_metric_families(text)
    return {family.name: family for family in families if family.name.startswith("dsmr_gateway_reading_")}


async def test_readings_are_shown_by_choice_with_their_unit(tmp_path: Path) -> None:
    async with serving(tmp_path, SEVERAL + PAGE + CHOSEN) as bench:
        meters = bench.wiring.meters
        await until(lambda: all(meter.served for meter in meters.values()))
        found = await readings_of(bench)
        served = meters["house"].served
        assert served is not None
        bench.wiring.configured[0].metrics.readings = False
        await asyncio.sleep(0.3)  # the response is shared for a moment
        assert await readings_of(bench) == {}
    samples = [sample for family in found.values() for sample in family.samples]
    assert {sample.labels["meter"] for sample in samples} == {"house", "barn"}
    assert {sample.labels["reading"] for sample in samples} <= NAMES.keys()
    assert all(sample.labels.keys() == {"meter", "reading"} for sample in samples)
    watts = {(s.labels["meter"], s.labels["reading"]) for s in found["dsmr_gateway_reading_watts"].samples}
    assert ("house", "power_net") in watts
    assert {"dsmr_gateway_reading_watt_hours", "dsmr_gateway_reading_volts"} <= found.keys()
    named = {sample.labels["reading"] for sample in samples}
    assert not any("identifier" in name or name.endswith("_time") or name == "clock" for name in named)


async def test_nothing_is_shown_of_a_meter_without_fresh_readings() -> None:
    meters = [MeterState(f"m{number}", None) for number in range(METERS_AT_ONCE + 1)]
    assert await render_readings(meters) == b""


def test_readings_without_a_page_are_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("meter: {simulate: true}\n" + CHOSEN)
    (problem,) = check_config(path, {}).problems
    assert str(problem).endswith(
        "gateway.yaml:2:1: metrics: no page serves the metrics. Add status_page: {}, which serves them on this machine"
    )
