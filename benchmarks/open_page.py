"""First paint of the status page, its growth while it stays open, and what it costs the gateway.

    python -m benchmarks.open_page [--seconds S] [--meters N] [--every S]

A browser (Chromium, by Playwright) shows the page of a gateway with simulated meters. It prints the first paint of new
visitors, who have no cache. Then one visitor goes to another view each `--every` seconds. After each round through the
views, and a collection of garbage, it prints the heap of the scripts, the nodes of the document, the listeners, and the
memory and the CPU of the gateway. The first half of the samples is warm-up.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measure import machine
from tests.peers.browser import Visit, open_browser
from tests.peers.harness import Gateway, free_port, running

FEW, MANY = ("now", "flow", "charts", "telegram", "registers", "clients"), ("fleet", "flow", "charts")
MB = 1e6
VISITORS = 11
START_LIMIT_S = 600.0
"""Longest time until a gateway with a thousand meters listens, on a busy machine."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=3600.0, help="duration")
    options.add_argument("--meters", type=int, default=1, help="number of simulated meters, which send each second")
    options.add_argument("--every", type=float, default=10.0, help="seconds between two views")
    given = options.parse_args()
    print(machine())
    with TemporaryDirectory(prefix="dsmr-gateway-") as folder, open_browser() as browser:
        page_port = free_port()
        settings = {"meters": meters(given.meters), "status_page": {"listen": f"127.0.0.1:{page_port}"}}
        units: dict[str, Any] = {"units": {1: {"meter": "house-1"}}}
        with running(gateway := Gateway(Path(folder), {}, units, settings=settings)):
            gateway.wait_for_port(page_port, START_LIMIT_S)
            paints = [first_paint(browser, page_port) for _ in range(VISITORS)]
            print(f"first paint      {statistics.median(paints):.0f} ms ({min(paints):.0f} to {max(paints):.0f})")
            samples = list(look(Visit(browser, page_port), gateway, given))
    warm = samples[len(samples) // 2 :]
    for name in warm[0]:
        grown = warm[-1][name] - warm[0][name]
        print(f"{name:<16}{warm[0][name]:>12.2f} -> {warm[-1][name]:.2f} ({grown:+.2f} in the second half)")


def meters(count: int) -> dict[str, Any]:
    """Return the configuration of simulated meters that send each second."""
    return {f"house-{number}": {"simulate": True, "dsmr_version": "5"} for number in range(1, count + 1)}


def first_paint(browser: Any, port: int) -> float:
    """Return the milliseconds until a new visitor sees something of the page."""
    visit = Visit(browser, port)
    page = visit.page
    page.goto(visit.origin)
    page.wait_for_selector("main[data-view] > div")
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    visit.context.close()
    return float(painted)


def look(visit: Visit, gateway: Gateway, given: argparse.Namespace) -> Iterator[dict[str, float]]:
    """Go from view to view until the time is over, and yield a sample after each round."""
    views = FEW if given.meters == 1 else MANY
    visit.open(views[0])
    devtools = visit.context.new_cdp_session(visit.page)
    devtools.send("Performance.enable")
    begin = time.monotonic()
    busy, since = gateway.busy_s, begin
    while time.monotonic() < begin + given.seconds:
        for view in views:
            # As a person does: the page stays, and only the part behind the # changes.
            visit.page.evaluate(f"location.hash = '{view}'")
            visit.page.wait_for_selector(f"main[data-view={view}]")
            time.sleep(given.every)
        cpu = 100 * (gateway.busy_s - busy) / (time.monotonic() - since)
        sample = measured(devtools, gateway) | {"gateway CPU %": cpu}
        busy, since = gateway.busy_s, time.monotonic()
        print(
            f"{time.monotonic() - begin:7.0f} s  " + "  ".join(f"{name} {value:.2f}" for name, value in sample.items()),
            flush=True,
        )
        yield sample
    assert not visit.errors, visit.errors


def measured(devtools: Any, gateway: Gateway) -> dict[str, float]:
    """Return the sizes of the page, after a collection of garbage, and of the gateway."""
    for _ in range(2):
        devtools.send("HeapProfiler.collectGarbage")
    found = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
    resident = Path(f"/proc/{gateway.pid}/statm").read_text().split()[1]
    return {
        "heap MB": found["JSHeapUsedSize"] / MB,
        "nodes": found["Nodes"],
        "listeners": found["JSEventListeners"],
        "gateway MB": int(resident) * 4096 / MB,
    }


if __name__ == "__main__":
    main()
