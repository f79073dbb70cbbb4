"""Telegraf reads what it can express; the export names what it cannot."""

from __future__ import annotations

from gateway.exports import ExportedUnit, export
from gateway.nodes.modbus_server import ModbusServer
from tests.exports.bench import VALUES, agree, map_of, values_of
from tests.exports.readers import READERS


async def test_telegraf_reads_all_but_what_it_has_no_word_for(server: ModbusServer) -> None:
    unit, target = map_of(server)
    text = export("telegraf", [ExportedUnit(unit.register_map, target)])
    found = await values_of(list(READERS["telegraf"](text)))
    absent = [name for name, value in VALUES.items() if value is None and name != "no_real"]
    assert "# shifted is left out: Telegraf adds no offset" in text
    expected = {name: value for name, value in VALUES.items() if name != "shifted" and name not in absent}
    agree({name: value for name, value in found.items() if name not in absent}, expected)
