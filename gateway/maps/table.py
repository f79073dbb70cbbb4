"""A register map as a table, with the values of a telegram where there is one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.decoding import decode
from gateway.protocol.registers.register import Register, manual_number
from gateway.protocol.registers.register_map import RegisterMap

Row = dict[str, str]

ABSENT = "—"
SHOWN_CHARACTERS = 39
"""Of a register's value and words in a table for a terminal; eight words."""
READ_COLUMNS = ("address", "register", "name", "now", "words", "description")
"""What a table of a server's answers is looked at for."""


Words = Mapping[str, bytes | None]
"""Register by name → its bytes as they stand on the wire, None where it could not be read."""


def words_of(register_map: RegisterMap, values: Mapping[str, Value]) -> Words:
    """What the registers hold after a telegram; a status block is made when asked, and holds nothing of a telegram."""
    snapshot = register_map.readings.encode(values)
    return {register.name: snapshot.read(register.address, register.length) for register in register_map.registers}


def rows(register_map: RegisterMap, words: Words | None = None) -> list[Row]:
    """A row for each register, in order of address; with `words`, what each holds too."""
    table = []
    for register in register_map.registers:
        row = _row(register)
        if words is not None:
            raw = words.get(register.name)
            row |= {"now": shown(register, raw), "words": raw.hex(" ", 2) if raw else ""}
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


def step(register: Register) -> str:
    """What one step of a register is worth, with its unit."""
    if register.scale == 1:
        return register.unit or ""
    return f"{register.scale.normalize():f} {register.unit or ''}".rstrip()


def word_order(register: Register) -> str:
    """Which way the words of a register, and the bytes in them, stand."""
    words = {"big": "high word first", "little": "low word first"}[register.word_order] if register.length > 1 else ""
    swapped = "bytes swapped" if register.byte_order == "little" else ""
    return ", ".join(filter(None, (words, swapped)))


def shown(register: Register, raw: bytes | None) -> str:
    """What a register says, with its unit."""
    said = decode(register, raw) if raw else None
    if said is None:
        return ABSENT
    text = f"{said.normalize():f}" if isinstance(said, Decimal) else str(said)
    return f"{text} {register.unit}" if register.unit else text


def _columns(table: Sequence[Row]) -> list[str]:
    """Those that hold anything."""
    return [key for key in table[0] if any(row[key] for row in table)] if table else []


def _short(column: str, text: str) -> str:
    """A long text would make its column as wide for every row."""
    is_long = column in ("now", "words") and len(text) > SHOWN_CHARACTERS
    return f"{text[: SHOWN_CHARACTERS - 1]}…" if is_long else text


def as_text(table: Sequence[Row]) -> str:
    """Columns in line, for a terminal."""
    columns = _columns(table)
    lines = [columns, *([_short(key, row[key]) for key in columns] for row in table)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines) + "\n"


def as_markdown(table: Sequence[Row]) -> str:
    """A table in Markdown."""
    columns = _columns(table)
    lines = [columns, ["---"] * len(columns), *([row[key].replace("|", "\\|") for key in columns] for row in table)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_csv(table: Sequence[Row]) -> str:
    """Comma-separated values, every column."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(table[0]) if table else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return stream.getvalue()


def as_json(table: Sequence[Row]) -> str:
    """A list of objects, every column."""
    return json.dumps(list(table), indent=2, ensure_ascii=False) + "\n"


def heading(register_map: RegisterMap) -> str:
    """What a client must know before it reads the first register."""
    codes = " and ".join(f"{code:02}" for code in sorted(register_map.function_codes))
    unit_id = "" if register_map.unit_id is None else f" Clients look for it on unit id {register_map.unit_id}."
    return f"Function codes {codes}. Addresses count from 0.{unit_id}"


def page(register_map: RegisterMap) -> str:
    """A page of documentation."""
    read_by = f"Read by: {', '.join(register_map.clients)}.\n\n" if register_map.clients else ""
    description = f"{register_map.description.strip()}\n\n" if register_map.description else ""
    return (
        f"# {register_map.name}\n\n{register_map.title}.\n\n{description}{read_by}{heading(register_map)}\n\n"
        f"{as_markdown(rows(register_map))}\n"
        f"Source of the layout: {register_map.source}\n"
    )


def index(register_maps: Sequence[RegisterMap]) -> str:
    """The page that lists all maps, with who reads them."""
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
