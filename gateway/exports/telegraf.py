"""Export fields for Telegraf's inputs.modbus, request style (https://docs.influxdata.com/telegraf/v1/input-plugins/modbus)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby

from gateway.exports.shared import PROGRAM_PORT, ExportedUnit, Target, factor_and_summand, input_type, serial_remarks
from gateway.protocol.registers.register import Register

BYTE_ORDERS = {
    ("big", "big"): "ABCD",
    ("little", "big"): "CDAB",
    ("big", "little"): "BADC",
    ("little", "little"): "DCBA",
}


def as_toml(units: Sequence[ExportedUnit]) -> str:
    """Return an `[[inputs.modbus]]` section for each unit, with a field for each number."""
    return serial_remarks(units) + "\n".join(_section(unit) for unit in units)


def _section(unit: ExportedUnit) -> str:
    target, fields = unit.target, unit.numbers()
    lines = [
        "[[inputs.modbus]]",
        f'  name = "{unit.name}"',
        *_connection(target),
        '  configuration_type = "request"',
        '  optimization = "none"',
    ]

    def kind(register: Register) -> tuple[str, str]:
        return _byte_order(register), input_type(unit.register_map, register)

    for (order, table), group in groupby(sorted(fields, key=kind), key=kind):
        lines += [
            "",
            "  [[inputs.modbus.request]]",
            f"    slave_id = {target.unit_id}",
            f'    byte_order = "{order}"',
            f'    register = "{table}"',
            "    fields = [",
            *(f"      {_field(register)}," for register in group if not register.offset),
            "    ]",
        ]
    lines += [f"# {register.name} is left out: Telegraf adds no offset" for register in fields if register.offset]
    return "\n".join(lines) + "\n"


def _connection(target: Target) -> list[str]:
    if target.line is None:
        mode = ['  transmission_mode = "RTUoverTCP"'] if target.transport == "rtu_over_tcp" else []
        return [f"  controller = {json.dumps(f'tcp://{target.url_address}')}", *mode]
    line = target.line
    return [
        f'  controller = "file://{PROGRAM_PORT}"',
        f"  baud_rate = {line.baudrate}",
        f"  data_bits = {line.bytesize}",
        f'  parity = "{line.parity}"',
        f"  stop_bits = {line.stopbits}",
        '  transmission_mode = "RTU"',
    ]


def _byte_order(register: Register) -> str:
    return BYTE_ORDERS[register.word_order, register.byte_order]


def _field(register: Register) -> str:
    scale, _ = factor_and_summand(register)
    settings = {"address": register.address, "name": register.name, "type": register.type_name.upper()}
    text = ", ".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
    return f'{{ {text}, scale = {float(scale)!r}, output = "FLOAT64" }}'
