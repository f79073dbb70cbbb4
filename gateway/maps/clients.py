"""The table of clients in register_maps/clients.yaml: the map that each one reads, and the configuration for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.files.validation import validate
from gateway.files.yaml_file import load
from gateway.maps.load import FOLDERS

TRANSPORTS = {"tcp": "TCP", "rtu_over_tcp": "RTU over TCP", "udp": "UDP", "serial": "RTU on a serial line"}
"""Transport to its name for people."""
SERVERS = {
    "tcp": '  - listen: ":502"\n',
    "rtu_over_tcp": '  - listen: ":503"\n    transport: rtu_over_tcp\n',
    "udp": '  - listen: ":502"\n    transport: udp\n    allow: [192.168.1.0/24]\n',
}
"""Transport to the keys of its server in the configuration."""


class SerialEntry(BaseModel):
    """The settings of a serial line that a client expects; RTU always has 8 data bits."""

    model_config = ConfigDict(extra="forbid")

    baudrate: int
    parity: Literal["N", "E", "O"]
    stopbits: Literal[1, 2] = 1

    def __str__(self) -> str:
        return f"{self.baudrate} baud, 8{self.parity}{self.stopbits}"

    def settings(self) -> str:
        """Return the keys of `serial:` in a configuration; those that have their default are left out."""
        stopbits = f", stopbits: {self.stopbits}" if self.stopbits != 1 else ""
        return f"baudrate: {self.baudrate}, parity: {self.parity}{stopbits}"


class Way(BaseModel):
    """One way to connect a client: the meter that it reads."""

    model_config = ConfigDict(extra="forbid")

    map: str
    unit: int = Field(ge=0, le=255)
    transport: Literal["tcp", "rtu_over_tcp", "udp", "serial"] = "tcp"
    serial: SerialEntry | None = None
    select: str
    on_stale: Literal["exception", "silent"] = "exception"
    tested: Literal["requests", "documents", "nothing"]

    @property
    def connection(self) -> str:
        """Return the transport for people, with the settings of a serial line."""
        return TRANSPORTS[self.transport] + (f", {self.serial}" if self.serial else "")

    def configuration(self) -> str:
        """Return a configuration of the gateway that serves it, as YAML."""
        server = SERVERS.get(self.transport, "")
        if self.serial:
            server = f"  - serial: {{port: /dev/ttyUSB1, {self.serial.settings()}}}\n"
        on_stale = "" if self.on_stale == "exception" else f", on_stale: {self.on_stale}"
        unit = f"    units:\n      {self.unit}: {{map: {self.map}{on_stale}}}\n"
        return f"meter:\n  port: /dev/ttyUSB0\nmodbus:\n{server}{unit}"


class Client(BaseModel):
    """A client of the gateway, and the ways to connect it, the best one first."""

    model_config = ConfigDict(extra="forbid")

    name: str
    also: list[str] = []
    page: str | None = None
    ways: list[Way] = []
    why_not: str = ""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    clients: list[Client]


def load_clients() -> list[Client]:
    """Return the clients of the table, in its order.

    Raises:
        FileError: the table is not valid.

    """
    file = next(path for folder in FOLDERS if (path := folder / "clients.yaml").is_file())
    return validate(load(file), _Table).clients


def find_clients(words: Sequence[str], clients: Sequence[Client]) -> list[Client]:
    """Return the clients whose names contain all of these words, in any case; else those that contain any of them.

    Whole words come before parts of words: `sma` is SMA, and not SmartEVSE.
    """
    sought = [word.casefold() for text in words for word in text.split() if len(word) > 1]
    texts = {client.name: " ".join([client.name, *client.also]).casefold() for client in clients}
    whole_words = {name: text.split() for name, text in texts.items()}
    for matches in (all, any):
        for names in (whole_words, texts):
            found = [client for client in clients if matches(word in names[client.name] for word in sought)]
            if found:
                return found
    return []


def clients_table(clients: Sequence[Client]) -> str:
    """Return the table of the documentation, with a row for each way, in Markdown."""
    lines = [
        "| client | select there | map | unit id | transport | `on_stale` |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for client in clients:
        linked = f"[{client.name}]({client.page})" if client.page else client.name
        if not client.ways:
            lines.append(f"| {linked} | not possible: {client.why_not} | | | | |")
        for way in client.ways:
            chosen = way.select + (" (not verified)" if way.tested == "nothing" else "")
            where = f"`{way.map}` | {way.unit} | {way.connection} | `{way.on_stale}`"
            lines.append(f"| {linked} | {chosen} | {where} |")
            linked = ""
    return "\n".join(lines) + "\n"
