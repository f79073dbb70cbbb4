"""What programs are told: the same as a Modbus client reads, without identifiers, and nothing can be changed."""

from __future__ import annotations

import asyncio
import csv
import http.client
import io
import json
import math
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.config import load_config
from gateway.nodes.status_page import server
from gateway.nodes.status_page.registers import MASK
from gateway.service.wiring import load_maps
from tests.nodes.status_page.bench import HOUSE, LIMIT_S, PAGE, Bench, serving, until
from tests.peers.harness import ModbusClient, read_request

IDENTIFIER = "SIMULATED00000001"
PATHS = [
    *(
        "/",
        "/static/app.js",
        "/static/texts/nl.json",
        "/api/status",
        "/api/registers",
        "/api/requests",
        "/api/telegram",
    ),
    *("/api/history", "/download/map", "/openapi.json", "/metrics", "/healthz"),
    "/download/export?format=evcc&host=gateway.lan",
]
SEVERAL = """\
meters: {house: {simulate: true}, barn: {simulate: true, dsmr_version: "4"}}
modbus:
  - {listen: "127.0.0.1:0", units: {1: {meter: house}, 7: {meter: barn, map: dsmr-4}}}
  - {listen: "127.0.0.1:0", transport: udp, units: {3: {meter: barn, map: cg-em24, on_stale: silent}}}
passthrough:
  - {meter: house, listen: "127.0.0.1:0"}
"""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(tmp_path) as bench:
        yield bench


async def test_every_answer_tells_browsers_what_the_page_may_do(bench: Bench) -> None:
    for path in PATHS:
        answer = await bench.get(path)
        assert answer.status == 200, path
        assert answer.headers["content-security-policy"].startswith("default-src 'self';")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "cache-control" in answer.headers
        assert "server" not in answer.headers
        head = await bench.get(path, "HEAD")
        assert (head.status, head.body) == (200, b""), path


async def test_nothing_can_be_changed(bench: Bench) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "WHATEVER"):
        for path in ("/", "/api/status", "/events", "/healthz"):
            answer = await bench.get(path, method)
            assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD"), (method, path)


async def test_the_page_names_nothing_of_another_origin_and_no_absolute_path(bench: Bench) -> None:
    for name in ("index.html", "style.css", "app.js", "flow.js", "texts.js", "registers.js"):
        text = (await bench.get("/" if name == "index.html" else f"/static/{name}")).body.decode()
        assert not re.findall(r"""(?:src|href|url|fetch|EventSource|get)\s*[=(]\s*["'`](?:/|https?:)""", text), name
        assert "style=" not in text
        assert not re.search(r"\son[a-z]+=", text)


REFUSED = [
    ("/api/registers?server=1", 404, "There is no server 1; there are 1, counted from 0."),
    ("/api/registers?unit=9", 404, "There is no unit 9. There are: 1, 2."),
    ("/api/registers?unit=-1", 400, "unit is a number from 0 to 255 (found '-1')."),
    ("/api/registers?unit=1e1", 400, "unit is a number from 0 to 255 (found '1e1')."),
    ("/api/registers?identifiers=maybe", 400, "identifiers is true or false (found 'maybe')."),
    ("/api/requests?limit=0", 400, "limit is a number from 1 to 1000 (found '0')."),
    ("/api/telegram?meter=barn", 404, "There is no meter 'barn'. There are: meter."),
    ("/api/history?meter=", 404, "There is no meter ''. There are: meter."),
    ("/download/export?format=excel&host=h", 400, "format is one of home-assistant, evcc,"),
    ("/download/export?format=evcc", 400, "host is the gateway's name"),
    ("/download/export?format=evcc&host=a%22b", 400, "host is the gateway's name"),
    ("/nothing", 404, "Not Found"),
    ("/static/../app.py", 404, "Not Found"),
    ("/static/%2e%2e/app.py", 404, "Not Found"),
]


async def test_what_cannot_be_answered_says_why(bench: Bench) -> None:
    for path, status, told in REFUSED:
        answer = await bench.get(path)
        assert answer.status == status, path
        assert answer.data["detail"].startswith(told), path


