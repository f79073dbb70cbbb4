"""The hosts of the clients: what each reads and gets, and its mistakes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.nodes.status_page import hosts as module
from gateway.nodes.status_page import requests
from gateway.nodes.status_page.hosts import HostBook, probable_clients
from gateway.nodes.status_page.requests import host_of, rate
from gateway.runtime.clock import now
from tests.nodes.status_page.bench import PAGE, SEVERAL, Bench, counting_turns, serving
from tests.peers.harness import ModbusClient, read_request
from tests.waiting import until


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(tmp_path, SEVERAL + PAGE) as bench:
        yield bench


async def hosts_of(bench: Bench) -> Any:
    return (await bench.get("/api/hosts")).data


def test_a_host_is_the_name_of_a_client_without_its_port() -> None:
    assert host_of("192.168.1.20:50412") == "192.168.1.20"
    assert host_of("[fd00::7]:502") == "fd00::7"
    assert host_of("/dev/ttyUSB1") == "/dev/ttyUSB1"


def test_a_rate_counts_the_last_seconds_only() -> None:
    assert rate([], 100.0) is None
    assert rate([10.0], 100.0) == 0.0
    assert rate([95.0], 100.0) == 0.1
    assert rate([*range(80, 100)], 100.0) == 0.9
    assert rate([99.97, 99.98, 99.99], 100.0) == 0.3, "a burst"
    assert rate([99 + n / 1000 for n in range(1000)], 100.0) == 999.0, "all that are kept are of the last second"


def test_a_client_is_named_only_if_few_read_its_map() -> None:
    assert probable_clients("huawei-dtsu666-h", "serial") == ("Huawei inverter",)
    assert probable_clients("dsmr", "tcp") == ()
    assert probable_clients("own", "tcp") == ()


async def test_a_host_that_connects_again_and_again_is_one_line_with_its_values(bench: Bench) -> None:
    def ask() -> None:
        port = bench.wiring.servers[0].port
        for _ in range(3):
            with ModbusClient(port) as client:
                client.ask(read_request(100, 2), 1)
        with ModbusClient(port) as client:
            client.ask(read_request(100, 100), 1)

    await asyncio.to_thread(ask)
    (host,) = (await hosts_of(bench))["hosts"]
    assert (host["host"], host["kind"], host["state"]) == ("127.0.0.1", "modbus", "ok")
    assert (host["answers"], host["errors"], host["mistakes"], host["unit_id"]) == (4, 0, 0, 1)
    assert (host["meter"], host["meters"], host["map"]) == ("house", ["house"], "dsmr")
    assert host["reads"] == "power_net, power_import, power_export, …"
    assert [value["name"] for value in host["values"]] == ["power_net", "power_import", "power_export"]
    assert {value["unit"] for value in host["values"]} == {"W"}
    assert host["more_values"] > 30
    (one, *_) = (await bench.get("/api/requests")).data["requests"][1:]
    assert [(value["name"], value["unit"]) for value in one["values"]] == [("power_net", "W")]
    assert one["more_values"] == 0
    assert one["host"] == "127.0.0.1"


async def test_the_status_block_is_shown_in_bits_and_times(bench: Bench) -> None:
    def ask() -> None:
        with ModbusClient(bench.wiring.servers[0].port) as client:
            client.ask(read_request(1, 1), 1)
            client.ask(read_request(10, 2), 1)

    await asyncio.to_thread(ask)
    time, status = (await bench.get("/api/requests")).data["requests"]
    assert {"gateway_connected", "gateway_simulated"} <= set(status["values"][0]["bits"])
    assert abs(time["values"][0]["unix_time"] - (await bench.get("/api/status")).data["at"]) < 60


async def test_a_repeated_mistake_is_one_advice_with_its_number_of_requests(bench: Bench) -> None:
    def ask() -> None:
        with ModbusClient(bench.wiring.servers[0].port) as client:
            for _ in range(5):
                client.ask(read_request(40_101, 2), 1)
            client.ask(read_request(100, 2), 1)

    await asyncio.to_thread(ask)
    found = await hosts_of(bench)
    (advice,) = found["advices"]
    assert (advice["host"], advice["address"], advice["times"], advice["exception"]) == ("127.0.0.1", 40_101, 5, 2)
    assert advice["advice"] | {"mistake": "manual number", "instead": 100, "register": "power_net"} == advice["advice"]
    assert advice["advice"]["change"]["text"] == "Read power_net at address 100 instead of 40101."
    (host,) = found["hosts"]
    assert (host["state"], host["mistakes"], host["errors"]) == ("mistake", 5, 5)


async def test_clients_over_udp_and_readers_of_a_passthrough_are_hosts_too(bench: Bench) -> None:
    udp, passthrough = bench.wiring.servers[1], bench.wiring.readers[0]
    port = next(node.port for node in bench.wiring.flow.nodes if node.name == passthrough.name)  # type: ignore[attr-defined]

    def ask() -> None:
        request = bytes.fromhex("000100000006") + bytes([3]) + read_request(0, 2)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(20)
            client.sendto(request, ("127.0.0.1", udp.port))
            client.recv(300)

    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.to_thread(ask)
    await until(lambda: len(list(passthrough.clients)) == 1)
    by_kind = {host["kind"]: host for host in (await hosts_of(bench))["hosts"]}
    assert (by_kind["modbus"]["transport"], by_kind["modbus"]["state"]) == ("udp", "ok")
    assert by_kind["passthrough"]["server"] == passthrough.name
    assert by_kind["passthrough"]["meter"] == "house"
    writer.close()


async def test_a_scanner_causes_neither_long_work_nor_a_long_list(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "MAX_NEW_ADVICES", 5)
    monkeypatch.setattr(requests, "MAX_KNOWN_ADVICES", 8)
    monkeypatch.setattr(module, "MAX_HOSTS", 3)
    monkeypatch.setattr(module, "SHARED_S", 0.0)
    server = bench.wiring.servers[0]
    moment = now()
    for number in range(40):
        client = server.responder.monitor.client(f"10.0.0.{number}:5000", moment)
        pdu = read_request(50_000 + number, 1)
        server.responder.monitor.note(moment, client, 1, pdu, server.responder.respond(pdu, 1, moment, client))
    book = HostBook(bench.wiring)
    first = book.hosts()
    assert (len(first.hosts), first.more_hosts, len(first.advices)) == (3, 37, 5)
    assert all(host.state == "mistake" for host in first.hosts)
    for _ in range(10):
        book.hosts()
    assert len(book.advices) <= 8


async def test_a_list_of_many_hosts_is_found_in_turns_of_the_loop(bench: Bench) -> None:
    server = bench.wiring.servers[0]
    moment = now()
    for number in range(60):
        client = server.responder.monitor.client(f"10.0.0.{number}:5000", moment)
        pdu = read_request(100, 2)
        server.responder.monitor.note(moment, client, 1, pdu, server.responder.respond(pdu, 1, moment, client))
    with counting_turns() as turn:
        found = await HostBook(bench.wiring).hosts_in_turns()
        assert len(found.hosts) == 60
        assert turn() >= 60
