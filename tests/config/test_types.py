"""Durations and addresses are written as one thinks of them, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.config.types import Duration, Listen, ListenAddress, Network

DURATION: TypeAdapter[float] = TypeAdapter(Duration)
NETWORK: TypeAdapter[Network] = TypeAdapter(Network)
ADDRESS: TypeAdapter[Listen] = TypeAdapter(ListenAddress)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("30 s", 30),
        (" 30s ", 30),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("2m", 120),
        ("1h", 3600),
        ("24h", 86_400),
        ("7", 7),
        (7, 7),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_a_number_with_its_unit_or_seconds(text: object, seconds: float) -> None:
    assert DURATION.validate_python(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "s",
        "soon",
        "-1s",
        -1,
        "1e3",
        "1d",
        "1 s s",
        "30S",
        "1,5s",
        "\u0663s",
        ".5s",
        True,
        None,
        [],
        float("inf"),
        "0x1s",
    ],
)
def test_what_is_no_duration_is_refused_with_how_to_write_one(value: object) -> None:
    with pytest.raises(ValidationError, match=r"this is not a duration\. Write it like 30s, 500ms or 2m"):
        DURATION.validate_python(value)


@pytest.mark.parametrize("value", [0, "0s", "0ms", "86401s", "25h", 10**9])
def test_a_duration_that_makes_no_sense_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match=r"more than 0s and at most 24h"):
        DURATION.validate_python(value)


@pytest.mark.parametrize(
    ("value", "host", "port", "shown"),
    [
        (":502", "", 502, ":502"),
        (502, "", 502, ":502"),
        ("192.168.1.5:502", "192.168.1.5", 502, "192.168.1.5:502"),
        ("localhost:65535", "localhost", 65535, "localhost:65535"),
        ("[::1]:502", "::1", 502, "[::1]:502"),
        ("[]:502", "", 502, ":502"),
        (":0", "", 0, ":0"),
    ],
)
def test_an_address_is_a_port_and_maybe_a_host(value: object, host: str, port: int, shown: str) -> None:
    address = ADDRESS.validate_python(value)
    assert address == Listen(host=host, port=port)
    assert str(address) == shown
    assert ADDRESS.validate_python(shown) == address


@pytest.mark.parametrize(
    "value", ["", "502", ":", ":65536", 65536, -1, "::1:502", "[::1]", "host", ":5 02", ":\u0665", True]
)
def test_what_is_no_address_is_refused_with_how_to_write_one(value: object) -> None:
    with pytest.raises(ValidationError, match=r"this is not an address to listen on\. Write it like :502"):
        ADDRESS.validate_python(value)


def test_a_port_before_its_host_gets_the_right_order() -> None:
    with pytest.raises(ValidationError, match=r"this is not an address to listen on\. Write 127\.0\.0\.1:5020"):
        ADDRESS.validate_python("5020:127.0.0.1")


@pytest.mark.parametrize("host", ["p1..local", ".local", 64 * "a"])
def test_what_cannot_be_looked_up_is_no_host(host: str) -> None:
    with pytest.raises(ValidationError, match=r"is not a host\. Write a name such as p1.local, or an address"):
        ADDRESS.validate_python(f"{host}:502")


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,9}(?:\.[a-z0-9-]{1,9}){0,2}", fullmatch=True)


@settings(max_examples=100)
@given(st.ip_addresses().map(str) | NAMES, st.integers(0, 65535))
def test_every_address_is_read_as_it_is_shown(host: str, port: int) -> None:
    address = Listen(host=host, port=port)
    assert ADDRESS.validate_python(str(address)) == address


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.168.1.0/24", "192.168.1.0/24"),
        ("192.168.1.5", "192.168.1.5/32"),
        ("192.168.1.0/255.255.255.0", "192.168.1.0/24"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::/0", "::/0"),
        # A client over IPv4 is known by its IPv4 address, whichever socket it came to.
        ("::ffff:192.168.1.0/120", "192.168.1.0/24"),
        ("::ffff:192.168.1.5", "192.168.1.5/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
    ],
)
def test_a_network_is_written_as_usual(text: str, network: str) -> None:
    assert str(NETWORK.validate_python(text)) == network


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("192.168.1.*", "this is not a network. Write it like 192.168.1.0/24, or 192.168.1.5 for one address"),
        ("localhost", "this is not a network"),
        ("192.168.1.0/33", "this is not a network"),
        ("", "this is not a network"),
        (192, "this is not a network"),
        ("192.168.1.5/24", "this is one address in a network. For the whole network, write 192.168.1.0/24"),
        ("2001:db8::5/32", "this is one address in a network. For the whole network, write 2001:db8::/32"),
        ("::ffff:192.168.1.5/120", "this is one address in a network. For the whole network, write 192.168.1.0/24"),
    ],
)
def test_an_invalid_network_is_reported_once_with_a_hint(value: object, told: str) -> None:
    with pytest.raises(ValidationError) as error:
        NETWORK.validate_python(value)
    (fault,) = error.value.errors()
    assert fault["msg"].removeprefix("Value error, ").startswith(told)
