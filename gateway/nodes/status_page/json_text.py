"""JSON of the objects of `model.py`."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

_adapters: dict[type, TypeAdapter[Any]] = {}


def to_json(value: object) -> bytes:
    """Return an object of `model.py` as JSON."""
    kind = type(value)
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind].dump_json(value)
