"""`status_page:`, who may see it, and what is said when it would be open to all."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import load_config, load_status_page
from tests.config.faults import faults_in, load

OPEN = "and there is no password. Add password_file:, or trust: with the addresses"


@pytest.mark.parametrize("listen", ["127.0.0.1:8080", "localhost:80", '"[::1]:8080"', "127.8.9.1:1"])
def test_this_machine_alone_needs_no_password(listen: str, tmp_path: Path) -> None:
    assert load(tmp_path, f"status_page: {{listen: {listen}}}").status_page


@pytest.mark.parametrize("listen", ['":8080"', "0.0.0.0:8080", '"[::]:8080"', "192.168.1.5:80", "gateway.lan:80"])
def test_other_machines_need_one(listen: str, tmp_path: Path) -> None:
    (fault,) = faults_in(tmp_path, f"status_page: {{listen: {listen}}}")
    assert OPEN in fault
    assert load(tmp_path, f"status_page: {{listen: {listen}, password_file: secret}}").status_page
    assert load(tmp_path, f"status_page: {{listen: {listen}, trust: [172.30.32.2/32]}}").status_page


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("status_page: {port: 80}", "1:15: status_page.port: unknown key."),
        (
            "status_page: {framed_by: [example.org]}",
            "is not an origin. Write self, or an origin like https://example.org",
        ),
        ("status_page: {framed_by: ['self; script-src *']}", "is not an origin."),
        ("status_page: {allow: [192.168.1.0/33]}", "status_page.allow[0]"),
        ("status_page: 8080", "keys with values are expected (found 8080)"),
    ],
)
def test_an_invalid_value_is_reported(text: str, told: str, tmp_path: Path) -> None:
    assert told in faults_in(tmp_path, text)[0]


def test_without_the_key_there_is_no_page(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("meter: {}")
    assert load_config(tmp_path / "gateway.yaml", {}).status_page is None
    assert load_status_page(tmp_path / "gateway.yaml", {}) is None


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("meter: {simulat: 1}\nstatus_page: {listen: 127.0.0.1:81}", {}, "127.0.0.1:81"),
        ("meter: {simulat: 1}\nstatus_page: {}", {}, "127.0.0.1:8080"),
        ("meter: {simulat: 1}\nstatus_page: {listen: ':81'}", {}, None),
        ("meter: {simulat: 1}\nstatus_page: {lsten: ':81'}", {}, None),
        ("meter: [", {}, None),
        ("- meter", {}, None),
        ("meter: [", {"DSMR_GATEWAY_STATUS_PAGE__LISTEN": "127.0.0.1:82"}, "127.0.0.1:82"),
        ("status_page: {listen: 127.0.0.1:81}", {"DSMR_GATEWAY_STATUS_PAGE__LISTEN": "127.0.0.1:82"}, "127.0.0.1:82"),
    ],
)
def test_the_page_is_found_whatever_is_wrong_with_the_rest(
    text: str, environment: dict[str, str], expected: str | None, tmp_path: Path
) -> None:
    (tmp_path / "gateway.yaml").write_text(text)
    found = load_status_page(tmp_path / "gateway.yaml", environment)
    assert (found and str(found.listen)) == expected
