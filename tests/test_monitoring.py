"""The alert rules and the dashboard of docs/monitoring use metrics that exist, and have the form that programs read."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import ROOT, program
from tests.nodes.status_page.bench import PAGE, SEVERAL, serving

FOLDER = ROOT / "docs" / "monitoring"
RULES = FOLDER / "alerts.yaml"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
OF_PROMETHEUS = {"up"}
"""Metrics that Prometheus makes itself."""
NAME = re.compile(r"\b(?:dsmr_gateway|process)_[a-z_0-9]+\b")
COLUMNS = 24
"""Width of a dashboard of Grafana."""


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def queries() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    yield from (
        variable["query"]["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"
    )


def labels_in(query: str) -> set[str]:
    """Return the labels that a query selects, groups by or shows."""
    inside = " ".join(re.findall(r"\{([^}]*)\}", query))
    grouped = " ".join(re.findall(r"by \(([^)]*)\)", query))
    return set(re.findall(r"([a-z_]+)(?=!?=)", inside)) | set(re.findall(r"[a-z_]+", grouped))


async def test_each_query_names_metrics_and_labels_that_exist(tmp_path: Path) -> None:
    async with serving(tmp_path, SEVERAL + PAGE + "metrics: {readings: true}\n") as bench:
        text = (await bench.get("/metrics")).body.decode()
    names = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    # A reading is there once a telegram is served; its metric is tested with the readings.
    names |= {f"dsmr_gateway_reading_{unit}" for unit in ("watts",)}
    labels = {"job", "instance", "server", "reading", "reason", "code", "file"}
    labels |= {
        label for family in text_string_to_metric_families(text) for each in family.samples for label in each.labels
    }
    for query in queries():
        used = set(NAME.findall(query))
        assert used or OF_PROMETHEUS & set(re.findall(r"\w+", query)), query
        assert used <= names, query
        assert labels_in(query) <= labels, query


def test_each_alert_says_what_to_do_and_is_in_the_documentation() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "action"}
        assert f"`{rule['alert']}`" in OPERATIONS, rule["alert"]
    assert set(re.findall(r"`([A-Z]\w+[a-z][A-Z]\w+)`", OPERATIONS)) == {rule["alert"] for rule in rules()}


def test_prometheus_understands_the_rules() -> None:
    result = subprocess.run([program("promtool"), "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_alert_fires_for_its_fault_only() -> None:
    tests = Path(__file__).with_name("alerts_test.yaml")
    fired = set(re.findall(r'alertname="(\w+)"', tests.read_text()))
    assert fired == {rule["alert"] for rule in rules()}
    result = subprocess.run([program("promtool"), "test", "rules", tests], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


async def test_prometheus_has_no_objection_to_the_metrics(tmp_path: Path) -> None:
    async with serving(tmp_path, SEVERAL + PAGE + "metrics: {readings: true}\n") as bench:
        metrics = (await bench.get("/metrics")).body
    result = await asyncio.to_thread(
        subprocess.run, [program("promtool"), "check", "metrics"], input=metrics, capture_output=True, check=False
    )
    # It would have energy in joules; a reading keeps the unit of its meter.
    assert result.stderr.decode() == 'dsmr_gateway_reading_watt_hours use base unit "seconds" instead of "hours"\n'


def test_grafana_reads_all_of_the_dashboard() -> None:
    register_default_plugins()
    known = json.loads(JSONEncoder().encode(Dashboard.from_json(DASHBOARD)))
    assert list(left_out(DASHBOARD, known)) == []


def left_out(given: Any, known: Any, place: str = "dashboard") -> Iterator[str]:
    """Yield the places at which a part of a document is not in what was read of it."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            yield from left_out(value, known.get(key), f"{place}.{key}")
    elif isinstance(given, list) and isinstance(known, list):
        for number, (one, another) in enumerate(itertools.zip_longest(given, known)):
            yield from left_out(one, another, f"{place}[{number}]")
    elif given != known:
        yield place


def test_the_panels_of_the_dashboard_have_a_description_and_the_chosen_data_source() -> None:
    assert "id" not in DASHBOARD, "Grafana numbers dashboards itself"
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"]
        assert panel["description"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert target["expr"]
            assert target["refId"]
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "instance"]


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    place = panel["gridPos"]
    columns = range(place["x"], place["x"] + place["w"])
    return set(itertools.product(columns, range(place["y"], place["y"] + place["h"])))


def test_the_panels_of_the_dashboard_fill_its_rows_without_overlapping() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        assert not taken & cells(panel), panel["title"]
        taken |= cells(panel)
    rows = {row for _, row in taken}
    assert taken == set(itertools.product(range(COLUMNS), range(max(rows) + 1)))
