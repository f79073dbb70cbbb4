"""Host and port are taken apart in one place."""

from __future__ import annotations

import pytest

from gateway.config.address import split_address, split_url, tcp_port


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.168.1.13:2001", ("192.168.1.13", 2001)),
        ("p1.local:0", ("p1.local", 0)),
        ("[::1]:502", ("::1", 502)),
        (":502", ("", 502)),
        ("p1.local:99999", ("p1.local", 99_999)),
        ("::1:502", None),
        ("p1.local", None),
        ("p1.local:", None),
        ("/dev/p1:1", None),
        ("p1.local:123456", None),
        ("", None),
    ],
)
def test_host_and_port(text: str, address: tuple[str, int] | None) -> None:
    assert split_address(text) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("socket://192.168.1.13:2001", ("192.168.1.13", 2001)),
        ("tcp://[::1]:2001/", ("::1", 2001)),
        ("socket://:2001", None),
        ("http://p1.local:80", None),
        ("p1.local:2001", None),
    ],
)
def test_an_address_as_home_assistant_has_it(text: str, address: tuple[str, int] | None) -> None:
    assert split_url(text) == address


@pytest.mark.parametrize(
    ("text", "port"), [("1", 1), ("65535", 65_535), ("0", None), ("65536", None), ("x", None), ("", None), ("²", None)]
)
def test_a_port_that_a_client_can_connect_to(text: str, port: int | None) -> None:
    assert tcp_port(text) == port