async def test_the_flow_is_told_with_its_wires_and_marks(tmp_path: Path) -> None:
    async with serving(tmp_path, SEVERAL + PAGE) as bench:
        status = (await bench.get("/api/status")).data
    kinds = [node["kind"] for node in status["nodes"]]
    assert kinds.count("simulated meter") == kinds.count("DSMR parser") == kinds.count("Modbus server") == 2
    assert kinds.count("register map") == 3
    assert kinds.count("passthrough") == kinds.count("status page") == 1
    names = {node["name"] for node in status["nodes"]}
    assert {wire[end] for wire in status["wires"] for end in ("source", "target")} <= names
    assert len(names) == len(status["nodes"])
    labels = [node["label"] for node in status["nodes"]]
    assert "simulated meter barn" in labels
    assert "7: dsmr-4" in labels
    assert [(meter["name"], meter["is_fresh"], meter["variant"]) for meter in status["meters"]] == [
        ("house", True, "DSMR 5"),
        ("barn", True, "DSMR 4"),
    ]
    tcp, udp = status["servers"]
    assert [unit["map"] for unit in tcp["units"]] == ["dsmr", "dsmr-4"]
    assert (tcp["transport"], udp["transport"]) == ("tcp", "udp")
    assert udp["units"][0]["word_order"] == "low word first"
    assert udp["units"][0]["on_stale"] == "silent"
    assert 1 <= tcp["port"] <= 65535


async def test_registers_hold_what_a_client_reads(bench: Bench) -> None:
    port = bench.wiring.servers[0].port
    for unit_id in (1, 2):
        table = (await bench.get(f"/api/registers?unit={unit_id}&identifiers=true")).data
        assert table["is_fresh"]
        assert len(table["registers"]) == len(bench.wiring.served[0].units[unit_id - 1].unit.register_map.registers)

        def read(register: dict[str, object], unit_id: int = unit_id) -> bytes | int:
            with ModbusClient(port) as client:
                return client.read(int(str(register["address"])), int(str(register["length"])), unit_id)

        for register in table["registers"][20:60]:
            raw = await asyncio.to_thread(read, register)
            if not register["name"].startswith(("power_", "current_", "voltage_", "energy_")):
                assert isinstance(raw, bytes)
                assert raw.hex(" ", 2) == register["words"], register["name"]


async def test_a_register_leads_to_its_lines(bench: Bench) -> None:
    table = (await bench.get("/api/registers")).data
    telegram = (await bench.get("/api/telegram")).data
    by_name = {register["name"]: register for register in table["registers"]}
    lines = [telegram["lines"][at]["code"] for at in by_name["power_net"]["lines"]]
    assert lines == by_name["power_net"]["codes"] == ["1-0:1.7.0", "1-0:2.7.0"]
    assert by_name["frequency"]["text"] is None
    assert by_name["layout_version"]["codes"] == []
    assert by_name["gas_reading"]["age_s"] > table["age_s"]
    assert by_name["power_net"]["number"] == by_name["power_net"]["address"] + 40_001


async def test_identifiers_are_masked_until_they_are_asked_for(bench: Bench) -> None:
    plain, asked = IDENTIFIER, IDENTIFIER.encode().hex().upper()
    for path in PATHS:
        body = (await bench.get(path)).body.decode("latin-1")
        assert plain not in body, path
        assert asked not in body, path
    assert asked in (await bench.get("/api/telegram?identifiers=true")).body.decode()
    table = (await bench.get("/api/registers?identifiers=true")).data
    shown = {register["name"]: register["text"] for register in table["registers"]}
    assert shown["equipment_identifier"] == plain
    masked = {register["name"]: register for register in (await bench.get("/api/registers")).data["registers"]}
    assert (masked["equipment_identifier"]["text"], masked["equipment_identifier"]["words"]) == (MASK, "")
    assert masked["ean"]["text"] is None


async def test_a_silent_meter_is_old_everywhere(bench: Bench) -> None:
    meter = bench.wiring.meters["meter"]
    bench.wiring.served[0].units[0].unit.fresh_until = 0
    table = (await bench.get("/api/registers")).data
    by_name = {register["name"]: register for register in table["registers"]}
    assert not table["is_fresh"]
    assert by_name["power_net"]["is_stale"]
    assert by_name["power_net"]["text"].endswith(" W")
    assert not by_name["heartbeat"]["is_stale"]
    assert by_name["heartbeat"]["text"] is not None
    meter._stale_after_s = -1
    health = await bench.get("/healthz")
    assert health.status == 503
    assert re.fullmatch(r"meter: no telegram for \d+ s", health.data["reason"])
    assert (await bench.get("/healthz?meters=false")).data["reason"] == "ok"
    assert not (await bench.get("/api/status")).data["meters"][0]["is_fresh"]


