"""Print a register map as a table: as text, Markdown, CSV or JSON, with the values of a telegram if there is one.

A row is the columns of one register by name. Each format is a function from rows to text.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.decoding import decode
from gateway.protocol.registers.register import Register, manual_number
from gateway.protocol.registers.register_map import RegisterMap

Row = dict[str, str]
"""Column → text."""

ABSENT = "—"
SHOWN_CHARACTERS = 39
"""Width of a register's value, and of its content in hexadecimal, in a table for a terminal: eight registers."""
READ_COLUMNS = ("address", "register", "name", "now", "hex", "description")
"""Columns of the table that `dsmr-gateway read` shows."""
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?: [A-Za-z0-9/]+)?")
"""A number, with its unit if it has one."""

RegisterBytes = Mapping[str, bytes | None]
"""Name of a register → its bytes on the wire; None if it could not be read."""


def encode_registers(register_map: RegisterMap, values: Mapping[str, Value]) -> RegisterBytes:
    """Return the bytes of all registers after a telegram; the registers of a status block have none."""
    snapshot = register_map.readings.encode(values)
    return {register.name: snapshot.read(register.place, register.length) for register in register_map.registers}


def rows(register_map: RegisterMap, data: RegisterBytes | None = None) -> list[Row]:
    """Return a row for each register, in order of address; with `data`, also the value of each."""
    table = []
    for register in register_map.registers:
        row = _row(register)
        if register_map.has_tables:
            row["function"] = _function(register)
        if data is not None:
            raw = data.get(register.name)
            row |= {"now": shown(register, raw), "hex": raw.hex(" ", 2) if raw else ""}
        table.append(row | {"description": register.description})
    return table


def _row(register: Register) -> Row:
    return {
        "address": str(register.address),
        "register": str(manual_number(register.address)),
        "name": register.name,
        "type": f"{register.type_name}[{register.length}]" if register.type_name == "string" else register.type_name,
        "unit": step(register),
        "value": register.value,
        "order": "" if (register.word_order, register.byte_order) == ("big", "big") else word_order(register),
    }


def _function(register: Register) -> str:
    """Return the only function code that reads a register, and whether only a read of exactly its registers gets it."""
    function_code = f"{register.function_code:02}" if register.function_code else ""
    return ", ".join(filter(None, (function_code, "alone" if register.is_alone else "")))


def step(register: Register) -> str:
    """Return the size of one step of a register, with its unit."""
    if register.scale == 1:
        return register.unit or ""
    return f"{register.scale.normalize():f} {register.unit or ''}".rstrip()


def word_order(register: Register) -> str:
    """Describe the word order and byte order of a register."""
    words = {"big": "high word first", "little": "low word first"}[register.word_order] if register.length > 1 else ""
    swapped = "bytes swapped" if register.byte_order == "little" else ""
    return ", ".join(filter(None, (words, swapped)))


def shown(register: Register, raw: bytes | None) -> str:
    """Return the value of a register as text, with its unit."""
    value = decode(register, raw) if raw else None
    if value is None:
        return ABSENT
    text = f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
    return f"{text} {register.unit}" if register.unit else text


def _columns(table: Sequence[Row]) -> list[str]:
    """Return the columns that are not empty."""
    return [key for key in table[0] if any(row[key] for row in table)] if table else []


def _short(column: str, text: str) -> str:
    """Shorten a long text, which would make its column that wide in every row."""
    is_long = column in ("now", "hex") and len(text) > SHOWN_CHARACTERS
    return f"{text[: SHOWN_CHARACTERS - 1]}…" if is_long else text


def as_text(table: Sequence[Row]) -> str:
    """Return aligned columns, for a terminal."""
    columns = _columns(table)
    lines = [columns, *([_short(key, row[key]) for key in columns] for row in table)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines) + "\n"


def as_markdown(table: Sequence[Row]) -> str:
    """Return a table in Markdown."""
    columns = _columns(table)
    lines = [columns, ["---"] * len(columns), *([row[key].replace("|", "\\|") for key in columns] for row in table)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet runs as a formula: a text that would be one gets an apostrophe before it."""
    is_formula = cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def as_csv(table: Sequence[Row]) -> str:
    """Return comma-separated values with all columns."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(table[0]) if table else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: harmless(text) for column, text in row.items()} for row in table)
    return stream.getvalue()


def as_json(table: Sequence[Row]) -> str:
    """Return a list of objects with all columns."""
    return json.dumps(list(table), indent=2) + "\n"


def heading(register_map: RegisterMap) -> str:
    """Return what a client must know before it reads: function codes, first address and unit id."""
    codes = " and ".join(f"{code:02}" for code in sorted(register_map.function_codes))
    unit_id = "" if register_map.unit_id is None else f" Clients look for it on unit id {register_map.unit_id}."
    return f"Function codes {codes}. Addresses count from 0.{unit_id}"


def page(register_map: RegisterMap) -> str:
    """Return the page of documentation of a map."""
    read_by = f"Read by: {', '.join(register_map.clients)}.\n\n" if register_map.clients else ""
    description = f"{register_map.description.strip()}\n\n" if register_map.description else ""
    return (
        f"# {register_map.name}\n\n{register_map.title}.\n\n{description}{read_by}{heading(register_map)}\n\n"
        f"{as_markdown(rows(register_map))}\n"
        f"Source of the layout: {register_map.source}\n"
    )


def index(register_maps: Sequence[RegisterMap]) -> str:
    """Return the page that lists all maps, with the clients that read them."""
    lines = ["# Register maps", "", "| map | what it is | read by | unit id |", "| --- | --- | --- | --- |"]
    for each in register_maps:
        unit_id = "" if each.unit_id is None else str(each.unit_id)
        lines.append(f"| [`{each.name}`]({each.name}.md) | {each.title} | {', '.join(each.clients)} | {unit_id} |")
    return "\n".join(lines) + "\n"


FORMATS: dict[str, Callable[[Sequence[Row]], str]] = {
    "text": as_text,
    "markdown": as_markdown,
    "csv": as_csv,
    "json": as_json,
}
