"""One port of a ser2net, as both forms of its configuration describe it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

ONE_CLIENT = "ser2net serves one client at a time by default; the gateway serves up to max_clients at once"
READ_ONLY = "ser2net sends data from clients to the meter; the gateway discards it unless writable: true is set"
XONXOFF = "XONXOFF is dropped: it removes the bytes 0x11 and 0x13 from the stream, which damages encrypted telegrams"
TELNET = "telnet becomes telnet with RFC 2217, which clients of both kinds can read"
TELNET_DROPPED = "telnet is dropped: its negotiation adds a few bytes, which are not part of a telegram and are ignored"
FIXED = "clients cannot change the speed and the form of a byte any more; the gateway reports those that are in force"
MODEM_LINES = "LOCAL is dropped: the gateway always ignores the modem lines"
OFF = "this port is switched off in the ser2net"

MAX_CONNECTIONS = 1000
"""Largest number of ports of a file."""

PARITIES = {"n": "N", "e": "E", "o": "O"}
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
_SPEED = re.compile(r"([0-9]{3,7})(?:([neoNEO])([78])([12]))?")


def whole_number(text: str) -> int | None:
    """Return a whole number of at most nine digits, None for any other text."""
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else None


@dataclass(slots=True)
class Ser2netConnection:
    """One port, with the settings of the gateway that correspond to it."""

    line: int
    """Line of the file, from 1."""
    source: str
    """Text of that line."""
    device: str = ""
    """The device, or for a port that ser2net reads from the network its address."""
    remote: dict[str, Any] = field(default_factory=dict)
    """Keys of the meter for a port that ser2net reads from the network; empty for a device."""
    host: str = ""
    port: int = 0
    serial: dict[str, Any] = field(default_factory=dict)
    """Those of `baudrate`, `bytesize`, `parity` and `stopbits` that the file sets."""
    passthrough: dict[str, Any] = field(default_factory=dict)
    """Other keys of the passthrough."""
    is_on: bool = True
    notes: dict[str, None] = field(default_factory=dict)
    """Comments about dropped and changed settings, in order, each once."""

    def note(self, text: str) -> None:
        """Add a comment about a dropped or changed setting, unless it is there already."""
        self.notes.setdefault(text)

    def take_speed(self, word: str) -> bool:
        """Set the speed from `115200` or `9600e71`; return False for any other form."""
        match = _SPEED.fullmatch(word)
        if match is None:
            return False
        self.serial["baudrate"] = int(match[1])
        if match[2]:
            self.serial |= {"parity": PARITIES[match[2].lower()], "bytesize": int(match[3]), "stopbits": int(match[4])}
        return True

    def take_telnet(self, *, has_settings: bool) -> None:
        """Offer the port to clients that speak telnet; `has_settings` is True where they could set its speed."""
        self.passthrough["telnet"] = "rfc2217"
        self.note(FIXED if has_settings else TELNET)

    def take_timeout(self, seconds: str) -> bool:
        """Set the seconds without data after which a client is disconnected; 0 means never."""
        number = whole_number(seconds)
        if number:
            self.passthrough["idle_timeout"] = f"{number}s"
        return number is not None

    def take_max_connections(self, number: str) -> bool:
        """Set the largest number of clients."""
        clients = whole_number(number)
        if clients:
            self.passthrough["max_clients"] = clients
        return bool(clients)
