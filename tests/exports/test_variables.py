"""The lists of variables for PLCs say where each value is and how it becomes a number."""

from __future__ import annotations

import pytest

from gateway.exports import ExportedUnit, export
from gateway.nodes.modbus_server import ModbusServer
from tests.exports.bench import VALUES, agree, map_of, values_of
from tests.exports.readers import READERS


@pytest.mark.parametrize("form", ["tia", "codesys", "twincat"])
async def test_values_of_all_sorts_are_read_as_the_export_says(server: ModbusServer, form: str) -> None:
    unit, target = map_of(server)
    reads = list(READERS[form](export(form, [ExportedUnit(unit.register_map, target)])))
    agree(await values_of(reads), VALUES)
