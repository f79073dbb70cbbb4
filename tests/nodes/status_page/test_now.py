"""The view Now: the newest readings of one meter, and its history for charts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway.nodes.status_page.now import NowChannel
from tests.nodes.status_page.bench import PAGE, SEVERAL, serving
from tests.waiting import until

FUSE = SEVERAL.replace("house: {simulate: true}", 'house: {simulate: true, dsmr_version: "5B", main_fuse: 25}')


async def event(channel: NowChannel) -> Any:
    return json.loads(await channel.whole())


async def test_an_event_has_the_newest_readings_of_the_meter_that_is_watched(tmp_path: Path) -> None:
    async with serving(tmp_path, FUSE + PAGE) as bench:
        page = bench.page._page
        await until(lambda: all(meter.accepted > 1 for meter in bench.wiring.meters.values()))
        house = await event(NowChannel(page, "house"))
        assert [meter["name"] for meter in house["meters"]] == ["house", "barn"]
        assert house["counts"] == {"fresh": 2, "late": 0, "stale": 0, "never": 0}
        meter = house["meter"]
        assert (meter["name"], meter["main_fuse_a"], len(meter["phases"])) == ("house", 25, 3)
        assert abs(sum(phase["power_w"] for phase in meter["phases"]) - meter["power_net_w"]) < 5
        assert meter["tariff"] in (1, 2)
        assert meter["peak_w"] > 0
        assert meter["today"]["telegrams"] >= 2
        assert meter["today"]["import_kwh"] >= 0
        assert [(unit["unit_id"], unit["power_address"]) for unit in meter["units"]] == [(1, 100)]
        assert meter["beats"][-1]["fault"] is None
        assert meter["source"]["label"] == "simulated meter house"
        assert (await event(NowChannel(page, "barn")))["meter"]["name"] == "barn"
        assert (await event(NowChannel(page, "no such meter")))["meter"]["name"] == "house"


async def test_a_telegram_changes_only_the_signature_of_its_meter(tmp_path: Path) -> None:
    async with serving(tmp_path, SEVERAL + PAGE) as bench:
        house, barn = (NowChannel(bench.page._page, name) for name in ("house", "barn"))
        before = barn.signature()[:1], house.signature()[:1]  # type: ignore[index]
        bench.wiring.meters["house"].accepted += 1
        assert (barn.signature()[:1] == before[0], house.signature()[:1] == before[1]) == (True, False)  # type: ignore[index]


async def test_a_series_has_a_list_for_each_quantity_from_a_time_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as bench:
        await until(lambda: bench.wiring.meters["meter"].accepted > 1)
        hour = (await bench.get("/api/series")).data
        assert (hour["bucket_s"], len(hour["columns"]["power_mean_w"])) == (10, 360)
        assert hour["columns"]["power_mean_w"][0] is None
        assert hour["columns"]["voltage_l1_lowest_v"][-1] > 200
        last = hour["first"] + 359 * hour["bucket_s"]
        newest = (await bench.get(f"/api/series?since={last}")).data
        assert 1 <= len(newest["columns"]["power_mean_w"]) <= 3
        day = (await bench.get("/api/series?range=day")).data
        assert (day["bucket_s"], len(day["columns"]["telegrams"])) == (300, 288)