async def test_requests_are_told_with_what_is_likely_wrong(bench: Bench) -> None:
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
    told = (await bench.get("/api/requests")).data
    assert [request["function_code"] for request in told["requests"]] == [7, 3, 3, 3]
    assert [request["exception"] for request in told["requests"]] == [1, 10, None, None]
    advice = [request["advice"] and request["advice"]["mistake"] for request in told["requests"]]
    assert advice == ["function", "unit id", "one off", None]
    assert told["requests"][2]["advice"] == {"mistake": "one off", "instead": 100, "register": "power_net"}
    (client,) = told["clients"]
    assert (client["client"], client["answers"], client["errors"], client["unit_id"]) == (name, 4, 2, 1)
    assert len((await bench.get("/api/requests?limit=2")).data["requests"]) == 2


async def test_the_last_telegrams_and_the_last_hour_are_told(bench: Bench) -> None:
    meter = bench.wiring.meters["meter"]
    await until(lambda: meter.accepted > 1)
    telegram = (await bench.get("/api/telegram")).data
    assert [each["fault"] for each in telegram["recent"]] == [None] * len(telegram["recent"])
    assert telegram["recent"][-1]["interval_s"] is None
    history = (await bench.get("/api/history")).data
    assert history["bucket_s"] * 360 == 3600
    assert sum(bucket["telegrams"] for bucket in history["buckets"]) >= 2
    assert history["buckets"][-1]["power_mean_w"] is not None


async def test_downloads_are_files(bench: Bench) -> None:
    table = await bench.get("/download/map?unit=2")
    assert table.headers["content-disposition"] == 'attachment; filename="abb-b23.csv"'
    assert next(csv.DictReader(io.StringIO(table.body.decode())))["address"] == "20480"
    export = await bench.get("/download/export?format=home-assistant&host=gateway.lan&unit=2")
    assert export.headers["content-disposition"] == 'attachment; filename="abb-b23-home-assistant.yaml"'
    (hub,) = yaml.safe_load(export.body)["modbus"]
    assert (hub["host"], hub["port"]) == ("gateway.lan", bench.wiring.servers[0].port)


async def test_metrics_are_what_prometheus_takes(tmp_path: Path) -> None:
    async with serving(tmp_path, SEVERAL + PAGE) as bench:

        def ask() -> None:
            with ModbusClient(bench.wiring.servers[0].port) as client:
                client.ask(read_request(100, 2), 1)
                client.ask(read_request(0, 1), 9)

        await asyncio.to_thread(ask)
        answer = await bench.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    for name, family in families.items():
        # promtool check metrics: names, help texts and units.
        assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", name)
        assert family.documentation
        assert not re.search(r"_(?:count|sum|bucket|info|milliseconds|ms|percent)$", name) or name.endswith(
            "_build_info"
        )
        for sample in family.samples:
            assert sample.name.endswith("_total") is (family.type == "counter"), sample.name
            assert math.isfinite(sample.value) or family.type == "gauge"
            assert all(re.fullmatch(r"[a-z][a-z_]*", label) for label in sample.labels)
    value = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    server_name = bench.wiring.servers[0].name
    assert value["dsmr_gateway_telegrams_total", "house"] >= 1
    assert value["dsmr_gateway_meter_fresh", "barn"] == 1
    assert value["dsmr_gateway_modbus_requests_total", "1", "3", server_name] == 1
    assert value["dsmr_gateway_modbus_exceptions_total", "10", "3", "9", server_name] == 1
    assert 0 <= value["dsmr_gateway_telegram_age_seconds", "house"] < LIMIT_S
    assert all(number == 1 for key, number in value.items() if key[0] == "dsmr_gateway_node_up")
    assert "process_resident_memory_bytes" in families


async def test_events_tell_the_status_and_each_telegram(bench: Bench) -> None:
    def watch() -> list[int]:
        connection = http.client.HTTPConnection("127.0.0.1", bench.page.port, timeout=LIMIT_S)
        connection.request("GET", "/events")
        response = connection.getresponse()
        counts = []
        while len(counts) < 3:
            line = response.readline()
            if line.startswith(b"data: "):
                counts.append(json.loads(line[6:])["meters"][0]["telegrams"])
        connection.close()
        return counts

    counts = await asyncio.to_thread(watch)
    assert counts == sorted(counts)
    await until(lambda: bench.page.details()["viewers"] == 0)


