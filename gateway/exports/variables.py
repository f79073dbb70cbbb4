"""Export a list of variables for the engineering tool of a PLC, as CSV.

TIA Portal's MB_CLIENT counts holding registers from 40001 or 400001 and input registers from 30001; CODESYS and
TwinCAT (TF6250) count from 0.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from gateway.exports.shared import Target, factor_and_summand, numbers, plain
from gateway.maps.table import harmless, word_order
from gateway.protocol.registers.decoding import absent_number
from gateway.protocol.registers.register import Register, manual_number
from gateway.protocol.registers.register_map import RegisterMap

IEC_TYPES = {
    "uint16": "UINT",
    "int16": "INT",
    "uint32": "UDINT",
    "int32": "DINT",
    "uint64": "ULINT",
    "int64": "LINT",
    "float32": "REAL",
    "float64": "LREAL",
}
TIA_TYPES = {
    "uint16": "UInt",
    "int16": "Int",
    "uint32": "UDInt",
    "int32": "DInt",
    "uint64": "ULInt",
    "int64": "LInt",
    "float32": "Real",
    "float64": "LReal",
}


def as_tia(register_map: RegisterMap, target: Target) -> str:
    """Return a list for TIA Portal: MB_DATA_ADDR and MB_DATA_LEN of each variable."""

    def address(register: Register) -> int:
        return manual_number(register.address, register_map.function_code_of(register))

    columns = ("Name", "Data type", "MB_DATA_ADDR", "MB_DATA_LEN")
    return _table(register_map, target, columns, TIA_TYPES, address, separator=";")


def as_codesys(register_map: RegisterMap, target: Target) -> str:
    """Return a list for CODESYS: offset and length of the channel of each variable."""
    return _table(
        register_map, target, ("Name", "Type", "Offset", "Length"), IEC_TYPES, lambda r: r.address, separator=","
    )


def as_twincat(register_map: RegisterMap, target: Target) -> str:
    """Return a list for TwinCAT: nMBAddr and nQuantity of FB_MBReadRegs for each variable."""
    return _table(
        register_map, target, ("Name", "Type", "nMBAddr", "nQuantity"), IEC_TYPES, lambda r: r.address, separator=";"
    )


def _table(
    register_map: RegisterMap,
    target: Target,
    columns: tuple[str, str, str, str],
    types: dict[str, str],
    address: Callable[[Register], int],
    *,
    separator: str,
) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator, lineterminator="\r\n")
    more = ("Host", "Port", "Unit id", "Function code", "Word order", "Factor", "Summand", "Unit", "Absent", "Comment")
    writer.writerow((*columns, *more))
    for register in numbers(register_map):
        absent = "NaN" if register.type_name.startswith("float") else absent_number(register)
        factor, summand = factor_and_summand(register)
        writer.writerow(
            (
                harmless(register.name),
                types[register.type_name],
                address(register),
                register.length,
                harmless(target.host),
                target.port,
                target.unit_id,
                register_map.function_code_of(register),
                word_order(register),
                plain(factor),
                plain(summand),
                register.unit or "",
                absent,
                harmless(register.description),
            )
        )
    return stream.getvalue()
