"""A snapshot made from the one before is byte for byte the snapshot made anew."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.maps.load import load_map, map_names
from gateway.protocol.p1.names import NAMES, ValueType
from gateway.protocol.p1.obis import Value

_map = cache(lambda name: load_map(map_names()[name]))
NUMBERS = st.one_of(st.integers(-10, 10).map(Decimal), st.integers(0, 10**14).map(Decimal))


@pytest.mark.parametrize("name", sorted(map_names()))
@settings(derandomize=True, max_examples=15, deadline=None)
@given(data=st.data())
def test_a_snapshot_from_the_one_before_is_the_one_made_anew(name: str, data: st.DataObject) -> None:
    image = _map(name).readings
    used = sorted({reading for register in _map(name).registers for reading in register.uses})
    values = {n: st.sampled_from(["a", "bb"]) if NAMES[n].value_type is ValueType.TEXT else NUMBERS for n in used}
    readings = st.fixed_dictionaries({}, optional=values)
    telegrams: list[dict[str, Value]] = data.draw(st.lists(readings, min_size=2, max_size=5))
    snapshot = None
    for telegram in telegrams:
        snapshot = image.encode(telegram, snapshot)
        assert snapshot == image.encode(telegram)
