"""A running server of the map that a test exports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.maps.load import find_map, load_map
from gateway.nodes.modbus_server import ModbusServer
from gateway.protocol.modbus.unit import OnStale, Unit
from tests.exports.bench import ALL_SORTS, READINGS
from tests.nodes.transports import serve


@pytest.fixture
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[ModbusServer]:
    """A server of the map that the test names, or of all sorts, on unit ids 1 and 9."""
    name = getattr(request, "param", None)
    if name is None:
        (tmp_path / "own.yaml").write_text(ALL_SORTS)
        name = str(tmp_path / "own.yaml")
    unit = Unit(load_map(find_map(name, Path())), OnStale.EXCEPTION, lambda _now: {"gateway_heartbeat": 7})
    unit.publish(unit.register_map.readings.encode(READINGS.values), float("inf"))
    async with serve("tcp", tmp_path, unit) as server:
        yield server
