"""What both forms of a ser2net's configuration come down to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

ONE_CLIENT = "ser2net serves one client at a time unless told otherwise; here max_clients may read at once"
READ_ONLY = "ser2net passes on to the meter what clients send; here it is swallowed, unless writable: true"
XONXOFF = "XONXOFF is dropped: it takes the bytes 0x11 and 0x13 out of the stream, which damages encrypted telegrams"
TELNET = "telnet is dropped: its negotiation mixes bytes of its own into the stream; connect without it"
MODEM_LINES = "LOCAL is how a port is opened here: modem lines are ignored"
OFF = "this port was switched off"

PARITIES = {"n": "N", "e": "E", "o": "O"}
_SPEED = re.compile(r"([0-9]{3,7})(?:([neoNEO])([78])([12]))?")


@dataclass(slots=True)
class Ser2netConnection:
    """One port of a ser2net."""

    line: int
    """Where it stands in the file."""
    source: str
    """The words there."""
    device: str = ""
    host: str = ""
    port: int = 0
    serial: dict[str, Any] = field(default_factory=dict)
    """`baudrate`, `bytesize`, `parity`, `stopbits`, as far as they are given."""
    passthrough: dict[str, Any] = field(default_factory=dict)
    """Further keys of a passthrough."""
    is_on: bool = True
    notes: list[str] = field(default_factory=list)

    def note(self, words: str) -> None:
        """Say what is dropped or changed, once."""
        if words not in self.notes:
            self.notes.append(words)

    def take_speed(self, word: str) -> bool:
        """Take `115200` or `9600e71`; False when it is neither."""
        match = _SPEED.fullmatch(word)
        if match is None:
            return False
        self.serial["baudrate"] = int(match[1])
        if match[2]:
            self.serial |= {"parity": PARITIES[match[2].lower()], "bytesize": int(match[3]), "stopbits": int(match[4])}
        return True

    def take_timeout(self, seconds: str) -> bool:
        """Take the seconds without traffic after which a client is closed; 0 for never."""
        if not seconds.isdecimal():
            return False
        if int(seconds):
            self.passthrough["idle_timeout"] = f"{int(seconds)}s"
        return True

    def take_max_connections(self, number: str) -> bool:
        """Take how many clients are served at once."""
        if not number.isdecimal() or not int(number):
            return False
        self.passthrough["max_clients"] = int(number)
        return True
