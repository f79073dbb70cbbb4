"""Who sees the page: addresses, names of this machine, and the password."""

from __future__ import annotations

import base64
import hashlib
import hmac
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.nodes.status_page.access import (
    Access,
    StatusPageSettings,
    read_password,
)

SECRET = hashlib.sha256(b"correct horse").digest()
LOCAL = ("127.0.0.1", 50_000)
AWAY = ("192.0.2.7", 50_000)


def settings(**given: object) -> StatusPageSettings:
    return StatusPageSettings("", 8080, **given)  # type: ignore[arg-type]


def basic(password: str, user: str = "anyone") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("client", "host", "is_served"),
    [
        (LOCAL, "localhost:8080", True),
        (LOCAL, "127.0.0.1:8080", True),
        (LOCAL, "localhost", True),
        (("::1", 50_000), "[::1]:8080", True),
        (("::ffff:127.0.0.1", 50_000), "localhost:8080", True),
        (LOCAL, "p1.example.org", True),
        # A name that somebody else's domain leads to this machine, in the hands of that somebody's page.
        (LOCAL, "evil.example.org:8080", False),
        (LOCAL, "localhost.evil.example.org", False),
        (LOCAL, "", False),
        (AWAY, "localhost:8080", False),
    ],
)
def test_without_a_password_only_this_machine_by_its_own_name(
    client: tuple[str, int], host: str, *, is_served: bool
) -> None:
    access = Access(settings(host_names=("p1.example.org",)), None)
    refusal = access.refuse(client, {"host": host}, 0)
    assert (refusal is None) is is_served
    assert refusal is None or refusal.status == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (basic("correct horse"), None),
        (basic("correct horse", "somebody else"), None),
        ({"authorization": "Bearer correct horse"}, None),
        ({"authorization": "bearer correct horse"}, None),
        ({}, 401),
        (basic("wrong horse"), 401),
        (basic(""), 401),
        ({"authorization": "Basic"}, 401),
        ({"authorization": "Basic %%%"}, 401),
        ({"authorization": "Basic " + base64.b64encode(b"correct horse").decode()}, 401),
        ({"authorization": "Digest correct horse"}, 401),
        ({"authorization": "Bearer"}, 401),
    ],
)
@pytest.mark.parametrize("client", [LOCAL, AWAY])
def test_a_password_is_asked_of_everyone(client: tuple[str, int], headers: dict[str, str], status: int | None) -> None:
    refusal = Access(settings(), SECRET).refuse(client, headers, 0)
    assert (refusal and refusal.status) == status
    if refusal:
        assert refusal.headers["WWW-Authenticate"].startswith("Basic ")


def test_it_is_compared_in_a_time_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    Access(settings(), SECRET).refuse(AWAY, basic("c"), 0)
    # Digests are equally long, whatever the length of what was given.
    assert [(len(one), len(other)) for one, other in compared] == [(32, 32)]


def test_trusted_addresses_need_no_password_and_others_are_not_served_without() -> None:
    proxy = settings(trust=(ip_network("192.0.2.0/28"),))
    assert Access(proxy, None).refuse(AWAY, {"host": "192.0.2.1:8080"}, 0) is None
    assert Access(proxy, SECRET).refuse(AWAY, {"host": "localhost"}, 0) is None
    assert Access(proxy, None).refuse(("198.51.100.1", 1), {"host": "localhost"}, 0).status == 403  # type: ignore[union-attr]


def test_allow_says_who_is_served_at_all() -> None:
    access = Access(settings(allow=(ip_network("192.0.2.0/28"),)), None)
    assert access.is_allowed(ip_network("192.0.2.7").network_address)
    assert not access.is_allowed(ip_network("127.0.0.1").network_address)
    assert Access(settings(), None).is_allowed(ip_network("198.51.100.1").network_address)


@pytest.mark.parametrize("content", [b"correct horse", b"correct horse\n", b"  correct horse \r\nmore\n"])
def test_the_password_is_the_first_line_of_its_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(content)
    assert read_password(tmp_path / "password") == SECRET


@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"       x\n"])
def test_what_is_no_password_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(OSError, match="8 characters or more"):
        read_password(tmp_path / "password")
