"""Export sensors for Home Assistant's modbus integration (https://www.home-assistant.io/integrations/modbus)."""

from __future__ import annotations

from typing import Any

import yaml

from gateway.exports.shared import Target, factor_and_summand, input_type, numbers, plain
from gateway.protocol.registers.decoding import absent_number
from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap

SCAN_INTERVAL_S = 5
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


def as_yaml(register_map: RegisterMap, target: Target) -> str:
    """Return a `modbus:` section with a sensor for each number."""
    hub = {
        "name": target.name,
        "type": "tcp",
        "host": target.bare_host,
        "port": target.port,
        "sensors": [_sensor(register, register_map, target) for register in numbers(register_map)],
    }
    return yaml.safe_dump({"modbus": [hub]}, sort_keys=False, allow_unicode=True)


def _sensor(register: Register, register_map: RegisterMap, target: Target) -> dict[str, Any]:
    factor, summand = factor_and_summand(register)
    sensor: dict[str, Any] = {
        "name": register.name.replace("_", " "),
        "unique_id": f"{target.name}_{register_map.name}_{register.name}".replace("-", "_"),
        "slave": target.unit_id,
        "address": register.address,
        "input_type": input_type(register_map, register),
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
    sensor["precision"] = max(0, -exponent) if isinstance(exponent, int) and "float" not in register.type_name else 3
    if "float" not in register.type_name:
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
