"""Clients and their newest requests, with likely mistakes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.nodes.status_page.bench import Bench, serving
from tests.peers.harness import ModbusClient, read_request


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(tmp_path) as bench:
        yield bench


async def test_requests_are_listed_with_their_likely_mistakes(bench: Bench) -> None:
    def ask() -> str:
        with ModbusClient(bench.wiring.servers[0].port) as client:
            for pdu, unit in (
                (read_request(100, 2), 1),
                (read_request(101, 2), 1),
                (read_request(0, 1), 9),
                (b"\x07", 1),
            ):
                client.ask(pdu, unit)
            return ":".join(map(str, client.socket.getsockname()))

    name = await asyncio.to_thread(ask)
    listed = (await bench.get("/api/requests")).data
    assert [request["function_code"] for request in listed["requests"]] == [7, 3, 3, 3]
    assert [request["exception"] for request in listed["requests"]] == [1, 10, None, None]
    advice = [request["advice"] and request["advice"]["mistake"] for request in listed["requests"]]
    assert advice == ["function", "unit id", "one off", None]
    one_off = listed["requests"][2]["advice"]
    assert (one_off["mistake"], one_off["instead"], one_off["register"]) == ("one off", 100, "power_net")
    assert one_off["change"]["code"] == "advice-one-off"
    assert one_off["is_mistake"]
    (client,) = listed["clients"]
    assert (client["client"], client["answers"], client["errors"], client["unit_id"]) == (name, 4, 2, 1)
    assert len((await bench.get("/api/requests?limit=2")).data["requests"]) == 2
