"""Export a custom meter for evcc (https://docs.evcc.io/en/docs/devices/plugins#modbus)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import yaml

from gateway.exports.shared import ExportError, Target, input_type, numbers, plain
from gateway.protocol.p1.obis import UNIT_FACTORS
from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap

POWER = ("power_net", "power_import - power_export")
PHASE_POWER = ("power_net_l{phase}", "power_import_l{phase} - power_export_l{phase}")
ENERGY = ("energy_import",)
CURRENT = ("sign(current_l{phase}, power_net_l{phase})", "current_l{phase}")
VOLTAGE = ("voltage_l{phase}",)


def as_yaml(register_map: RegisterMap, target: Target) -> str:
    """Return a `meters:` section with a grid meter."""
    power = _find(register_map, POWER)
    if power is None:
        raise ExportError(f"{register_map.name} has no register of the net power, which evcc requires")
    meter: dict[str, Any] = {"name": "grid", "type": "custom", "power": _source(power, register_map, target, "W")}
    energy = _find(register_map, ENERGY)
    if energy:
        meter["energy"] = _source(energy, register_map, target, "kWh")
    for key, values, unit in (("powers", PHASE_POWER, "W"), ("currents", CURRENT, "A"), ("voltages", VOLTAGE, "V")):
        phases = [_find(register_map, [value.format(phase=phase) for value in values]) for phase in (1, 2, 3)]
        found = [register for register in phases if register]
        if len(found) == len(phases):
            meter[key] = [_source(register, register_map, target, unit) for register in found]
    return yaml.safe_dump({"meters": [meter]}, sort_keys=False)


def _find(register_map: RegisterMap, values: list[str] | tuple[str, ...]) -> Register | None:
    """Return the register that shows the first of these values that is there; evcc cannot swap bytes or add."""
    usable = [register for register in numbers(register_map) if register.byte_order == "big" and not register.offset]
    return next((register for value in values for register in usable if register.value == value), None)


def _source(register: Register, register_map: RegisterMap, target: Target, unit: str) -> dict[str, Any]:
    swapped = "s" if register.word_order == "little" and register.length > 1 else ""
    scale = register.scale * UNIT_FACTORS[register.unit or unit][1] / UNIT_FACTORS[unit][1]
    source: dict[str, Any] = {
        "source": "modbus",
        "uri": target.address,
        "id": target.unit_id,
        "register": {
            "address": register.address,
            "type": input_type(register_map, register),
            "decode": f"{register.type_name}{swapped}",
        },
    }
    return source if scale == Decimal(1) else source | {"scale": plain(scale)}
