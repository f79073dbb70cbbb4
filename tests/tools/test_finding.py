"""The search for meters: what is tried, in which numbers and for how long, and what is left alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from gateway.nodes.control import Control
from gateway.problems.problem import ProblemError, problem_of
from gateway.runtime.clock import now
from gateway.runtime.health import GOOD, Health
from gateway.tools import finding
from gateway.tools.announcements import Announced, Announcements
from gateway.tools.finding import MAX_SHOWN, TRIES_AT_ONCE, Found, Network, SearchResult, find
from gateway.tools.probing import ProbeResult
from gateway.transport.control_socket import socket_path
from tests.announcing import LOOPBACK
from tests.waiting import running

LIMIT_S = 60.0
DONGLE = Announced("_p1dongle._tcp", "dongle", ("127.0.0.1",), 80, {})
PORT = Announced("_iostream._tcp", "port", ("127.0.0.1",), 2001, {"gensiostack": "tcp"})
OWN = Announced("_iostream._tcp", "own", ("127.0.0.1",), 2002, {"provider": "dsmr-modbus-gateway"})


class Bench:
    """A search whose announcements and tries are those of a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *devices: Announced, left_out: int = 0) -> None:
        async def search(*_: object) -> Announcements:
            await asyncio.sleep(0)
            return Announcements(devices, left_out)

        monkeypatch.setattr(finding, "search", search)
        self.tried: list[str] = []
        self.under_way = self.most_at_once = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def attempt(self, place: str) -> list[ProbeResult]:
        self.tried.append(place)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await self.go_on.wait()
            await asyncio.sleep(0.01)
        finally:
            self.under_way -= 1
        return [ProbeResult(place, problem=problem_of("no-bytes", "no bytes"))]

    async def find(self, *ports: str, limit_s: float = LIMIT_S) -> SearchResult:
        return await find(ports, Network(lambda: LOOPBACK, 1.0), self.attempt, limit_s)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@contextlib.asynccontextmanager
async def gateway(sources: Mapping[str, object]) -> AsyncIterator[None]:
    """Run the control socket of a gateway that reads these sources."""

    def healthy(*, counts_meters: bool) -> Health:
        return Health(GOOD, now())

    async with running(Control(socket_path(), {}, healthy, sources=lambda: sources)):
        yield


def places(found: Sequence[Found]) -> list[str]:
    return [each.candidate.place for each in found]


async def test_serial_ports_and_devices_are_tried_and_a_port_with_one_reader_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, PORT, DONGLE, left_out=3)
    result = await bench.find("/dev/a", "/dev/b")
    dongle = "http://127.0.0.1/api/v2/sm/telegram"
    assert places(result.found) == ["/dev/a", "/dev/b", dongle, "127.0.0.1:2001"]
    assert bench.tried == ["/dev/a", "/dev/b", dongle]
    assert result.found[-1].results == ()
    assert result.left_out == 3


async def test_where_there_is_nothing_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await Bench(monkeypatch).find() == SearchResult([], 0, None)


async def test_of_very_many_a_limited_number_is_shown_and_few_are_tried_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    devices = [Announced("_p1dongle._tcp", f"{n:02}", ("127.0.0.1",), 1000 + n, {}) for n in range(40)]
    bench = Bench(monkeypatch, *devices)
    result = await bench.find("/dev/a")
    assert len(result.found) == len(bench.tried) == MAX_SHOWN
    assert result.left_out == 41 - MAX_SHOWN
    assert bench.most_at_once == TRIES_AT_ONCE


async def test_a_try_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.go_on.clear()
    result = await bench.find(*(f"/dev/{number}" for number in range(TRIES_AT_ONCE + 1)), limit_s=0.1)
    assert [str(each.results[0].problem) for each in result.found] == ["no result within 0 s. Try it alone"] * 9
    assert bench.under_way == 0


async def test_the_serial_ports_are_tried_where_the_network_cannot_be_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, DONGLE)

    async def fail(*_: object) -> Announcements:
        raise ProblemError(problem_of("no-multicast", "the network cannot be searched"))

    monkeypatch.setattr(finding, "search", fail)
    result = await bench.find("/dev/a")
    assert places(result.found) == bench.tried == ["/dev/a"]
    assert result.network_problem
    assert result.network_problem.code == "no-multicast"


async def test_the_network_is_left_alone_where_it_is_not_to_be_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, DONGLE)
    result = await find(["/dev/a"], Network(lambda: LOOPBACK, 0.0), bench.attempt, LIMIT_S)
    assert places(result.found) == ["/dev/a"]


async def test_what_the_running_gateway_reads_is_shown_and_not_read_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device, link = tmp_path / "ttyUSB0", tmp_path / "by-id"
    device.touch()
    link.symlink_to(device)
    cable = {"name": "cable", "place": str(link), "device": str(link), "title": "DSMR 5", "meter": "P1-1", "age_s": 0.4}
    dongle = {"name": "dongle", "place": "http://localhost:80/telegram", "host": "localhost", "port": 80}
    bench = Bench(monkeypatch, DONGLE, PORT, OWN)
    async with gateway({"meters": [cable, dongle], "passthroughs": [2002]}):
        result = await bench.find(str(device))
    assert bench.tried == []
    own, other, passthrough, port = result.found
    assert own.own
    assert (own.own.name, own.own.title, own.own.pseudonym, own.own.age_s) == ("cable", "DSMR 5", "P1-1", 0.4)
    assert (other.candidate.place, other.candidate.is_usable) == ("http://localhost:80/telegram", False)
    assert port.candidate.is_usable
    assert passthrough.candidate.remark == "it belongs to the gateway that is running"
    assert not passthrough.candidate.is_usable


@pytest.mark.parametrize("response", [{}, {"meters": 7, "passthroughs": []}, {"meters": [{}], "passthroughs": []}])
async def test_a_gateway_of_another_version_is_left_out(
    monkeypatch: pytest.MonkeyPatch, response: Mapping[str, object]
) -> None:
    bench = Bench(monkeypatch)
    async with gateway(response):
        result = await bench.find("/dev/a")
    assert places(result.found) == ["/dev/a"]
