"""Writes the gateway's configuration for the ports of a ser2net, with comments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from gateway.config.passthrough import MAX_CLIENTS
from gateway.ser2net.connection import ONE_CLIENT, READ_ONLY, Ser2netConnection

_PLAIN = re.compile(r"[A-Za-z0-9/][A-Za-z0-9/._-]*")


def render(connections: Sequence[Ser2netConnection], file: str) -> str:
    """Return a configuration with a meter for each device and a passthrough for each port."""
    devices = list(dict.fromkeys(connection.device for connection in connections))
    names = {device: f"meter{number}" if len(devices) > 1 else "" for number, device in enumerate(devices, start=1)}
    lines = [
        f"# From {_on_one_line(file)}. Comments explain what is different.",
        *_meters(connections, names),
        "",
        "passthrough:",
    ]
    lines.append(f"  # {READ_ONLY}.")
    for connection in connections:
        entry = _passthrough(connection, names[connection.device])
        lines += entry if connection.is_on else map(_commented, entry)
    if all(not connection.is_on for connection in connections):
        lines[lines.index("passthrough:")] = "passthrough: []"
    if len(devices) > 1:
        units = ", ".join(f"{number}: {{meter: {name}}}" for number, name in enumerate(names.values(), start=1))
        lines += ["", "modbus:", f"  - units: {{{units}}}"]
    return "\n".join(lines) + "\n"


def _commented(line: str) -> str:
    return line if line.lstrip().startswith("#") else f"  # {line.removeprefix('  ')}"


def _meters(connections: Sequence[Ser2netConnection], names: dict[str, str]) -> list[str]:
    lines = ["meters:"] if len(names) > 1 else ["meter:"]
    for device, name in names.items():
        indent = "    " if name else "  "
        if name:
            lines.append(f"  {name}:")
        # All ports of a device share its settings.
        keys: dict[str, Any] = {}
        for connection in connections:
            if connection.device == device:
                keys = (connection.remote or {"port": device}) | connection.serial | keys
        lines += [f"{indent}{key}: {_scalar(value)}" for key, value in keys.items()]
    return lines


def _passthrough(connection: Ser2netConnection, meter: str) -> list[str]:
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    if host == "localhost":
        host = "127.0.0.1"
    keys: dict[str, Any] = {"listen": f"{host}:{connection.port}", "mode": "raw"}
    if meter:
        keys["meter"] = meter
    keys |= connection.passthrough
    notes = list(connection.notes)
    if "max_clients" not in keys:
        keys["max_clients"] = MAX_CLIENTS
        notes.append(ONE_CLIENT)
    return [
        f"  # Line {connection.line}: {_on_one_line(connection.source)}",
        *(f"    # {_on_one_line(note)}." for note in notes),
        *(f"  {'- ' if not index else '  '}{key}: {_scalar(value)}" for index, (key, value) in enumerate(keys.items())),
    ]


def _on_one_line(text: str) -> str:
    if text.isprintable():
        return " ".join(text.split())
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _scalar(value: Any) -> str:
    """Return a value as YAML. A text that YAML could read as anything else is in quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_scalar(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str) or _is_plain(value):
        return str(value)
    return '"' + "".join(map(_escaped, value)) + '"'


def _is_plain(text: str) -> bool:
    if not _PLAIN.fullmatch(text) or text in ("N", "Y"):
        return False
    return isinstance(yaml.safe_load(text), str)


def _escaped(character: str) -> str:
    """Return a character of a YAML text in double quotes (YAML 1.1, 5.6)."""
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08X}"
