"""Runs scenarios of telegrams through the whole gateway in virtual time, and asks it at given moments what is fresh.

    python -m tests.simulation.vectors FILE [--longest N]

A scenario is a JSON object with `cadence`, `limit_s`, `clocked`, `events` and `probes`: telegrams with their arrival,
the meter's clock, identity, energy and power, and moments with `fresh`, `not_fresh` or `either`. Scenarios of more than
`--longest` telegrams are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.simulation import network
from tests.simulation.loop import START_S
from tests.simulation.world import METER_PORT, World

from gateway.protocol.crc16 import crc16  # isort: skip

network.LATENCY_S = (1e-6, 2e-6)
AFTER_START_S = 5.0
"""The gateway is connected by then."""
VERSIONS = {1: "5", 10: "4"}


def expand(events: list[list[Any]]) -> Iterator[list[Any]]:
    """Yield single events: [arrival, clock, identity, energy, power, connected]; a run of them is stored as one."""
    for event in events:
        if isinstance(event[0], list):
            (number,), arrival, step, clock, clock_step, identity, energy, rise, power, power_step = event
            for k in range(number):
                stamp = None if clock is None else int(clock + k * clock_step)
                at, wh = round(arrival + k * step, 3), int(energy + k * rise)
                yield [at, stamp, identity, wh, power + k * power_step, 0]
        else:
            yield [*event, *[0] * (6 - len(event))]


def telegram(clock: int | None, identity: str, energy_wh: int, power_w: int) -> bytes:
    """Return a telegram with a right checksum."""
    lines = [f"/TST5\\2{identity}", "", "1-3:0.2.8(50)"]
    if clock is not None:
        local = datetime.fromtimestamp(clock, UTC) + timedelta(hours=1)
        lines.append(f"0-0:1.0.0({local:%y%m%d%H%M%S}W)")
    lines += [f"0-0:96.1.1({identity.encode().hex()})", f"1-0:1.8.1({energy_wh / 1000:010.3f}*kWh)"]
    lines += ["1-0:2.8.1(000000.000*kWh)", f"1-0:1.7.0({power_w / 1000:06.3f}*kW)", "1-0:2.7.0(00.000*kW)", "!"]
    body = "\r\n".join(lines).encode("ascii")
    return body + b"%04X\r\n" % crc16(body)


class Run:
    """One scenario in a world of its own."""

    def __init__(self, vector: Mapping[str, Any]) -> None:
        self.vector = vector
        self.wrong: list[str] = []
        self.world = World(1, limit_s=vector["limit_s"])
        version = VERSIONS[vector["cadence"]]
        self.world.path.write_text(self.world.text.replace('dsmr_version: "5"', f'dsmr_version: "{version}"'))
        self._writers: list[asyncio.StreamWriter] = []
        self._is_connected = asyncio.Event()

    async def whole(self) -> None:
        """Feed the telegrams, run the gateway and ask it, until all is asked."""
        world = self.world
        others = [world.on("meter", self.feed()), world.on("gateway", world.gateway())]
        await world.on("world", self.probe())
        for task in others:
            if task.done():
                task.result()

    async def feed(self) -> None:
        """Send each telegram at its moment, over a new connection where the scenario says so."""
        await asyncio.start_server(self._connected, port=METER_PORT)
        events = sorted(expand(self.vector["events"]), key=lambda event: event[0])
        for at, clock, identity, energy, power, is_new in events:
            await self._wait_until(at)
            if is_new:
                self._writers.clear()
                self._is_connected.clear()
                self.world.network.reset("meter", "gateway")
                await self._is_connected.wait()
            for writer in self._writers:
                writer.write(telegram(clock, identity, energy, power))

    async def probe(self) -> None:
        """Ask the status bit of the unit at each moment of the scenario."""
        for moment, expected, *why in self.vector["probes"]:
            await self._wait_until(moment + 0.002)
            assert self.world.wiring
            unit = self.world.wiring.servers[0].responder.units.by_id[1]
            status = unit.read(1, 1, self.world.loop.moment - 0.001) if unit else None
            is_fresh = isinstance(status, bytes) and bool(status[1] & 1)
            if expected != "either" and is_fresh != (expected == "fresh"):
                self.wrong.append(f"{self.vector['name']}: at {moment} s {expected}: {why[0] if why else ''}")

    async def _connected(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._is_connected.set()

    async def _wait_until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, START_S + AFTER_START_S + moment - self.world.loop.moment))


def run(vector: Mapping[str, Any]) -> list[str]:
    """Return what the gateway got wrong."""
    one = Run(vector)
    one.world.run_only(one.whole())
    return one.wrong


def main() -> int:
    """Run the scenarios of a file; return 1 where one is not as it has to be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--longest", type=int, default=10_000)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    vectors = [
        vector
        for vector in json.loads(given.file.read_text())
        if sum(1 for _ in expand(vector["events"])) <= given.longest
    ]
    wrong = [line for vector in vectors for line in run(vector)]
    print(*wrong, f"{len(vectors)} scenarios, {len(wrong)} wrong answers", sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
