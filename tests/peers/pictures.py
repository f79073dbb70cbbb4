"""Make the pictures of the documentation again: `make pictures`.

A gateway with a simulated and a serial meter and three clients runs on this machine, and Chromium shows its page. The
pictures have the addresses and the ports of a home instead of those of this machine, and an hour that has passed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

from tests.conftest import ROOT, own_telegram
from tests.peers.browser import Visit, open_browser
from tests.peers.harness import Gateway, ModbusClient, SerialPort, free_port, read_request, running

IMAGES = ROOT / "docs" / "images"
READERS = {"127.0.0.20": (1, 100, 12), "127.0.0.30": (2, 1000, 34), "127.0.0.40": (3, 100, 2)}
"""Unit, address and number of registers that the client of each address reads."""
READ_EVERY_S = 1.0
BUCKETS = 360
"""Number of buckets in an hour."""
RENAMED = """(names) => {
  const renamed = (text) => names.reduce((all, [here, home]) => all.replaceAll(here, home), text);
  const load = fetch;
  window.fetch = async (...given) => {
    const response = await load(...given);
    return new Response(renamed(await response.text()), response);
  };
  window.EventSource = class extends EventSource {
    set onmessage(show) {
      super.onmessage = ({ data }) => show({ data: renamed(data) });
    }
  };
}"""
"""Gives what the page receives other names."""


def main() -> None:
    """Write the pictures."""
    with TemporaryDirectory(prefix="dsmr-gateway-") as name, ExitStack() as stack:
        folder = Path(name)
        page_port = free_port()
        port = stack.enter_context(SerialPort(folder / "p1"))
        gateway = Gateway(
            folder / "gateway",
            {},
            {
                "units": {
                    1: {"meter": "house"},
                    2: {"meter": "house", "map": "solaredge-wattnode"},
                    3: {"meter": "barn"},
                }
            },
            passthrough=[{"meter": "house"}],
            settings={
                "meters": {
                    "house": {"simulate": True, "main_fuse": 25},
                    "barn": {"port": str(port.link), "dsmr_version": "5"},
                },
                "status_page": {"listen": f"127.0.0.1:{page_port}"},
            },
        )
        stack.enter_context(running(gateway))
        gateway.wait_for_port(page_port)
        stop = Event()
        stack.callback(stop.set)
        for source, asked in READERS.items():
            Thread(target=read, args=(stop, gateway.port, source, *asked), name=source, daemon=True).start()
        visit = Visit(stack.enter_context(open_browser()), page_port, reduced_motion="reduce")
        names = {
            str(port.link): "/dev/ttyUSB0",
            f":{gateway.port}": ":502",
            f":{gateway.passthrough_ports[0]}": ":2001",
            f":{page_port}": ":8080",
            "127.0.0.": "192.168.1.",
        }
        visit.page.add_init_script(f"({RENAMED})({json.dumps(list(names.items()))})")
        visit.page.route("**/api/series*", lambda route: route.fulfill(json=with_past(route.fetch().json())))
        with port.sending(own_telegram("v50_iskra-am550-solar"), every_s=1.0):
            visit.open("now/house").locator("#pill", has_text="2 of 2 fresh").wait_for()
            visit.page.wait_for_selector(".hero circle.dot")
            visit.page.locator(".who li").nth(1).wait_for()
            # A minute of telegrams.
            visit.page.wait_for_function("() => document.querySelectorAll('.beat').length > 55")
            visit.page.set_viewport_size({"width": 1280, "height": 800})
            visit.page.screenshot(path=IMAGES / "status-page.png")
            visit.open("flow").get_by_text("192.168.1.40").first.wait_for()
        port.unplug()
        visit.page.set_viewport_size({"width": 1280, "height": 860})
        visit.page.get_by_text("barn is stale").wait_for()
        # The line, its parser, its unit and the client of the unit.
        visit.page.wait_for_function("() => document.querySelectorAll('.node .mk.stale').length === 4")
        visit.page.screenshot(path=IMAGES / "status-page-flow.png")


def read(stop: Event, port: int, source: str, unit: int, address: int, count: int) -> None:
    """Read registers again and again, as a client with the address `source`."""
    with ModbusClient(port, source) as client:
        while not stop.wait(READ_EVERY_S):
            client.ask(read_request(address, count), unit)


def with_past(series: Mapping[str, Any]) -> dict[str, Any]:
    """Return the series of the last hour; before its first telegram, the gateway ran and the power rose and fell."""
    columns = series["columns"]
    begin = next(index for index, telegrams in enumerate(columns["telegrams"]) if telegrams)
    made = BUCKETS - len(columns["telegrams"]) + begin

    def value(name: str, before: int) -> float | None:
        newest: float | None = columns[name][begin]
        if newest is None or not (name.startswith("power") or name == "telegrams"):
            return newest
        if name == "telegrams":
            return float(series["bucket_s"])
        wave = 1300 * math.sin(before / 55) * math.exp(-before / 400) + 60 * math.sin(before * before)
        return newest + wave * (1 if "mean" in name or "est" in name else 1 / 3)

    past = {name: [value(name, made - index) for index in range(made)] + columns[name][begin:] for name in columns}
    return {**series, "first": series["first"] + (begin - made) * series["bucket_s"], "columns": past}


if __name__ == "__main__":
    main()
