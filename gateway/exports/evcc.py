"""Export a custom meter for evcc (https://docs.evcc.io/en/docs/devices/plugins#modbus)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import yaml

from gateway.exports.shared import (
    PROGRAM_PORT,
    ExportedUnit,
    ExportError,
    Target,
    input_type,
    plain,
    serial_remarks,
)
from gateway.protocol.p1.obis import UNIT_FACTORS
from gateway.protocol.registers.register import Register

POWER = ("power_net", "power_import - power_export")
PHASE_POWER = ("power_net_l{phase}", "power_import_l{phase} - power_export_l{phase}")
ENERGY = ("energy_import",)
CURRENT = ("sign(current_l{phase}, power_net_l{phase})", "current_l{phase}")
VOLTAGE = ("voltage_l{phase}",)
TRANSPORTS = {"tcp": {}, "rtu_over_tcp": {"rtu": True}, "udp": {"udp": True}}
"""Transport to the keys that select it."""
COMSETS = ("8N1", "8E1")
"""Formats of a serial line that evcc accepts."""


def as_yaml(units: Sequence[ExportedUnit]) -> str:
    """Return a `meters:` section with a grid meter for each unit that shows the net power."""
    meters = [meter for unit in units if (meter := _meter(unit)) is not None]
    if not meters:
        names = ", ".join(unit.register_map.name for unit in units)
        raise ExportError(f"{names} has no register of the net power, which evcc requires")
    return serial_remarks(units) + _code_remarks(units) + yaml.safe_dump({"meters": meters}, sort_keys=False)


def _code_remarks(units: Sequence[ExportedUnit]) -> str:
    """Return a comment for each unit whose power may be a code for absent, which evcc takes for a number."""
    powers = [(unit, power) for unit in units if (power := _find(unit, POWER)) is not None]
    return "".join(
        f"# {unit.label}: evcc takes the code for an absent reading for a number.\n"
        "# Serve evcc the map that `dsmr-gateway clients evcc` shows first.\n"
        for unit, power in powers
        if not (power.refuses_absent or unit.register_map.requires or power.type_name.startswith("float"))
    )


def _meter(unit: ExportedUnit) -> dict[str, Any] | None:
    power = _find(unit, POWER)
    if power is None:
        return None
    meter: dict[str, Any] = {"name": unit.name, "type": "custom", "power": _source(power, unit, "W")}
    energy = _find(unit, ENERGY)
    if energy:
        meter["energy"] = _source(energy, unit, "kWh")
    for key, values, unit_of_value in (
        ("powers", PHASE_POWER, "W"),
        ("currents", CURRENT, "A"),
        ("voltages", VOLTAGE, "V"),
    ):
        phases = [_find(unit, [value.format(phase=phase) for value in values]) for phase in (1, 2, 3)]
        found = [register for register in phases if register]
        if len(found) == len(phases):
            meter[key] = [_source(register, unit, unit_of_value) for register in found]
    return meter


def _find(unit: ExportedUnit, values: Sequence[str]) -> Register | None:
    """Return the register that shows the first of these values that is there; evcc cannot swap bytes or add."""
    usable = [register for register in unit.numbers() if register.byte_order == "big" and not register.offset]
    return next((register for value in values for register in usable if register.value == value), None)


def _source(register: Register, exported: ExportedUnit, unit: str) -> dict[str, Any]:
    swapped = "s" if register.word_order == "little" and register.length > 1 else ""
    scale = register.scale * UNIT_FACTORS[register.unit or unit][1] / UNIT_FACTORS[unit][1]
    source: dict[str, Any] = {
        "source": "modbus",
        **_connection(exported.target),
        "register": {
            "address": register.address,
            "type": input_type(exported.register_map, register),
            "decode": f"{register.type_name}{swapped}",
        },
    }
    return source if scale == Decimal(1) else source | {"scale": plain(scale)}


def _connection(target: Target) -> dict[str, Any]:
    if target.line is None:
        return {"uri": target.address, "id": target.unit_id, **TRANSPORTS[target.transport]}
    if target.line.format not in COMSETS:
        raise ExportError(
            f"evcc reads serial lines with {' or '.join(COMSETS)}, {target.host} has {target.line.format}"
        )
    settings = {"device": PROGRAM_PORT, "baudrate": target.line.baudrate, "comset": target.line.format}
    return {**settings, "id": target.unit_id}
