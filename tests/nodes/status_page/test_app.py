"""The application: security headers, read-only endpoints, the password, and masked identifiers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.nodes.status_page.openapi import describe
from gateway.nodes.status_page.registers import MASK
from tests.nodes.status_page.bench import HOUSE, Bench, serving

IDENTIFIER = "SIMULATED00000001"
PATHS = [
    *(
        "/",
        "/static/app.js",
        "/static/texts/nl.json",
        "/api/status",
        "/api/registers",
        "/api/changes",
        "/api/hosts",
        "/api/sparklines?meter=meter",
        "/api/requests",
        "/api/telegram",
    ),
    *("/api/history", "/api/series", "/api/clients", "/download/map", "/openapi.json", "/metrics", "/healthz"),
    *("/download/export?format=evcc&host=gateway.lan", "/download/history"),
]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with serving(tmp_path) as bench:
        yield bench


async def test_every_response_limits_what_the_page_may_do_in_a_browser(bench: Bench) -> None:
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


def test_the_description_has_the_responses_without_the_password() -> None:
    for path, operations in describe()["paths"].items():
        is_open = path == "/healthz"
        assert (operations["get"]["responses"].keys() >= {"401", "429"}) != is_open, path


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


async def test_a_file_of_the_page_is_sent_again_only_if_it_has_changed(bench: Bench) -> None:
    for path in ("/", "/static/app.js"):
        first = await bench.get(path)
        again = await bench.get(path, If_None_Match=first.headers["etag"])
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
        assert (await bench.get(path, If_None_Match='"another"')).body == first.body


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


async def test_a_password_is_required_for_all_but_the_health(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("correct horse\n")
    page = 'status_page: {listen: "127.0.0.1:0", password_file: secret, framed_by: [self, "https://ha.example"]}\n'
    async with serving(tmp_path, HOUSE + page) as bench:
        for path in ("/", "/api/status", "/api/clients", "/events", "/static/app.js", "/metrics", "/nothing"):
            assert (await bench.get(path)).status == 401
            assert (await bench.get(path, Authorization="Bearer wrong horse")).status == 401
        assert (await bench.get("/healthz")).status == 200
        answer = await bench.get("/api/status", Authorization="Bearer correct horse")
        assert answer.status == 200
        assert "frame-ancestors 'self' https://ha.example" in answer.headers["content-security-policy"]
        assert "x-frame-options" not in answer.headers
