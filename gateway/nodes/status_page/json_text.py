"""JSON of the objects of `model.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import TypeAdapter

ITEMS_IN_TURN = 50
"""Number of items of a long list that are made in one turn of the event loop."""

Item = TypeVar("Item")

_adapters: dict[type, TypeAdapter[Any]] = {}


def to_json(value: object, *, without: Iterable[str] = ()) -> bytes:
    """Return an object of `model.py`, `without` some of its fields, or a list of numbers, as JSON."""
    kind = type(value)
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind].dump_json(value, exclude=set(without) or None)


async def list_in_turns(items: Iterable[Item], view: Callable[[Item], object]) -> list[bytes]:
    """Return the view of each item as JSON, some in each turn of the event loop: no Modbus request waits for all."""
    left, made = iter(items), list[bytes]()
    while some := list(islice(left, ITEMS_IN_TURN)):
        made += [to_json(view(item)) for item in some]
        await asyncio.sleep(0)
    return made


def with_lists(value: object, lists: Mapping[str, Sequence[bytes] | None]) -> bytes:
    """Return an object as JSON, with lists whose items are JSON already as more of its fields or instead of them."""
    fields = (b'"%b":%b' % (name.encode(), _array(items)) for name, items in lists.items())
    return to_json(value, without=lists)[:-1] + b"," + b",".join(fields) + b"}"


def _array(items: Sequence[bytes] | None) -> bytes:
    return b"null" if items is None else b"[" + b",".join(items) + b"]"
