"""A register map as its YAML file says it; `docs/register-maps.md` describes the language."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from gateway.protocol.data_type import MAX_STRING_REGISTERS, Order
from gateway.protocol.modbus import ADDRESSES
from gateway.protocol.registers import Gaps
from gateway.yaml_file import Document, Loc

MAX_REGISTERS = 5000
MAX_INCLUDES = 10

NumberTypeName = Literal["uint16", "uint32", "uint64", "int16", "int32", "int64", "float32", "float64"]
TypeName = NumberTypeName | Literal["string", "bitfield"]


class RegisterEntry(BaseModel):
    """One entry of `registers:`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    address: int = Field(ge=0, lt=ADDRESSES)
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)
    type: TypeName
    value: str | int | float | None = None
    bits: dict[int, str] | None = None
    length: int | None = Field(default=None, ge=1, le=MAX_STRING_REGISTERS)
    unit: str | None = None
    scale: int | float = 1
    offset: int | float = 0
    absent: int | float | None = None
    word_order: Order | None = None
    byte_order: Order | None = None
    description: str = ""


class BlockEntry(BaseModel):
    """One entry of `blocks:`, addresses that can be read in one piece."""

    model_config = ConfigDict(extra="forbid", strict=True)

    address: int = Field(ge=0, lt=ADDRESSES)
    length: int = Field(ge=1, le=ADDRESSES)
    gaps: Literal["zero", "absent"] = "absent"
    status: bool = False


class MapFile(BaseModel):
    """A register map as its file says it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str | None = None
    title: str = ""
    source: str = ""
    description: str = ""
    clients: list[str] = []
    unit_id: int | None = Field(default=None, ge=0, le=255)
    extends: str | None = None
    include: list[str] = Field(default=[], max_length=MAX_INCLUDES)
    without: list[str] = []
    requires: list[str] | None = None
    function_codes: list[Literal[3, 4]] | None = None
    word_order: Order | None = None
    byte_order: Order | None = None
    gaps: Gaps | None = None
    absent: dict[NumberTypeName, int | float] | None = None
    accept_writes: list[Annotated[int, Field(ge=0, lt=ADDRESSES)]] | None = None
    blocks: list[BlockEntry] | None = None
    registers: list[RegisterEntry] = Field(default=[], max_length=MAX_REGISTERS)


class Placed(NamedTuple):
    """An entry of `registers:` and where it stands."""

    entry: RegisterEntry
    document: Document
    loc: Loc
