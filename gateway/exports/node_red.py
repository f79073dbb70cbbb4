"""Export a flow for Node-RED with node-red-contrib-modbus (https://flows.nodered.org/node/node-red-contrib-modbus).

Each node has every field that its editor writes (`defaults` in the HTML file of its type). A field that is missing gets
no default when the flow runs: without `bufferCommands` a client has no queue, and several units on one connection mix
their unit ids.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from gateway.exports.shared import (
    PROGRAM_PORT,
    ExportedUnit,
    Target,
    by_server,
    factor_and_summand,
    input_type,
    plain,
)
from gateway.protocol.modbus.read_plan import read_plan
from gateway.protocol.p1.variants import SerialSettings
from gateway.protocol.registers.decoding import absent_number
from gateway.protocol.registers.register import Register

READ_EVERY_S = 5
MODBUS_PORT = 502
TCP_TYPES = {"tcp": "DEFAULT", "rtu_over_tcp": "TELNET"}
"""Transport to the `tcpType` of a client: TELNET has RTU framing, TCP-RTU-BUFFERED has the header of Modbus/TCP."""
PARITIES = {"N": "none", "E": "even", "O": "odd"}
DATA_TYPES = {"holding": "HoldingRegister", "input": "InputRegister"}
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
READ = {
    "type": "modbus-read",
    "showStatusActivities": False,
    "logIOActivities": False,
    "showErrors": True,
    "rate": str(READ_EVERY_S),
    "rateUnit": "s",
    "delayOnStart": False,
    "startDelayTime": "",
    "useIOFile": False,
    "ioFile": "",
    "useIOForPayload": False,
    "emptyMsgOnFail": False,
}
DECODING = {
    "type": "function",
    "name": "by name",
    "outputs": 1,
    "timeout": 0,
    "noerr": 0,
    "initialize": "",
    "finalize": "",
    "libs": [],
}
SHOWING = {
    "type": "debug",
    "name": "",
    "active": True,
    "tosidebar": True,
    "console": False,
    "tostatus": False,
    "complete": "false",
    "targetType": "msg",
    "statusVal": "",
    "statusType": "auto",
}
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


def as_flow(units: Sequence[ExportedUnit]) -> str:
    """Return a client for each server, and a tab for each unit that reads all numbers and shows them by name."""
    nodes: list[dict[str, Any]] = []
    for group in by_server(units):
        client = _client(group[0].target)
        nodes.append(client)
        for unit in group:
            tab = {"id": _id(unit.name), "type": "tab", "label": unit.label, "disabled": False, "info": "", "env": []}
            nodes.append(tab)
            for number, registers in enumerate(read_plan(unit.register_map, unit.numbers())):
                nodes += _read(unit, client["id"], number, registers)
    return json.dumps(nodes, indent=2) + "\n"


def _id(name: str) -> str:
    """Return the id of a node in the form that Node-RED uses; each name has its own."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _client(target: Target) -> dict[str, Any]:
    line = target.line or SerialSettings(9600, 8, "N")
    return {
        "id": _id(target.server_name),
        "type": "modbus-client",
        "name": f"gateway {target.address}" + (f", {line}: set the serial port" if target.line else ""),
        "clienttype": "simpleser" if target.line else "tcp",
        "bufferCommands": True,
        "stateLogEnabled": False,
        "queueLogEnabled": False,
        "failureLogEnabled": True,
        "tcpHost": "127.0.0.1" if target.line else target.bare_host,
        "tcpPort": str(target.port or MODBUS_PORT),
        "tcpType": TCP_TYPES.get(target.transport, "DEFAULT"),
        "serialPort": PROGRAM_PORT,
        "serialType": "RTU-BUFFERD",
        "serialBaudrate": str(line.baudrate),
        "serialDatabits": str(line.bytesize),
        "serialStopbits": str(line.stopbits),
        "serialParity": PARITIES[line.parity],
        "serialConnectionDelay": "100",
        "serialAsciiResponseStartDelimiter": "0x3A",
        "unit_id": str(target.unit_id),
        "commandDelay": "1",
        "clientTimeout": "1000",
        "reconnectOnTimeout": True,
        "reconnectTimeout": "2000",
        # A response in RTU framing does not name its request, so that only one may be under way.
        "parallelUnitIdsAllowed": target.transport == "tcp",
    }


def _read(unit: ExportedUnit, client: str, number: int, registers: list[Register]) -> list[dict[str, Any]]:
    """Return the nodes that read one block of registers, one node behind the other."""
    first, end = registers[0].address, registers[-1].end
    read, decode, show = (_id(f"{unit.name} {what} {number}") for what in ("read", "decode", "show"))
    reading = READ | {
        "name": f"{first} to {end - 1}",
        "topic": unit.label,
        "unitid": str(unit.target.unit_id),
        "dataType": DATA_TYPES[input_type(unit.register_map, registers[0])],
        "adr": str(first),
        "quantity": str(end - first),
        "server": client,
    }
    decoding = DECODING | {"func": DECODE.replace("FIELDS", json.dumps([_field(each, first) for each in registers]))}
    place = {"z": _id(unit.name), "y": 60 + 60 * number}
    return [
        {"id": read, **reading, **place, "x": 140, "wires": [[decode], []]},
        {"id": decode, **decoding, **place, "x": 340, "wires": [[show]]},
        {"id": show, **SHOWING, **place, "x": 520, "wires": []},
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
