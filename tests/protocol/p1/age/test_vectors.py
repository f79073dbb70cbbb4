"""The vectors of ages that others have made, where they are at hand."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from gateway.protocol.p1.age.timeline import Timeline
from tests.conftest import ROOT

VECTORS = ROOT.parent / "shared" / "vectors" / "age.json"

pytestmark = pytest.mark.skipif(not VECTORS.is_file(), reason="the vectors in ../shared/vectors are not here")


def vectors() -> list[dict[str, Any]]:
    return json.loads(VECTORS.read_text()) if VECTORS.is_file() else []  # type: ignore[no-any-return]


def events(vector: dict[str, Any]) -> list[list[Any]]:
    """Telegrams in order: arrival, stamp, meter, counter, power, whether connected before."""
    expanded = []
    for event in vector["events"]:
        if not isinstance(event[0], list):
            expanded.append(list(event) + [0] * (6 - len(event)))
            continue
        (count,), at, every, clock, step, meter, energy, rises, power, changes = event
        for n in range(count):
            stamp = None if clock is None else int(clock + n * step)
            expanded.append([round(at + n * every, 3), stamp, meter, int(energy + n * rises), power + n * changes, 0])
    return sorted(expanded, key=lambda event: event[0])


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_what_a_vector_calls_fresh_is_fresh_and_the_rest_is_not(vector: dict[str, Any]) -> None:
    timeline = Timeline(vector["cadence"], vector["limit_s"])
    coming = events(vector)
    for moment, expected, why, *meter in vector["probes"]:
        while coming and coming[0][0] <= moment:
            at, clock, identity, energy, power, connected = coming.pop(0)
            text = zlib.crc32(f"{clock} {identity} {energy} {power}".encode())
            timeline.take(at, clock, identity, (energy,), text, bool(connected))
        is_fresh = timeline.is_fresh(moment)
        assert expected == "either" or is_fresh == (expected == "fresh"), f"{why}, at {moment}"
        if meter and is_fresh:
            assert timeline.identity == meter[0]
