"""Fuzzes telnet and the port over it (RFC 2217): `python -m fuzz.telnet [OPTION...] fuzz/corpus/telnet`."""

from __future__ import annotations

from collections.abc import Callable

from fuzz.harness import Source, fuzz
from gateway.protocol.com_port import ComPortReader, ComPortServer
from gateway.protocol.p1.variants import FAST_LINE, SLOW_LINE
from gateway.protocol.telnet import (
    MAX_SUBNEGOTIATION_BYTES,
    Item,
    Negotiation,
    Subnegotiation,
    TelnetStream,
    escape,
)

MAX_RESPONSE_BYTES = 300
"""Largest response to one command; the longest one sets the port."""


def check(data: bytes) -> None:
    """Check that any segments are the data and commands of the whole, and that each command has a short response.

    The response has nothing but commands. Data that is escaped comes back, and so does each command.
    """
    source = Source(data)
    settings = source.pick((FAST_LINE, SLOW_LINE))
    segments = source.segments()
    stream = b"".join(segments)
    items = separated([stream])
    assert separated(segments) == items
    assert separated([bytes([byte]) for byte in stream]) == items
    assert b"".join(separated([escape(stream)])) == stream  # type: ignore[arg-type]  # bytes only
    for end in (ComPortReader(settings), ComPortServer(lambda: settings, "gateway")):
        end.begin()
        for item in items:
            if not isinstance(item, bytes):
                check_command(item, end.take)


def check_command(command: Negotiation | Subnegotiation, take: Callable[[Negotiation | Subnegotiation], bytes]) -> None:
    """Check a command that was received, and the response to it."""
    again = separated([bytes(command)])
    if len(bytes(command)) - 4 <= MAX_SUBNEGOTIATION_BYTES:
        assert again == [command]
    response = take(command)
    assert len(response) <= MAX_RESPONSE_BYTES
    assert not any(isinstance(item, bytes) for item in separated([response] if response else []))


def separated(segments: list[bytes]) -> list[Item]:
    """Return the data and the commands in these segments, with pieces of data joined."""
    telnet, found = TelnetStream(), list[Item]()
    for segment in segments:
        for item in telnet.feed(segment) if segment else ():
            if isinstance(item, bytes) and found and isinstance(found[-1], bytes):
                found[-1] += item
            else:
                found.append(item)
        assert len(telnet._unfinished) <= MAX_SUBNEGOTIATION_BYTES + 2  # noqa: SLF001 - nothing else shows its memory
    return found


if __name__ == "__main__":
    fuzz(__file__)
