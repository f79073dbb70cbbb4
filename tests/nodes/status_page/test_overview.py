"""The status of the gateway: nodes, wires, meters and servers."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.nodes.status_page.labels import MarkView, mark_view
from gateway.nodes.status_page.overview import status
from gateway.runtime.status import Status
from tests.nodes.status_page.bench import PAGE, SEVERAL, Bench, counting_turns, serving


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(tmp_path) as bench:
        yield bench


async def test_the_flow_has_its_nodes_and_wires(tmp_path: Path) -> None:
    async with serving(tmp_path, SEVERAL + PAGE) as bench:
        status = (await bench.get("/api/status")).data
    kinds = [node["kind"] for node in status["nodes"]]
    assert kinds.count("simulated meter") == kinds.count("DSMR parser") == kinds.count("Modbus server") == 2
    assert kinds.count("register map") == 3
    assert kinds.count("passthrough") == kinds.count("status page") == 1
    names = {node["name"] for node in status["nodes"]}
    assert {wire[end] for wire in status["wires"] for end in ("source", "target")} <= names
    assert len(names) == len(status["nodes"])
    labels = [node["label"] for node in status["nodes"]]
    assert "simulated meter barn" in labels
    assert "7: dsmr-4" in labels
    assert [(meter["name"], meter["is_fresh"], meter["variant"]) for meter in status["meters"]] == [
        ("house", True, "DSMR 5"),
        ("barn", True, "DSMR 4"),
    ]
    tcp, udp = status["servers"]
    assert [unit["map"] for unit in tcp["units"]] == ["dsmr", "dsmr-4"]
    assert (tcp["transport"], udp["transport"]) == ("tcp", "udp")
    assert udp["units"][0]["word_order"] == "low word first"
    assert udp["units"][0]["on_stale"] == "silent"
    assert 1 <= tcp["port"] <= 65535


async def test_a_status_is_made_in_turns_so_that_no_request_waits_for_all_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def look(shown: Status) -> MarkView:
        looked.append(turn())
        return mark_view(shown)

    monkeypatch.setattr("gateway.nodes.status_page.json_text.ITEMS_IN_TURN", 2)
    monkeypatch.setattr("gateway.nodes.status_page.overview.mark_view", look)
    async with serving(tmp_path, SEVERAL + PAGE) as bench:
        with counting_turns() as turn:
            made = json.loads(await status(bench.wiring, 0.0))
    assert [meter["name"] for meter in made["meters"]] == ["house", "barn"]
    assert len(looked) == len(made["nodes"]) > 10
    assert max(Counter(looked).values()) == 2


async def test_an_offline_meter_is_stale_everywhere(bench: Bench) -> None:
    meter = bench.wiring.meters["meter"]
    bench.wiring.served[0].units[0].unit.fresh_until = 0
    table = (await bench.get("/api/registers")).data
    by_name = {register["name"]: register for register in table["registers"]}
    assert not table["is_fresh"]
    assert by_name["power_net"]["is_stale"]
    assert by_name["power_net"]["text"] is None
    assert by_name["power_net"]["exception"] == 0x0B
    assert not by_name["heartbeat"]["is_stale"]
    assert by_name["heartbeat"]["text"] is not None
    meter._stale_after_s = meter.stale_after_s = -1
    health = await bench.get("/healthz")
    assert health.status == 503
    assert re.fullmatch(r"meter: no telegram for \d+ s", health.data["reason"])
    assert (await bench.get("/healthz?meters=false")).data["reason"] == "ok"
    nothing = await bench.get("/healthz?meters=any")
    assert (nothing.status, nothing.data["reason"]) == (503, "no meter is fresh")
    meter._stale_after_s, meter.stale_after_s = None, 5.0
    assert (await bench.get("/healthz?meters=any")).data["reason"] == "ok"
    meter._stale_after_s = meter.stale_after_s = -1
    assert not (await bench.get("/api/status")).data["meters"][0]["is_fresh"]
