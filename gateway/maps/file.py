"""The form of a map file: its keys and their types, checked by pydantic; `docs/register-maps.md` explains them.

`read_part` reads one file. Entries with problems are left out, so that the others are still checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from gateway.files.document import Document, Loc
from gateway.files.validation import invalid, salvage
from gateway.problems.problem import Problem
from gateway.problems.quoting import quoted
from gateway.protocol.modbus.pdu import ADDRESSES
from gateway.protocol.registers.data_type import MAX_STRING_REGISTERS, Order
from gateway.protocol.registers.expression import MAX_EXPRESSION_LENGTH
from gateway.protocol.registers.register import Gaps, Overflow

MAX_REGISTERS = 5000
"""Largest number of registers in one file."""
MAX_SETTING = 1e9
"""Largest number of a setting, either way."""
MAX_INCLUDES = 10
"""Largest number of files that one file includes."""
MAX_PATTERNS = 500
"""Largest number of names and patterns in `without:`."""
MAX_BLOCKS = 200
"""Largest number of entries in `blocks:`."""
MAX_CONDITIONS = 100
"""Largest number of expressions in `requires:`, and of names in `keeps:`."""
MAX_CLIENTS = 100
"""Largest number of programs in `clients:`."""
MAX_WRITES = 1000
"""Largest number of addresses in `accept_writes:`."""
MAX_BITS = 256
"""Largest number of bits of a register."""
MAX_NAME_CHARACTERS = 60
"""Largest length of the name of a register or a map, of a pattern, and of a unit."""
MAX_PATH_CHARACTERS = 255
"""Largest length of a path or the name of a file in `extends:` and `include:`."""
MAX_TEXT_CHARACTERS = 10_000
"""Largest length of a text for people, such as a description."""

NumberTypeName = Literal["uint16", "uint32", "uint64", "int16", "int32", "int64", "float32", "float64"]
TypeName = Literal[NumberTypeName, "string", "bitfield", "unix_time", "scale_factor"]
TYPE_NAMES = frozenset(str(each) for each in get_args(TypeName))
"""Names of all types."""


_OTHER_TYPE_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("float", "real", "single", "f32"), "float32"),
    **dict.fromkeys(("double", "f64"), "float64"),
    **dict.fromkeys(("uint", "word", "ushort", "unsigned"), "uint16"),
    **dict.fromkeys(("int", "short", "signed"), "int16"),
    **dict.fromkeys(("dword", "ulong"), "uint32"),
    **dict.fromkeys(("long", "dint"), "int32"),
    **{
        f"{short}{bits}": f"{name}{bits}"
        for short, name in (("u", "uint"), ("s", "int"), ("i", "int"))
        for bits in (16, 32, 64)
    },
    **dict.fromkeys(("str", "text", "ascii", "char"), "string"),
}
"""Name of a type in manuals and other programs → our name for it."""
_HOLDING_NUMBERS, _INPUT_NUMBERS = (400_001, 465_536), (300_001, 365_536)
"""First and last number that manuals give to holding and to input registers where they have six digits."""


_NAME = "^[a-z][a-z0-9_]*$"


def _name(value: str) -> str:
    if re.fullmatch(_NAME, value) is None:
        hint = "Use lower case letters, digits and _, with a letter first, such as power_import_l1"
        raise invalid("not-a-register-name", f"{quoted(value)} is not a name for a register", hint)
    return value


def _value(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        hint = 'Write it like power_net, or "{equipment_identifier}" for a text'
        raise invalid("not-an-expression", "an expression, a text or a number is expected", hint)
    if isinstance(value, str) and len(value) > MAX_EXPRESSION_LENGTH:
        raise invalid("too-long", f"at most {MAX_EXPRESSION_LENGTH} characters are expected", "Write a shorter text")
    return value


def _type(value: Any) -> Any:
    """Return the value, unless it is another spelling of a type, whose nearest word could be another type."""
    if not isinstance(value, str) or value in TYPE_NAMES:
        return value
    spelled = value.strip().lower()
    meant = _OTHER_TYPE_NAMES.get(spelled, spelled)
    if meant in TYPE_NAMES:
        raise invalid("not-a-choice", f"{quoted(value)} is not a type", f"Write {meant}")
    return value


def _address(value: Any) -> Any:
    if isinstance(value, int):
        for first, last in (_HOLDING_NUMBERS, _INPUT_NUMBERS):
            if first <= value <= last:
                what = f"{value} is the number of a register in a manual, and addresses count from 0"
                raise invalid("number-of-manual", what, f"Write address: {value - first}")
    return value


def _scale(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise invalid("not-a-scale", "a number is expected", "Write the size of one step, such as 0.1")
    return value


def _absent(value: Any) -> Any:
    if value != "exception" and (isinstance(value, bool) or not isinstance(value, int | float)):
        hint = "Write what clients read for an absent value, such as 0xFFFF"
        raise invalid("not-a-number", "a number or exception is expected", hint)
    return value


_Address = Annotated[int, Field(ge=0, lt=ADDRESSES), BeforeValidator(_address)]
_Absent = Annotated[int | float | Literal["exception"], BeforeValidator(_absent)]
_Name = Annotated[str, Field(max_length=MAX_NAME_CHARACTERS)]
_Path = Annotated[str, Field(max_length=MAX_PATH_CHARACTERS)]
_Text = Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS)]
_Expression = Annotated[str, Field(max_length=MAX_EXPRESSION_LENGTH)]


Setting = Annotated[int | float, Field(ge=-MAX_SETTING, le=MAX_SETTING)]
"""Number of a setting of a map."""


class RegisterEntry(BaseModel):
    """An entry of `registers:`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    address: _Address
    name: Annotated[
        str, Field(max_length=MAX_NAME_CHARACTERS, json_schema_extra={"pattern": _NAME}), AfterValidator(_name)
    ]
    type: Annotated[TypeName, BeforeValidator(_type)]
    value: Annotated[str | int | float | None, BeforeValidator(_value)] = None
    bits: Annotated[dict[int, _Expression], Field(max_length=MAX_BITS)] | None = None
    length: int | None = Field(default=None, ge=1, le=MAX_STRING_REGISTERS)
    unit: _Name | None = None
    scale: Annotated[int | float | str, BeforeValidator(_scale)] = 1
    offset: int | float = 0
    absent: _Absent | None = None
    overflow: Overflow | None = None
    pseudonym: bool = False
    function_code: Literal[3, 4] | None = None
    alone: bool = False
    word_order: Order | None = None
    byte_order: Order | None = None
    description: _Text = ""

    @property
    def value_text(self) -> str:
        """Return the value, or the bits, as text."""
        return ", ".join(f"{bit}: {text}" for bit, text in self.bits.items()) if self.bits else str(self.value)


