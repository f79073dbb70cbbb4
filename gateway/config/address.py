"""Host and port in one text: `192.168.1.13:2001`, `[::1]:502`, `:502`. The one place that takes such a text apart."""

from __future__ import annotations

import re

from gateway.files.validation import invalid
from gateway.problems.quoting import cut, quoted

MAX_PORT = 65_535
MAX_HOST_CHARACTERS = 253
"""Longest host name (RFC 1035, 2.3.4, without the lengths of its labels)."""
_HOST_AND_PORT = re.compile(r"(?:\[([^\]]*)\]|([^:/]*)):([0-9]{1,5})")
_HOST_NAME = re.compile(r"[^/\s]*")
_URL = re.compile(r"(?:socket|tcp)://([^/]+)/?")


def split_address(text: str) -> tuple[str, int] | None:
    """Return host and port of `HOST:PORT`, the host of an IPv6 address without its brackets; None for another text.

    The host can be empty, and the port too large: what is allowed depends on where the address is used.
    """
    match = _HOST_AND_PORT.fullmatch(text)
    return (match[1] or match[2] or "", int(match[3])) if match else None


def split_url(text: str) -> tuple[str, int] | None:
    """Return host and port of `socket://HOST:PORT` or `tcp://HOST:PORT`, as Home Assistant has it; else None."""
    match = _URL.fullmatch(text)
    address = split_address(match[1]) if match else None
    return address if address and address[0] else None


def tcp_port(text: str) -> int | None:
    """Return the TCP port that a client can connect to, 1 to 65535; None for another text."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_PORT))
    return int(text) if is_number and 0 < int(text) <= MAX_PORT else None


def host_name(value: str) -> str:
    """Return `value` if it can be looked up; of another one, Python's look-up fails with an error that says nothing."""
    address = split_address(value)
    if address:
        hint = f"Write host: {cut(address[0])} and port: {address[1]}"
        raise invalid("port-in-host", f"{quoted(value)} is a host with a port", hint)
    try:
        if len(value) > MAX_HOST_CHARACTERS or not _HOST_NAME.fullmatch(value):
            raise UnicodeError
        value.encode("idna")
    except UnicodeError:
        raise invalid(
            "not-a-host", f"{quoted(value)} is not a host", "Write a name such as p1.local, or an address"
        ) from None
    return value
