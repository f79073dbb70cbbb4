"""The fleet: everything once, and then only what has changed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.nodes.status_page.fleet import FleetChannel
from gateway.nodes.status_page.frame import state_of
from gateway.nodes.status_page.observation import Reload
from gateway.nodes.status_page.query import Page
from gateway.protocol.p1.meter import MeterState
from gateway.runtime import clock
from tests.nodes.status_page.bench import PAGE, Bench, counting_turns, serving
from tests.peers.harness import ModbusClient, read_request
from tests.waiting import until

FOUR = """\
meters: {a: {simulate: true}, b: {simulate: true}, c: {simulate: true}, d: {port: /dev/no-such-device}}
modbus: [{listen: "127.0.0.1:0", units: {1: {meter: a}, 2: {meter: b}, 3: {meter: c}, 4: {meter: d}}}]
"""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(tmp_path, FOUR + PAGE, waits=False) as bench:
        yield bench


async def settle(bench: Bench) -> None:
    """Wait for a telegram of each meter that sends."""
    await until(lambda: all(bench.wiring.meters[name].served for name in "abc"))


def read(body: bytes) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(body)
    return data


async def test_the_first_event_has_all_meters_and_the_next_only_what_changed(bench: Bench) -> None:
    await settle(bench)
    channel = FleetChannel(Page(bench.wiring))
    whole = read(await channel.whole())
    assert [meter["name"] for meter in whole["fleet"]] == ["a", "b", "c", "d"]
    assert whole["fleet"][3]["line"].startswith("/dev/no-such-device")
    assert [row["position"] for row in whole["rows"]] == [0, 1, 2, 3]
    assert [row["has_sent"] for row in whole["rows"]] == [True, True, True, False]
    assert whole["rows"][3]["label"]["text"]
    assert whole["telegrams"][0::3] == [0, 1, 2, 3]
    assert all(isinstance(watts, int) for watts in whole["telegrams"][1:9:3])
    assert whole["telegrams"][10:] == [None, None]
    assert whole["meters"] == []
    first = read(await channel.change())
    assert first["fleet"], "the changes begin with all"
    second = read(await channel.change())
    assert second["fleet"] is None
    assert set(second["telegrams"][0::3]) <= {0, 1, 2}
    assert [row["position"] for row in second["rows"]] in ([], [3])


async def test_an_event_is_another_one_after_a_change_and_each_second(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = FleetChannel(Page(bench.wiring))
    before = channel.signature()
    await channel.change()
    assert channel.signature() != before
    before = channel.signature()
    moment = clock.now()
    monkeypatch.setattr("gateway.nodes.status_page.fleet.now", lambda: moment + 1.0)
    assert channel.signature() != before


async def test_an_event_is_made_in_turns_so_that_no_request_waits_for_all_meters(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def look(meter: MeterState, moment: float) -> str:
        looked.append(turn())
        return state_of(meter, moment)

    monkeypatch.setattr("gateway.nodes.status_page.fleet.METERS_IN_TURN", 2)
    monkeypatch.setattr("gateway.nodes.status_page.fleet.state_of", look)
    channel = FleetChannel(Page(bench.wiring))
    with counting_turns() as turn:
        for event in (await channel.whole(), await channel.change(), await channel.change()):
            assert sum(read(event)["counts"].values()) == 4
    assert len(looked) == 12
    assert max(Counter(looked).values()) == 2


async def test_a_reload_sends_all_meters_again(bench: Bench) -> None:
    channel = FleetChannel(Page(bench.wiring))
    await channel.change()
    del bench.wiring._sources[next(iter(bench.wiring._sources))]
    assert [meter["name"] for meter in read(await channel.change())["fleet"]] == ["b", "c", "d"]


async def test_each_row_has_its_clients_and_the_frame_a_mistake(bench: Bench) -> None:
    await settle(bench)

    def ask() -> None:
        with ModbusClient(bench.wiring.servers[0].port) as client:
            client.ask(read_request(100, 2), 1)
            client.ask(read_request(40_101, 2), 2)

    page = Page(bench.wiring)
    channel = FleetChannel(page)
    page.journal.look(clock.now())
    assert not read(await channel.whole())["has_advice"]
    await asyncio.to_thread(ask)
    page.journal.look(clock.now())
    whole = read(await channel.whole())
    assert [row["clients"] for row in whole["rows"]] == [1, 1, 0, 0]
    assert whole["has_advice"]
    changes = [(each.kind, each.subject) for each in page.journal.changes().changes]
    assert ("client_came", "127.0.0.1") in changes
    (mistake,) = [each for each in page.journal.changes().changes if each.kind == "client_mistake"]
    assert mistake.values == {"unit": 2, "address": 40_101, "mistake": "manual number"}


async def test_a_meter_whose_first_telegram_was_not_fresh_is_not_fresh_again(bench: Bench) -> None:
    await settle(bench)
    page = Page(bench.wiring)
    moment = clock.now()
    page.journal.look(moment + 100)
    page.journal.look(moment)
    kinds = {each.kind for each in page.journal.changes().changes if each.subject == "a"}
    assert kinds == {"meter_first"}


async def test_changes_of_state_are_kept_and_limited(bench: Bench) -> None:
    await settle(bench)
    page = Page(bench.wiring)
    moment = clock.now()
    page.journal.look(moment)
    kinds = [(each.kind, each.subject) for each in page.journal.changes().changes]
    assert [("meter_first", name) for name in "cba"] == [each for each in kinds if each[0] == "meter_first"]
    page.journal.look(moment + 100)
    stale = [each for each in page.journal.changes().changes if each.kind == "meter_stale"]
    assert [each.subject for each in stale] == ["c", "b", "a"]
    assert not any(each.label for each in stale), "their lines work, which is no reason"
    page.journal.look(moment)
    back = next(each for each in page.journal.changes().changes if each.kind == "meter_fresh")
    assert back.seconds == -100.0
    for number in range(20):
        page.journal.look(moment + 100 * (number % 2))
    kept = page.journal.changes()
    assert len(kept.changes) == 50
    assert kept.number > 50
    assert len((await bench.get("/api/changes")).data["changes"]) <= 50


async def test_a_reload_is_a_change_that_names_what_changed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(bench.wiring)
    for changes in (("meter a", "unit 2"), ()):
        monkeypatch.setattr(type(bench.wiring), "reloaded", Reload(at=1.0, is_applied=True, changes=changes))
        page.journal.look(clock.now())
    reloads = [each for each in page.journal.changes().changes if each.kind == "reloaded"]
    assert [each.values["changes"] for each in reloads] == ["nothing has changed", "meter a; unit 2"]


async def test_the_number_of_hosts_that_are_remembered_is_bounded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.nodes.status_page.client_watch.MAX_HOSTS", 8)
    monkeypatch.setattr("gateway.nodes.status_page.client_watch.MAX_READ", 8)
    monkeypatch.setattr("gateway.nodes.status_page.client_watch.MAX_NAMES", 8)
    page, server = Page(bench.wiring), bench.wiring.servers[0]
    moment = clock.now()
    for number in range(100):
        client = server.responder.monitor.client(f"10.0.0.{number}:5000", moment)
        pdu = read_request(50_000 + number, 1)
        server.responder.monitor.note(moment, client, 1, pdu, server.responder.respond(pdu, 1, moment, client))
    page.journal.look(moment)
    watch = page.clients
    assert max(map(len, (watch._seen, watch._read, watch._mistakes, watch._hosts))) <= 8
    page.journal.look(moment + 1000)
    assert [*watch._seen, *watch._read, *watch._mistakes] == []
    assert not watch.has_mistake


async def test_a_net_power_that_is_absent_is_not_replaced_by_the_imported_power(bench: Bench) -> None:
    await settle(bench)
    served = bench.wiring.meters["a"].served
    assert served
    values = dict(served.readings.values)
    del values["power_net"]
    bench.wiring.meters["a"].serving.served = served._replace(readings=served.readings._replace(values=values))
    assert "power_import" in values
    assert read(await FleetChannel(Page(bench.wiring)).whole())["telegrams"][:2] == [0, None]
