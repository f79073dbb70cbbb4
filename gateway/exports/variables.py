"""Export a list of variables for the engineering tool of a PLC, as CSV.

TIA Portal's MB_CLIENT counts holding registers from 40001 or 400001 and input registers from 30001; CODESYS and
TwinCAT (TF6250) count from 0.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from gateway.exports.shared import ExportedUnit, factor_and_summand, plain
from gateway.maps.table import harmless, word_order
from gateway.protocol.registers.decoding import absent_number
from gateway.protocol.registers.register import Register, manual_number

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


MORE_COLUMNS = (
    "Host", "Port", "Unit id", "Map", "Function code", "Word order", "Factor", "Summand", "Unit", "Absent", "Comment",
)  # fmt: skip
"""Columns of every list, behind those of the tool."""


def as_tia(units: Sequence[ExportedUnit]) -> str:
    """Return a list for TIA Portal: MB_DATA_ADDR and MB_DATA_LEN of each variable."""

    def address(register: Register, unit: ExportedUnit) -> int:
        return manual_number(register.address, unit.register_map.function_code_of(register))

    columns = ("Name", "Data type", "MB_DATA_ADDR", "MB_DATA_LEN")
    return _table(units, columns, TIA_TYPES, address, separator=";")


def as_codesys(units: Sequence[ExportedUnit]) -> str:
    """Return a list for CODESYS: offset and length of the channel of each variable."""
    return _table(units, ("Name", "Type", "Offset", "Length"), IEC_TYPES, lambda r, _: r.address, separator=",")


def as_twincat(units: Sequence[ExportedUnit]) -> str:
    """Return a list for TwinCAT: nMBAddr and nQuantity of FB_MBReadRegs for each variable."""
    return _table(units, ("Name", "Type", "nMBAddr", "nQuantity"), IEC_TYPES, lambda r, _: r.address, separator=";")


def _table(
    units: Sequence[ExportedUnit],
    columns: tuple[str, str, str, str],
    types: dict[str, str],
    address: Callable[[Register, ExportedUnit], int],
    *,
    separator: str,
) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator, lineterminator="\r\n")
    writer.writerow((*columns, *MORE_COLUMNS))
    for unit in units:
        for register in unit.numbers():
            here = (harmless(register.name), types[register.type_name], address(register, unit), register.length)
            writer.writerow((*here, *_more(register, unit)))
    return stream.getvalue()


def _more(register: Register, unit: ExportedUnit) -> tuple[object, ...]:
    """Return the values of `MORE_COLUMNS`."""
    factor, summand = factor_and_summand(register)
    return (
        harmless(unit.target.host),
        unit.target.port,
        unit.target.unit_id,
        harmless(unit.register_map.name),
        unit.register_map.function_code_of(register),
        word_order(register),
        plain(factor),
        plain(summand),
        register.unit or "",
        "NaN" if register.type_name.startswith("float") else absent_number(register),
        harmless(register.description),
    )
