"""Finding 13: a scan leaves the metrics small, no counter falls, and no name breaks their format."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway.protocol.modbus.monitor import NAMED_FUNCTIONS
from gateway.protocol.modbus.responder import Responder, UnitTable
from tests.nodes.status_page.bench import Bench, serving
from tests.protocol.modbus.small_units import CLIENT, IDENTIFICATION, responder_of, small_unit

MAX_COUNTERS_OF_A_SCAN = (2 + 1) * (len(NAMED_FUNCTIONS) + 1)
"""Two units and the others, with each function and the others."""


def scan(responder: Responder) -> None:
    """Ask each unit id for each function, and one unit for each address."""
    for unit_id in range(256):
        for function_code in range(1, 128):
            responder.respond(bytes((function_code, 0, 0, 0, 1)), unit_id, 0.0, CLIENT)
    for address in range(0, 65_536, 16):
        responder.respond(b"\x03" + address.to_bytes(2, "big") + b"\x00\x01", 1, 0.0, CLIENT)


def is_not_less(after: dict[tuple[int, int], int], before: dict[tuple[int, int], int]) -> bool:
    return all(after[asked] >= count for asked, count in before.items())


def test_a_scan_leaves_few_counters_and_counts_everything() -> None:
    responder = responder_of({1: small_unit(), 2: small_unit()}, small_unit())
    scan(responder)
    monitor = responder.monitor
    assert len(monitor.requests) <= MAX_COUNTERS_OF_A_SCAN
    assert len(monitor.exceptions) <= 4 * MAX_COUNTERS_OF_A_SCAN
    assert monitor.noted == 256 * 127 + 4096


def test_no_counter_falls_when_units_are_added_or_removed() -> None:
    responder = responder_of({1: small_unit()})
    for unit_ids in ((1,), (1, 2), (2,), (3,), (1,)):
        before = responder.monitor.requests
        responder.rewire(UnitTable({unit_id: small_unit() for unit_id in unit_ids}), IDENTIFICATION)
        assert is_not_less(responder.monitor.requests, before)
        for unit_id in range(5):
            responder.respond(b"\x03\x00\x00\x00\x01", unit_id, 0.0, CLIENT)
        assert is_not_less(responder.monitor.requests, before)


async def metrics_of(bench: Bench) -> list[Metric]:
    answer = await bench.get("/metrics")
    return list(text_string_to_metric_families(answer.body.decode()))


async def test_a_name_with_quotes_and_line_ends_is_one_label(tmp_path: Path) -> None:
    hostile = 'a"} 1\n# TYPE forged counter\nforged{b="\\'
    async with serving(tmp_path, waits=False) as bench:
        bench.page.name = hostile
        families = await metrics_of(bench)
        assert "forged" not in {family.name for family in families}
        names = {sample.labels["node"] for family in families for sample in family.samples if "node" in sample.labels}
        assert hostile in names