async def test_a_reload_shows_the_new_flow_and_keeps_the_history(bench: Bench, tmp_path: Path) -> None:
    before = (await bench.get("/api/history")).data["buckets"]
    (tmp_path / "gateway.yaml").write_text(HOUSE.replace("2: {map: abb-b23}", "5: {map: cg-em24}") + PAGE)
    config = load_config(tmp_path / "gateway.yaml", {})
    page = bench.page
    await bench.wiring.change(config, load_maps(config, tmp_path))
    assert page in bench.wiring.flow.nodes
    status = (await bench.get("/api/status")).data
    assert [unit["map"] for unit in status["servers"][0]["units"]] == ["dsmr", "cg-em24"]
    assert (await bench.get("/api/history")).data["buckets"][0]["at"] == pytest.approx(before[0]["at"], abs=0.1)
    bench.wiring.faults = ["gateway.yaml:1:1: wrong"]
    assert (await bench.get("/api/status")).data["faults"] == ["gateway.yaml:1:1: wrong"]


async def test_a_password_is_asked_for_and_health_needs_none(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("correct horse\n")
    page = 'status_page: {listen: "127.0.0.1:0", password_file: secret, framed_by: [self, "https://ha.example"]}\n'
    async with serving(tmp_path, HOUSE + page) as bench:
        for path in ("/", "/api/status", "/events", "/static/app.js", "/metrics", "/nothing"):
            assert (await bench.get(path)).status == 401
            assert (await bench.get(path, Authorization="Bearer wrong horse")).status == 401
        assert (await bench.get("/healthz")).status == 200
        answer = await bench.get("/api/status", Authorization="Bearer correct horse")
        assert answer.status == 200
        assert "frame-ancestors 'self' https://ha.example" in answer.headers["content-security-policy"]
        assert "x-frame-options" not in answer.headers


async def test_a_password_that_is_none_keeps_the_page_shut_and_the_rest_going(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short\n")
    page = 'status_page: {listen: "127.0.0.1:0", password_file: secret}\n'
    async with serving(tmp_path, HOUSE + page) as bench:
        await until(lambda: bench.page.status.is_failure)
        assert bench.wiring.servers[0].status.colour != "red"
        assert bench.wiring.health(counts_meters=False).reason == f"{bench.page.name}: password_file cannot be used"


async def test_an_answer_is_sent_at_once_and_not_when_the_one_before_was_taken(bench: Bench) -> None:
    def ask() -> float:
        connection = http.client.HTTPConnection("127.0.0.1", bench.page.port, timeout=LIMIT_S)
        times = []
        for _ in range(15):
            begun = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            times.append(time.perf_counter() - begun)
        connection.close()
        return sorted(times)[len(times) // 2]

    # Nagle's algorithm and a delayed acknowledgement together make 40 ms.
    assert await asyncio.to_thread(ask) < 0.03


async def test_who_asks_nothing_is_let_go_and_too_many_are_not_let_in(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADERS_TIMEOUT_S", 0.1)
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 20)
    address = ("127.0.0.1", bench.page.port)

    def closed(sock: socket.socket) -> bool:
        try:
            return not sock.recv(1)
        except ConnectionResetError:
            return True

    def crowd() -> list[bool]:
        socks = [socket.create_connection(address, timeout=LIMIT_S) for _ in range(30)]
        socks[0].sendall(b"GET / HTTP/1.1\r\n")
        found = [closed(sock) for sock in socks]
        for sock in socks:
            sock.close()
        return found

    assert all(await asyncio.to_thread(crowd))
    assert (await bench.get("/healthz")).status == 200


async def test_a_second_request_that_does_not_end_is_not_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADERS_TIMEOUT_S", 0.1)

    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", bench.page.port), timeout=LIMIT_S) as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += sock.recv(4096)
            sock.sendall(b"GET /healthz HTTP/1.1\r\n")
            with suppress(ConnectionResetError):
                assert sock.recv(1) == b""
            return answer

    assert (await asyncio.to_thread(ask)).startswith(b"HTTP/1.1 200")


async def test_garbage_is_refused_and_the_page_goes_on(bench: Bench) -> None:
    def say(data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", bench.page.port), timeout=LIMIT_S) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            try:
                while piece := sock.recv(4096):
                    answer += piece
            except ConnectionResetError:
                pass
            return answer

    for data in (
        b"\x00\xff" * 100,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    ):
        answer = await asyncio.to_thread(say, data)
        assert not answer or answer.startswith(b"HTTP/1.1 4"), data[:20]
    assert (await bench.get("/healthz")).status == 200
