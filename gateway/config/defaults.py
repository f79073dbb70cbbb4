"""`defaults:`, values for the keys that a meter, a unit or a Modbus server does not give itself.

A default holds for those that can have its key: one for `baudrate` holds for meters on a serial port, and not for those
behind a host. So one configuration can have meters of several kinds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from gateway.config.address import split_url
from gateway.config.meter import SERIAL_KEYS, SOURCE_KEYS, MeterKeys
from gateway.config.modbus import ServerKeys, UnitKeys
from gateway.config.source import split_source

_PLACE = frozenset({"port", "host", "source"})
"""Keys that say where a meter is."""
_NETWORK_KEYS = frozenset({"transport", "tls", "allow", "priority"})
_CONNECTION_KEYS = frozenset({"tls", "max_clients", "idle_timeout", "priority"})
"""Keys of a server that has connections, unlike UDP."""


class DefaultsConfig(BaseModel):
    """The values for keys that are not given."""

    model_config = ConfigDict(extra="forbid")

    meter: MeterKeys | None = None
    unit: UnitKeys | None = None
    modbus: ServerKeys | None = None


def apply_defaults(data: dict[Any, Any]) -> None:
    """Write the valid values of `defaults:` wherever `data`, a whole configuration, has no value for a key."""
    given = _valid(data.get("defaults"))
    if any(given.get(key) for key in ("unit", "modbus")):
        data.setdefault("modbus", [{}])
    if given.get("meter") and not any(data.get(key) for key in ("meter", "meters", "meters_file")):
        data["meter"] = {}
    for meter in _meters(data):
        _fill(meter, given.get("meter", {}), _not_of_meter(meter))
    for server in _dicts(data.get("modbus")):
        units = server.setdefault("units", {1: {}}) if given.get("unit") else server.get("units")
        _fill(server, given.get("modbus", {}), _not_of_server(server))
        for unit in _dicts(units):
            has_other_repeat = unit.get("repeat", "wait") != "wait"
            _fill(unit, given.get("unit", {}), {"wait_up_to"} if has_other_repeat else ())


def _valid(defaults: Any) -> dict[str, dict[str, Any]]:
    """Return the defaults without the keys that are not valid, which are reported once, and not for each meter."""
    if not isinstance(defaults, dict):
        return {}
    valid = {key: dict(section) for key, section in defaults.items() if isinstance(section, dict)}
    try:
        DefaultsConfig.model_validate(defaults)
    except ValidationError as error:
        for item in error.errors():
            section, *keys = item["loc"]
            for key in keys[:1]:
                valid.get(str(section), {}).pop(key, None)
    return valid


def _meters(data: dict[Any, Any]) -> Iterator[dict[Any, Any]]:
    if isinstance(data.get("meter"), dict):
        yield data["meter"]
    yield from _dicts(data.get("meters"))


def _dicts(container: Any) -> Iterator[dict[Any, Any]]:
    values = container.values() if isinstance(container, dict) else container if isinstance(container, list) else ()
    return (value for value in values if isinstance(value, dict))


def _fill(entry: dict[Any, Any], defaults: dict[str, Any], but: Collection[str]) -> None:
    for key, value in defaults.items():
        if key in but:
            continue
        if key not in entry:
            entry[key] = dict(value) if isinstance(value, dict) else value
        elif isinstance(entry[key], dict) and isinstance(value, dict):
            _fill(entry[key], value, ())


def _not_of_meter(meter: dict[Any, Any]) -> Collection[str]:
    """Return the keys that a meter cannot have, because of where it is."""
    if "source" in meter:
        kept: frozenset[str] = frozenset()
        with suppress(PydanticCustomError):
            kept = split_source(str(meter["source"])).kind.keys
        return {*_PLACE, *SERIAL_KEYS, *SOURCE_KEYS} - kept
    if "host" in meter or split_url(str(meter.get("port"))):
        return {"source", *SERIAL_KEYS, *SOURCE_KEYS}
    if "port" in meter or "simulate" in meter:
        return {*_PLACE, *SOURCE_KEYS} - SERIAL_KEYS
    return ()


def _not_of_server(server: dict[Any, Any]) -> Collection[str]:
    """Return the keys that a server cannot have, because of what it listens on."""
    if "serial" in server:
        return _NETWORK_KEYS
    return _CONNECTION_KEYS if server.get("transport") == "udp" else ()