class BlockEntry(BaseModel):
    """An entry of `blocks:`, addresses that one request may read, gaps included."""

    model_config = ConfigDict(extra="forbid", strict=True)

    address: _Address
    length: int = Field(ge=1, le=ADDRESSES)
    gaps: Literal["zero", "absent"] = "absent"
    function_code: Literal[3, 4] | None = None
    status: bool = False


class MapFile(BaseModel):
    """A map file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: _Name | None = None
    title: _Text = ""
    source: _Text = ""
    description: _Text = ""
    clients: list[_Text] = Field(default=[], max_length=MAX_CLIENTS)
    unit_id: int | None = Field(default=None, ge=0, le=255)
    extends: _Path | None = None
    include: list[_Path] = Field(default=[], max_length=MAX_INCLUDES)
    without: list[_Name] = Field(default=[], max_length=MAX_PATTERNS)
    requires: list[_Expression] | None = Field(default=None, max_length=MAX_CONDITIONS)
    keeps: list[_Text] | None = Field(default=None, max_length=MAX_CONDITIONS)
    function_codes: list[Literal[3, 4]] | None = None
    word_order: Order | None = None
    byte_order: Order | None = None
    gaps: Gaps | None = None
    settings: dict[Annotated[str, Field(json_schema_extra={"pattern": _NAME}), AfterValidator(_name)], Setting] = {}
    absent: dict[Annotated[NumberTypeName, BeforeValidator(_type)], _Absent] | None = None
    accept_writes: list[_Address] | None = Field(default=None, max_length=MAX_WRITES)
    blocks: list[BlockEntry] | None = Field(default=None, max_length=MAX_BLOCKS)
    registers: list[RegisterEntry] = Field(default=[], max_length=MAX_REGISTERS)


class Part(NamedTuple):
    """A file of a map, without the entries that have problems."""

    document: Document
    file: MapFile
    positions: list[int]
    """Position of each of its registers in the list of the file."""
    lost: frozenset[str]
    """Keys and names of registers that were left out."""


def read_part(document: Document) -> tuple[Part, list[Problem]]:
    """Return a file of a map, and the problems of its form."""
    salvaged = salvage(document, MapFile, "registers")
    listed = document.data.get("registers") if isinstance(document.data, dict) else None
    entries = listed if isinstance(listed, list) else []
    positions = [position for position in range(len(entries)) if ("registers", position) not in salvaged.lost]
    keys = {str(loc[0]) for loc in salvaged.lost if len(loc) == 1}
    lost = [entry for position, entry in enumerate(entries) if ("registers", position) in salvaged.lost]
    names = {str(entry.get("name")) for entry in lost if isinstance(entry, dict)}
    return Part(document, salvaged.model, positions, frozenset(keys | names)), salvaged.problems


class PlacedEntry(NamedTuple):
    """An entry of `registers:` and its place in the files."""

    entry: RegisterEntry
    document: Document
    loc: Loc
