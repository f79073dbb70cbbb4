"""Metrics follow the rules of Prometheus and count what happened."""

from __future__ import annotations

import asyncio
import math
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from gateway.transport.shares import TurnedAway
from tests.nodes.status_page.bench import LIMIT_S, PAGE, SEVERAL, serving
from tests.peers.harness import ModbusClient, read_request


async def test_metrics_follow_the_rules_of_prometheus(tmp_path: Path) -> None:
    async with serving(tmp_path, SEVERAL + PAGE) as bench:

        def ask() -> None:
            with ModbusClient(bench.wiring.servers[0].port) as client:
                client.ask(read_request(100, 2), 1)
                client.ask(read_request(0, 1), 9)

        await asyncio.to_thread(ask)
        answer = await bench.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    for name, family in families.items():
        # promtool check metrics: names, help texts and units.
        assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", name)
        assert family.documentation
        assert not re.search(r"_(?:count|sum|bucket|info|milliseconds|ms|percent)$", name) or name.endswith(
            "_build_info"
        )
        for sample in family.samples:
            assert sample.name.endswith("_total") is (family.type == "counter"), sample.name
            assert math.isfinite(sample.value) or family.type == "gauge"
            assert all(re.fullmatch(r"[a-z][a-z_]*", label) for label in sample.labels)
    value = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    server_name = bench.wiring.servers[0].name
    assert value["dsmr_gateway_telegrams_total", "house"] >= 1
    assert value["dsmr_gateway_meter_fresh", "barn"] == 1
    assert value["dsmr_gateway_modbus_requests_total", "1", "3", server_name] == 1
    assert value["dsmr_gateway_modbus_exceptions_total", "10", "3", server_name, "other"] == 1
    assert 0 <= value["dsmr_gateway_telegram_age_seconds", "house"] < LIMIT_S
    assert all(number == 1 for key, number in value.items() if key[0] == "dsmr_gateway_node_up")
    refusing = {sample.labels["kind"] for sample in families["dsmr_gateway_clients_refused"].samples}
    assert refusing == {"Modbus server", "passthrough", "status page"}
    # Prometheus sees no increase in a series that begins with 1.
    turned_away = families["dsmr_gateway_clients_turned_away"].samples
    assert {sample.labels["kind"] for sample in turned_away} >= refusing
    assert {(sample.labels["reason"], sample.value) for sample in turned_away} == {(each, 0) for each in TurnedAway}
    assert "process_resident_memory_bytes" in families
