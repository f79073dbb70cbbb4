"""A reload of a table of meters touches only the rows that have changed, while clients read the others."""

from __future__ import annotations

import asyncio
import struct
import time
from collections import Counter
from pathlib import Path

from gateway.config import Config, Maps, check_config
from gateway.runtime.flow import Node
from gateway.service.reload import prepare, take_over
from gateway.service.wiring import Wiring
from tests.conftest import own_telegram
from tests.peers.harness import free_port
from tests.protocol.p1.stream import stamped
from tests.waiting import until

TELEGRAM = own_telegram("v50_sagemcom-t210d")
POWER = 2486
COUNT, CHANGED = 40, "meter7"
READ = struct.Struct(">HHHBBHH")
RESPONSE_BYTES, EXCEPTION_BYTES = 13, 9


class Meters:
    """Forty meters, each with an address of its own, that send to whoever connects."""

    def __init__(self) -> None:
        self.port = free_port()
        self.hosts = [f"127.0.3.{number}" for number in range(1, COUNT + 2)]
        self.connections: Counter[str] = Counter()
        """Number of connections that were ever made, by address."""

    async def start(self) -> asyncio.Server:
        return await asyncio.start_server(self._send, self.hosts, self.port)

    async def _send(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections[writer.get_extra_info("sockname")[0]] += 1
        try:
            while not writer.is_closing():
                writer.write(stamped(TELEGRAM, time.time()))
                await asyncio.sleep(1)
        finally:
            writer.close()


class Client:
    """A Modbus client that reads its units in turn over one connection, until it is stopped."""

    def __init__(self, port: int, units: list[int]) -> None:
        self._port, self._units = port, units
        self.reads: Counter[int] = Counter()
        """Number of reads with the right power, by unit."""
        self.failures: list[str] = []

    async def run(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while True:
                for unit in self._units:
                    writer.write(READ.pack(unit, 0, 6, unit, 3, 100, 2))
                    response = await reader.readexactly(EXCEPTION_BYTES)
                    if response[7] != 3:
                        self.failures.append(f"unit {unit}: exception {response[8]}")
                        continue
                    response += await reader.readexactly(RESPONSE_BYTES - EXCEPTION_BYTES)
                    self.reads[unit] += struct.unpack(">i", response[9:]) == (POWER,)
                await asyncio.sleep(0.01)
        except (OSError, EOFError) as error:
            self.failures.append(f"disconnected: {error!r}")
        finally:
            writer.close()


class Fleet:
    """A gateway in this process, with its table."""

    def __init__(self, folder: Path, meters: Meters) -> None:
        self._path = folder / "gateway.yaml"
        self._path.write_text("meters_file: meters.csv\ndefaults: {meter: {stale_after: 1h, dsmr_version: '5'}}\n")
        self.ports = [free_port(), free_port()]
        self.rows = {
            f"meter{n}": f"{host},{meters.port},127.0.0.1:{self.ports[n % 2]},{n}"
            for n, host in enumerate(meters.hosts[:COUNT])
        }
        self.wiring = Wiring(*self._read(), folder)

    def _read(self) -> tuple[Config, Maps]:
        rows = [f"{name},{row}" + "," * (row.count(",") < 4) for name, row in self.rows.items()]
        (self._path.parent / "meters.csv").write_text("\n".join(["name,host,port,listen,unit,stale_after", *rows]))
        return check_config(self._path, {}).valid()

    @property
    def nodes(self) -> dict[str, Node]:
        return {node.name: node for node in self.wiring.flow.nodes}

    async def reload(self) -> set[str]:
        """Reload; return the names of the nodes that are new, gone or others."""
        before = self.nodes
        await take_over(self.wiring, prepare(self.wiring, self._read))
        after = self.nodes
        return {name for name in before.keys() | after.keys() if before.get(name) is not after.get(name)}


async def test_one_row_of_forty_changes_while_clients_read_the_others(tmp_path: Path) -> None:
    meters = Meters()
    fleet = Fleet(tmp_path, meters)
    stop = asyncio.Event()
    others = [n for n in range(COUNT) if n != 7]
    clients = [Client(port, [n for n in others if n % 2 == side]) for side, port in enumerate(fleet.ports)]
    async with await meters.start():
        running = asyncio.create_task(fleet.wiring.flow.run(stop))
        await until(lambda: all(meter.served for meter in fleet.wiring.meters.values()), "readings of all meters")
        reading = [asyncio.create_task(client.run()) for client in clients]

        async def reads_of_all() -> None:
            before = [client.reads.copy() for client in clients]
            await until(
                lambda: all(
                    client.reads[n] > counts[n]
                    for client, counts in zip(clients, before, strict=True)
                    for n in client._units
                ),
                "a read of each unit",
            )

        await reads_of_all()
        unit = f"127.0.0.1:{fleet.ports[1]}/7"

        fleet.rows[CHANGED] += ",2h"
        assert await fleet.reload() == {f"{CHANGED}/port", f"{CHANGED}/parser", unit}
        await reads_of_all()
        await until(lambda: fleet.wiring.meters[CHANGED].served, "readings of the changed meter")

        fleet.rows["meter40"] = f"{meters.hosts[40]},{meters.port},127.0.0.1:{fleet.ports[0]},40"
        assert await fleet.reload() == {"meter40/port", "meter40/parser", f"127.0.0.1:{fleet.ports[0]}/40"}
        await reads_of_all()

        row = fleet.rows.pop(CHANGED)
        assert await fleet.reload() == {f"{CHANGED}/port", f"{CHANGED}/parser", unit}
        await reads_of_all()

        assert await fleet.reload() == set()
        await reads_of_all()
        assert [client.failures for client in clients] == [[], []]
        assert not any(task.done() for task in reading)
        assert {host: n for host, n in meters.connections.items() if n != 1} == {row.partition(",")[0]: 2}
        for task in reading:
            task.cancel()
        stop.set()
        await running
