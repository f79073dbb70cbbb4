"""Export a flow for Node-RED with node-red-contrib-modbus (https://flows.nodered.org/node/node-red-contrib-modbus)."""

from __future__ import annotations

import json
from typing import Any

from gateway.exports.shared import Target, factor_and_summand, input_type, numbers, plain
from gateway.protocol.modbus.read_plan import read_plan
from gateway.protocol.registers.decoding import absent_number
from gateway.protocol.registers.register import Register
from gateway.protocol.registers.register_map import RegisterMap

READ_EVERY_S = 5
DECODE = """\
const words = msg.payload;
const result = {};
for (const field of FIELDS) {
    const view = new DataView(new ArrayBuffer(2 * field.length));
    for (let i = 0; i < field.length; i++) {
        const word = words[field.at + (field.lowWordFirst ? field.length - 1 - i : i)];
        view.setUint16(2 * i, word, field.bytesSwapped);
    }
    const raw = view[`get${field.type}`](0);
    const absent = field.absent === null ? Number.isNaN(raw) : String(raw) === field.absent;
    result[field.name] = absent ? null : Number(raw) * field.factor + field.summand;
}
msg.payload = result;
return msg;
"""
GETTERS = {
    "uint16": "Uint16",
    "int16": "Int16",
    "uint32": "Uint32",
    "int32": "Int32",
    "uint64": "BigUint64",
    "int64": "BigInt64",
    "float32": "Float32",
    "float64": "Float64",
}


def as_flow(register_map: RegisterMap, target: Target) -> str:
    """Return a tab that reads all numbers and shows them by name."""
    tab, client = f"{target.name}-tab", f"{target.name}-client"
    nodes: list[dict[str, Any]] = [
        {"id": tab, "type": "tab", "label": f"{register_map.name} of {target.host}"},
        {
            "id": client,
            "type": "modbus-client",
            "name": target.name,
            "clienttype": "tcp",
            "tcpHost": target.bare_host,
            "tcpPort": str(target.port),
            "tcpType": "DEFAULT",
            "unit_id": str(target.unit_id),
            "commandDelay": "1",
            "clientTimeout": "1000",
            "reconnectOnTimeout": True,
            "reconnectTimeout": "2000",
            "parallelUnitIdsAllowed": True,
        },
    ]
    kinds = {"holding": "HoldingRegister", "input": "InputRegister"}
    for number, registers in enumerate(read_plan(register_map, numbers(register_map))):
        kind = kinds[input_type(register_map, registers[0])]
        nodes += _read(tab, client, target, kind, number, registers)
    return json.dumps(nodes, indent=2) + "\n"


def _read(
    tab: str, client: str, target: Target, kind: str, number: int, registers: list[Register]
) -> list[dict[str, Any]]:
    first, end = registers[0].address, registers[-1].end
    read, decode, show = (f"{target.name}-{what}-{number}" for what in ("read", "decode", "show"))
    fields = [_field(register, first) for register in registers]
    y = 60 + 60 * number
    return [
        {
            "id": read,
            "type": "modbus-read",
            "z": tab,
            "name": f"{first} to {end - 1}",
            "unitid": str(target.unit_id),
            "dataType": kind,
            "adr": str(first),
            "quantity": str(end - first),
            "rate": str(READ_EVERY_S),
            "rateUnit": "s",
            "server": client,
            "showErrors": True,
            "emptyMsgOnFail": False,
            "x": 140,
            "y": y,
            "wires": [[decode], []],
        },
        {
            "id": decode,
            "type": "function",
            "z": tab,
            "name": "by name",
            "func": DECODE.replace("FIELDS", json.dumps(fields)),
            "outputs": 1,
            "x": 340,
            "y": y,
            "wires": [[show]],
        },
        {"id": show, "type": "debug", "z": tab, "name": "", "active": True, "x": 520, "y": y, "wires": []},
    ]


def _field(register: Register, first: int) -> dict[str, Any]:
    factor, summand = factor_and_summand(register)
    return {
        "name": register.name,
        "at": register.address - first,
        "length": register.length,
        "type": GETTERS[register.type_name],
        "lowWordFirst": register.word_order == "little",
        "bytesSwapped": register.byte_order == "little",
        "absent": None if register.type_name.startswith("float") else str(absent_number(register)),
        "factor": plain(factor),
        "summand": plain(summand),
    }
