"""JSON of the objects of `model.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

_adapters: dict[type, TypeAdapter[Any]] = {}


def to_json(value: object) -> bytes:
    """Return an object of `model.py`, or a list of numbers, as JSON."""
    kind = type(value)
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind].dump_json(value)


def with_lists(value: object, lists: Mapping[str, Sequence[bytes] | None]) -> bytes:
    """Return an object as JSON with more fields: lists whose items are JSON already."""
    fields = (b'"%b":%b' % (name.encode(), _array(items)) for name, items in lists.items())
    return to_json(value)[:-1] + b"," + b",".join(fields) + b"}"


def _array(items: Sequence[bytes] | None) -> bytes:
    return b"null" if items is None else b"[" + b",".join(items) + b"]"
