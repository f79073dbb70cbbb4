"""A gateway with a status page in this process, and who asks it."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.config import load_config, load_maps
from gateway.nodes.status_page.node import StatusPage
from gateway.service.wiring import Wiring
from tests.waiting import until

LIMIT_S = 60.0
HOUSE = """\
meter: {simulate: true}
modbus:
  - {listen: "127.0.0.1:0", units: {1: {map: dsmr, identifiers: true}, 2: {map: abb-b23}}}
"""
SEVERAL = """\
meters: {house: {simulate: true}, barn: {simulate: true, dsmr_version: "4"}}
modbus:
  - {listen: "127.0.0.1:0", units: {1: {meter: house}, 7: {meter: barn, map: dsmr-4}}}
  - listen: "127.0.0.1:0"
    transport: udp
    allow: [127.0.0.1]
    units: {3: {meter: barn, map: cg-em24, on_stale: silent}}
passthrough:
  - {meter: house, listen: "127.0.0.1:0"}
"""
PAGE = 'status_page: {listen: "127.0.0.1:0"}\n'


@contextmanager
def counting_turns() -> Iterator[Callable[[], int]]:
    """Count the turns of the event loop; what this yields returns the number of the present one."""
    turn = 0

    async def count() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    try:
        yield lambda: turn
    finally:
        counting.cancel()


@dataclass
class ReadResult:
    """What the page answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    data: Any = field(init=False)

    def __post_init__(self) -> None:
        is_json = self.headers.get("content-type", "").startswith("application/json")
        self.data = json.loads(self.body) if is_json and self.body else None


class Bench:
    """A running gateway."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self.page = next(node for node in wiring.flow.nodes if isinstance(node, StatusPage))

    async def get(self, path: str, method: str = "GET", **headers: str) -> ReadResult:
        """Ask the page, from a thread of its own."""
        return await asyncio.to_thread(self._get, path, method, {n.replace("_", "-"): v for n, v in headers.items()})

    def _get(self, path: str, method: str, headers: Mapping[str, str]) -> ReadResult:
        connection = http.client.HTTPConnection("127.0.0.1", self.page.port, timeout=LIMIT_S)
        connection.request(method, path, headers=dict(headers))
        response = connection.getresponse()
        answer = ReadResult(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        connection.close()
        return answer


@asynccontextmanager
async def serving(folder: Path, text: str = HOUSE + PAGE, *, waits: bool = True) -> AsyncIterator[Bench]:
    """Run a configuration; by default wait for its first telegram."""
    path = folder / "gateway.yaml"
    path.write_text(text)
    config = load_config(path, {})
    wiring = Wiring(config, load_maps(config, folder), folder)
    stop = asyncio.Event()
    running = asyncio.create_task(wiring.flow.run(stop))
    bench = Bench(wiring)
    try:
        await until(bench.page.ready.is_set)
        if waits:
            await until(lambda: all(meter.newest for meter in wiring.meters.values()))
        yield bench
    finally:
        stop.set()
        await asyncio.wait_for(running, LIMIT_S)
