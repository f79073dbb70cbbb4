"""Export sensors for Home Assistant's modbus integration (https://www.home-assistant.io/integrations/modbus)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from gateway.exports.shared import (
    PROGRAM_PORT,
    ExportedUnit,
    Target,
    by_server,
    factor_and_summand,
    input_type,
    plain,
    serial_remarks,
)
from gateway.protocol.registers.decoding import absent_number
from gateway.protocol.registers.register import Register

SCAN_INTERVAL_S = 5
HUB_TYPES = {"tcp": "tcp", "rtu_over_tcp": "rtuovertcp", "udp": "udp"}
"""Transport to the `type` of a hub."""
CLASSES = {
    "power": ("W", "kW"),
    "energy": ("Wh", "kWh", "MWh", "MJ", "GJ"),
    "apparent_power": ("VA",),
    "reactive_power": ("var",),
    "voltage": ("V", "mV"),
    "current": ("A", "mA"),
    "frequency": ("Hz", "kHz"),
    "duration": ("s", "ms"),
}
"""Device class → the units that Home Assistant accepts with it, from 2024.3 on; it refuses any other."""
COUNTERS = ("Wh", "varh", "J")
"""Ends of the units of values that only rise."""
SWAPS = {("big", "big"): None, ("little", "big"): "word", ("big", "little"): "byte", ("little", "little"): "word_byte"}


def as_yaml(units: Sequence[ExportedUnit]) -> str:
    """Return a `modbus:` section with a hub for each server, and a sensor for each number."""
    hubs = [
        {
            "name": group[0].target.server_name,
            **_connection(group[0].target),
            "sensors": [_sensor(register, unit) for unit in group for register in _numbers_once(unit)],
        }
        for group in by_server(units)
    ]
    return serial_remarks(units) + yaml.safe_dump({"modbus": hubs}, sort_keys=False, allow_unicode=True)


def _connection(target: Target) -> dict[str, Any]:
    """Return the keys of a hub that name its server."""
    if target.line is None:
        return {"type": HUB_TYPES[target.transport], "host": target.bare_host, "port": target.port}
    line = target.line
    settings = {"baudrate": line.baudrate, "bytesize": line.bytesize, "parity": line.parity, "stopbits": line.stopbits}
    return {"type": "serial", "method": "rtu", "port": PROGRAM_PORT, **settings}


def _numbers_once(unit: ExportedUnit) -> list[Register]:
    """Return the numbers of a unit without each float whose value an integer shows too."""
    numbers = unit.numbers()
    whole = {register.value for register in numbers if not _is_float(register)}
    return [register for register in numbers if not (_is_float(register) and register.value in whole)]


def _is_float(register: Register) -> bool:
    return register.type_name.startswith("float")


def _sensor(register: Register, unit: ExportedUnit) -> dict[str, Any]:
    factor, summand = factor_and_summand(register)
    # Home Assistant makes the entity id from the name, and numbers entities that have the same one.
    sensor: dict[str, Any] = {
        "name": f"{register.name.replace('_', ' ')} ({unit.label})",
        "unique_id": f"{unit.name}_{register.name}",
        "slave": unit.target.unit_id,
        "address": register.address,
        "input_type": input_type(unit.register_map, register),
        "data_type": register.type_name,
        "scan_interval": SCAN_INTERVAL_S,
    }
    order = register.word_order if register.length > 1 else "big"
    swap = SWAPS[order, register.byte_order]
    if swap:
        sensor["swap"] = swap
    if factor != 1:
        sensor["scale"] = plain(factor)
    if summand:
        sensor["offset"] = plain(summand)
    exponent = factor.normalize().as_tuple().exponent
    sensor["precision"] = max(0, -exponent) if isinstance(exponent, int) and not _is_float(register) else 3
    if not _is_float(register):
        # Home Assistant compares it after swapping and before scaling.
        sensor["nan_value"] = absent_number(register)
    return sensor | _kind(register)


def _kind(register: Register) -> dict[str, str]:
    unit = register.unit
    if unit is None:
        return {}
    if unit == "m3":
        device_class = next((medium for medium in ("gas", "water") if medium in register.name), "volume")
        return {"unit_of_measurement": "m³", "device_class": device_class, "state_class": "total_increasing"}
    kind = {"unit_of_measurement": unit}
    known = next((name for name, units in CLASSES.items() if unit in units), None)
    if known:
        kind["device_class"] = known
    return kind | {"state_class": "total_increasing" if unit.endswith(COUNTERS) else "measurement"}
