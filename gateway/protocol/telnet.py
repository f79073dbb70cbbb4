"""Telnet (RFC 854) as far as a serial port over the network needs it.

Telnet sends data and commands in one stream. The byte 255 (IAC) begins a command; as data it is sent twice. A command
negotiates an option (WILL, WONT, DO, DONT), or is the content of an option (a subnegotiation, which ends with IAC SE).

`TelnetStream` separates the two. Whatever comes, it keeps a few bytes at most: where a subnegotiation does not end, its
begin was not one, and its content is data again. `Options` has the rule of RFC 1143 that ends each negotiation: only a
change is confirmed, so that two ends never repeat themselves to each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

IAC, SE, SB, WILL, WONT, DO, DONT = 255, 240, 250, 251, 252, 253, 254
BINARY, SUPPRESS_GO_AHEAD = 0, 3
"""Options for bytes with all eight bits (RFC 856) and for sending at any time (RFC 858)."""
MAX_SUBNEGOTIATION_BYTES = 256
"""Largest number of bytes between IAC SB and IAC SE; those of RFC 2217 have few, besides a text."""
BURST_COMMANDS, SECONDS_PER_COMMAND = 200, 0.1
"""Largest number of commands that an end may send at once, and the seconds for each one more."""

_IAC, _DOUBLED = bytes([IAC]), bytes([IAC, IAC])


class Negotiation(NamedTuple):
    """A request or a response about an option."""

    verb: int
    """WILL, WONT, DO or DONT."""
    option: int

    def __bytes__(self) -> bytes:
        return bytes([IAC, self.verb, self.option])


class Subnegotiation(NamedTuple):
    """The content of an option."""

    option: int
    content: bytes

    def __bytes__(self) -> bytes:
        return bytes([IAC, SB]) + escape(bytes([self.option]) + self.content) + bytes([IAC, SE])


Item = bytes | Negotiation | Subnegotiation


def escape(data: bytes) -> bytes:
    """Return data as it is sent over telnet."""
    return data.replace(_IAC, _DOUBLED)


class TelnetStream:
    """The bytes that one end sends, separated into data and commands."""

    def __init__(self) -> None:
        self._unfinished = b""
        """The begin of a command whose end has not come yet."""

    def feed(self, received: bytes) -> list[Item]:
        """Return the data and the commands that are complete; other commands than those of options are left out."""
        if not self._unfinished and IAC not in received:
            return [received]
        stream, at = self._unfinished + received, 0
        self._unfinished = b""
        items, data = list[Item](), bytearray()
        while (begin := stream.find(_IAC, at)) >= 0:
            data += stream[at:begin]
            item, at = _command_at(stream, begin)
            if item is None:
                self._unfinished = stream[begin:]
                at = len(stream)
            elif isinstance(item, bytes):
                data += item
            else:
                items += [bytes(data), item] if data else [item]
                data.clear()
        data += stream[at:]
        return [*items, bytes(data)] if data else items


def _command_at(stream: bytes, begin: int) -> tuple[Item | None, int]:
    """Return what the IAC at `begin` means, and where the stream goes on; None if its end has not come yet."""
    kind = stream[begin + 1] if begin + 1 < len(stream) else None
    if kind == IAC:
        return _IAC, begin + 2
    if kind == SB:
        return _subnegotiation_at(stream, begin)
    if kind is None or (kind in (WILL, WONT, DO, DONT) and begin + 2 == len(stream)):
        return None, begin
    if kind in (WILL, WONT, DO, DONT):
        return Negotiation(kind, stream[begin + 2]), begin + 3
    return b"", begin + 2


def _subnegotiation_at(stream: bytes, begin: int) -> tuple[Item | None, int]:
    content = begin + 2
    limit = content + MAX_SUBNEGOTIATION_BYTES
    at = content
    while (end := stream.find(_IAC, at, limit)) >= 0 and end + 1 < len(stream):
        if stream[end + 1] == SE:
            body = stream[content:end].replace(_DOUBLED, _IAC)
            return (Subnegotiation(body[0], body[1:]), end + 2) if body else (b"", end + 2)
        if stream[end + 1] != IAC:
            return b"", end  # another command came in between
        at = end + 2
    return (b"", content) if len(stream) > limit else (None, begin)


class Options:
    """The options that both ends have on, and those that this end accepts."""

    def __init__(self, *, ours: Iterable[int], theirs: Iterable[int]) -> None:
        """Accept the options `ours` for what this end sends, and `theirs` for what the other end sends."""
        self._accepted = {WILL: frozenset(ours), DO: frozenset(theirs)}
        self._on: dict[int, set[int]] = {WILL: set(), DO: set()}
        self._asked: dict[int, set[int]] = {WILL: set(), DO: set()}

    def ask(self) -> bytes:
        """Return the requests to switch on what this end accepts."""
        self._asked = {verb: set(options) for verb, options in self._accepted.items()}
        return b"".join(
            bytes(Negotiation(verb, option)) for verb, options in self._accepted.items() for option in sorted(options)
        )

    def take(self, received: Negotiation) -> bytes:
        """Return the response to a request or a response; often none."""
        verb, option = received
        # DO and DONT are about what this end sends, for which its own verb is WILL; WILL and WONT the other way round.
        own = WILL if verb in (DO, DONT) else DO
        refusal = {WILL: WONT, DO: DONT}[own]
        on, asked = self._on[own], self._asked[own]
        was_asked = option in asked
        asked.discard(option)
        if verb in (WILL, DO):
            if option not in self._accepted[own]:
                return bytes(Negotiation(refusal, option))
            was_on = option in on
            on.add(option)
            return b"" if was_on or was_asked else bytes(Negotiation(own, option))
        if option not in on:
            return b""
        on.discard(option)
        return bytes(Negotiation(refusal, option))
