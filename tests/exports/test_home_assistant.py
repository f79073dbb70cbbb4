"""Home Assistant reads every register as it is."""

from __future__ import annotations

import pytest

from gateway.exports import export
from gateway.maps.load import load_map, map_names
from gateway.nodes.modbus_server import ModbusServer
from gateway.protocol.registers.decoding import decode
from tests.exports.bench import READINGS, TARGET, VALUES, agree, map_of, values_of
from tests.exports.readers import READERS


async def test_values_of_all_sorts_are_read_as_the_export_says(server: ModbusServer) -> None:
    unit, target = map_of(server)
    reads = list(READERS["home-assistant"](export("home-assistant", unit.register_map, target)))
    agree(await values_of(reads), VALUES)


@pytest.mark.parametrize("name", map_names())
def test_home_assistant_reads_every_register_of_every_map_as_it_is(name: str) -> None:
    register_map = load_map(map_names()[name])
    snapshot = register_map.readings.encode(READINGS.values)
    reads = {each.name: each for each in READERS["home-assistant"](export("home-assistant", register_map, TARGET))}
    for register in register_map.registers:
        raw = snapshot.read(register.address, register.length)
        if raw is None or register.name not in reads:
            continue
        said, read_there = decode(register, raw), reads[register.name].decode(raw)
        if said is None:
            assert read_there is None
        else:
            assert read_there == pytest.approx(float(said), rel=1e-5, abs=1e-3), register.name  # type: ignore[arg-type]
