"""A map with registers of all types, and what a client reads that does as an export says."""

from __future__ import annotations

import pytest
from pymodbus.client import AsyncModbusTcpClient

from gateway.exports import Target
from gateway.nodes.modbus_server import ModbusServer
from gateway.protocol.modbus.unit import Unit
from gateway.protocol.p1.readings import Readings, read
from gateway.protocol.p1.telegram import Telegram, TelegramReader
from tests.conftest import own_telegram
from tests.exports.readers import Read

ALL_SORTS = """\
title: Of all sorts
source: tests
registers:
  - {address: 0, name: kilowatts, type: int32, value: power_net, unit: kW, scale: 0.001, word_order: little}
  - {address: 2, name: shifted, type: uint16, value: voltage_l1, unit: V, scale: 0.1, offset: 5}
  - {address: 3, name: bytes_swapped, type: int32, value: 0 - power_net, unit: W, byte_order: little}
  - {address: 5, name: all_swapped, type: uint32, value: power_net, unit: W, byte_order: little, word_order: little}
  - {address: 7, name: real, type: float32, value: voltage_l1, unit: V, word_order: little}
  - {address: 9, name: long_real, type: float64, value: voltage_l1, unit: V}
  - {address: 13, name: long, type: uint64, value: power_net, unit: W, word_order: little}
  - {address: 17, name: long_signed, type: int64, value: 0 - power_net, unit: W, scale: 0.001}
  - {address: 21, name: small_signed, type: int16, value: 0 - power_net, unit: W, byte_order: little}
  - {address: 10000, name: no_count, type: uint16, value: frequency, unit: Hz}
  - {address: 10001, name: no_signed, type: int32, value: reactive_power_import, unit: var, byte_order: little}
  - {address: 10003, name: no_real, type: float32, value: frequency, unit: Hz}
  - {address: 10010, name: identity, type: uint16, value: 71}
  - {address: 10011, name: text, type: string, length: 2, value: P1}
"""
VALUES = {
    "kilowatts": 2.486,
    "shifted": 228.7,
    "bytes_swapped": -2486,
    "all_swapped": 2486,
    "real": 228.7,
    "long_real": 228.7,
    "long": 2486,
    "long_signed": -2486,
    "small_signed": -2486,
    "no_count": None,
    "no_signed": None,
    "no_real": None,
}
TARGET = Target("192.0.2.1", 502, 1)


def telegram_of(name: str) -> Readings:
    (telegram,) = TelegramReader().feed(own_telegram(name))
    assert isinstance(telegram, Telegram)
    return read(telegram)


READINGS = telegram_of("v50_sagemcom-t210d")


async def values_of(reads: list[Read]) -> dict[str, float | None]:
    """Read each value as an export says, one request per value."""
    client = AsyncModbusTcpClient(reads[0].host, port=reads[0].port)
    assert await client.connect()
    found: dict[str, float | None] = {}
    for each in reads:
        ask = client.read_holding_registers if each.function_code == 3 else client.read_input_registers
        response = await ask(each.address, count=each.count, device_id=each.unit_id)
        assert not response.isError(), (each, response)
        found[each.name] = each.decode(b"".join(word.to_bytes(2, "big") for word in response.registers))
    client.close()
    return found


def agree(found: dict[str, float | None], expected: dict[str, float | None]) -> None:
    """Compare values to the digits of single precision."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == (value if value is None else pytest.approx(value, rel=1e-6)), name


def map_of(server: ModbusServer) -> tuple[Unit, Target]:
    """Return the unit on unit id 9, and how clients reach it."""
    unit = server.responder.units.by_id[9]
    assert unit is not None
    return unit, Target("127.0.0.1", server.port, 9)
