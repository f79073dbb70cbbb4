"""The differences between two configurations, as the keys that have another value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from gateway.config import Config, Maps
from gateway.files.document import Loc, dotted
from gateway.problems.listing import listed
from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap

MAX_KEYS = 10
"""Largest number of keys or maps that a text names."""


def changes_between(before: tuple[Config, Maps], after: tuple[Config, Maps]) -> list[str]:
    """Return a text for the changed settings and one for the changed register maps, which contain no value."""
    keys = [dotted(loc) for loc in _changed((), before[0].model_dump(), after[0].model_dump())]
    maps = [
        name for name, each in after[1].items() if name in before[1] and _content(before[1][name]) != _content(each)
    ]
    settings = [f"settings: {listed(keys, MAX_KEYS)}"] if keys else []
    return settings + ([f"register maps: {listed(maps, MAX_KEYS)}"] if maps else [])


def _changed(loc: Loc, before: Any, after: Any) -> Iterator[Loc]:
    """Yield each key with another value; of a part that is new or gone, the part as a whole."""
    if before == after:
        return
    if loc == ("modbus",) and len(before) != len(after):
        before, after = _by_listener(before, after)
    if isinstance(before, list) and isinstance(after, list):
        before, after = dict(enumerate(before)), dict(enumerate(after))
    if not (isinstance(before, dict) and isinstance(after, dict)):
        yield loc
        return
    for key in dict.fromkeys([*before, *after]):
        part = (*loc, key if isinstance(key, int) and loc[-1:] != ("units",) else str(key))
        if key in before and key in after:
            yield from _changed(part, before[key], after[key])
        else:
            yield part


def _by_listener(before: list[Any], after: list[Any]) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Return servers by their position after a reload, those that are gone by what they listened on.

    Otherwise each server behind one that is new or gone would seem to have changed.
    """
    positions = {_listener(server): position for position, server in enumerate(after)}
    return {positions.get(_listener(each), _listener(each)): each for each in before}, dict(enumerate(after))


def _listener(server: dict[str, Any]) -> str:
    """Return what a server listens on; no listen is the default address."""
    listen, serial = server["listen"] or {}, server["serial"] or {}
    return f"{server['transport']} {listen.get('host', '')}:{listen.get('port', '')}{serial.get('port', '')}"


def _content(register_map: RegisterMap) -> object:
    """Return what two maps have in common exactly when they serve the same: functions of two maps always differ."""
    names = [each.name for each in fields(Register) if each.name not in ("evaluate", "encode")]
    registers = [[getattr(register, name) for name in names] for register in register_map.registers]
    return (
        registers,
        register_map.blocks,
        register_map.function_codes,
        register_map.accept_writes,
        [*register_map.requires],
        register_map.settings,
    )
