"""Finding 8: a page of another site, whose name leads to this machine, cannot read ours through a trusted browser."""

from __future__ import annotations

import hashlib
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.config import load_config
from gateway.nodes.status_page.access import Access, StatusPageSettings
from tests.nodes.status_page.bench import HOUSE, serving

SECRET = hashlib.sha256(b"correct horse").digest()
TRUSTED = ("192.0.2.7", 50_000)


def access(*host_names: str, password: bytes | None = None) -> Access:
    network = (ip_network("192.0.2.0/28"),)
    return Access(StatusPageSettings("", 8080, trust=network, host_names=host_names), password)


@pytest.mark.parametrize(
    "host", ["evil.example.org", "evil.example.org:8080", "localhost.evil.example.org", "", "[", "1.2"]
)
def test_a_trusted_browser_is_refused_under_a_name_that_is_not_ours(host: str) -> None:
    refusal = access("p1.example.org").refuse(TRUSTED, {"host": host}, 0)
    assert refusal
    assert refusal.status == 403
    asked = access("p1.example.org", password=SECRET).refuse(TRUSTED, {"host": host}, 0)
    assert asked
    assert asked.status == 401


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "192.0.2.1:8080", "[2001:db8::1]:8080", "[::1]", "localhost:8080", "P1.example.org:8080"]
)
def test_a_trusted_browser_is_served_under_an_address_and_under_our_names(host: str) -> None:
    assert access("p1.Example.org").refuse(TRUSTED, {"host": host}, 0) is None


def test_a_page_behind_a_proxy_alone_may_be_opened_under_every_name(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(HOUSE)
    page = load_config(path, {"DSMR_GATEWAY_STATUS_PAGE__HOST_NAMES": "['*']"}).status_page
    assert page
    assert access(*page.host_names).refuse(TRUSTED, {"host": "ha.example.org"}, 0) is None


async def test_the_page_reveals_no_identifier_to_a_rebound_name(tmp_path: Path) -> None:
    page = 'status_page: {listen: "127.0.0.1:0", trust: [127.0.0.0/8]}\n'
    async with serving(tmp_path, HOUSE + page) as bench:
        for path in ("/", "/api/telegram?identifiers=true", "/api/registers?identifiers=true", "/events", "/metrics"):
            refused = await bench.get(path, Host="evil.example.org")
            assert refused.status == 403
            assert b"SIMULATED" not in refused.body
