"""What a register map says, read without the gateway's own loader, types or expressions.

A second reading of `docs/register-maps.md`, to hold the first one against: the YAML file is read with
PyYAML as it is, registers are decoded with `struct`, and expressions are evaluated over fractions.

    layout = read_layout(path)                        # the registers of a map, by address
    registers = {100: 0x0001, 101: 0x86A0}            # address → word, as read from a server
    number = decode(layout.entries[0], registers)     # a Fraction in the reading's base unit, a float, a text, or None
    mismatch = compare(layout.entries[0], registers, readings.values)  # "" when they agree
"""

from __future__ import annotations

import fnmatch
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from tests.maps.formula import evaluate

REGISTER_MAPS = Path(__file__).parent.parent.parent / "register_maps"
PARTS = REGISTER_MAPS / "parts"

CODES = {
    "uint16": "H", "uint32": "I", "uint64": "Q",
    "int16": "h", "int32": "i", "int64": "q",
    "float32": "f", "float64": "d",
}  # fmt: skip
MEANINGS = {"unix_time": "uint32", "scale_factor": "int16"}
BASE_UNITS = ("W", "Wh", "var", "varh", "VA", "V", "A", "Hz", "m3", "J", "s")
PREFIXES = {"": 1, "m": Fraction(1, 1000), "k": 1000, "M": 10**6, "G": 10**9}
OTHER_UNITS = {"dm3": Fraction(1, 1000), "l": Fraction(1, 1000)}
FLOAT_DIGITS = {"float32": 2**-23, "float64": 2**-50}
"""How far a decoded number may be from the exact one, as a part of it."""
GATEWAY_VALUE = re.compile(r"\bgateway_\w+")
PLACEHOLDER = re.compile(r"\{([\w|]+?)(?::-(\d+))?\}")

Decoded = Fraction | float | int | str
Registers = Mapping[int, int]
"""Address → 16-bit word."""


@dataclass(frozen=True)
class Entry:
    """One register of a map, with what the map, the maps it extends and the language's defaults say of it."""

    address: int
    name: str
    type: str
    length: int
    value: str | None
    bits: Mapping[int, str]
    per_step: Fraction
    """What one step is worth, in the base unit of the value."""
    offset: Fraction
    word_order: str
    byte_order: str
    absent: bytes
    """The code for absent, most significant byte first; empty if a read is refused instead."""
    is_without: bool
    """Return whether it is always absent."""
    function_code: int | None
    """The only function code that reads it; None if all of the map do."""
    constants: Mapping[str, Any]
    """The settings of the map, and the unit id."""

    @property
    def addresses(self) -> range:
        """Where it stands."""
        return range(self.address, self.address + self.length)

    @property
    def is_status(self) -> bool:
        """Whether it is made of the gateway's own values, which no telegram tells."""
        texts = [self.value or "", *self.bits.values()]
        return any(GATEWAY_VALUE.search(text) for text in texts)


@dataclass(frozen=True)
class Layout:
    """A whole map."""

    name: str
    settings: Mapping[str, Any]
    """Its keys beside `registers`, those of the maps it extends filled in."""
    entries: Sequence[Entry]
    """In order of address."""

    @property
    def function_codes(self) -> list[int]:
        """Which ones read it."""
        return list(self.settings.get("function_codes") or [3, 4])

    def function_codes_of(self, block: Mapping[str, Any]) -> list[int]:
        """Which ones read a block."""
        return [block["function_code"]] if block.get("function_code") else self.function_codes

    def is_shown(self, values: Mapping[str, Any]) -> bool:
        """Whether a telegram with these readings tells all that the map requires."""
        return all(evaluate(text, values) is not None for text in self.settings.get("requires") or [])

    def status_addresses(self) -> set[int]:
        """The addresses of the blocks that tell of the gateway itself."""
        blocks = [block for block in self.settings.get("blocks") or [] if block.get("status")]
        return {address for block in blocks for address in range(block["address"], block["address"] + block["length"])}

    def entry(self, name: str) -> Entry:
        """The register of that name."""
        return next(entry for entry in self.entries if entry.name == name)


def map_files() -> list[Path]:
    """Every map that comes with the gateway, fragments left out."""
    return sorted(path for path in REGISTER_MAPS.glob("*/*.yaml") if path.parent != PARTS)


def read_layout(path: Path) -> Layout:
    """Read a map file, and what it extends or includes."""
    settings, listed, without = _collect(path)
    constants = {"unit_id": settings.get("unit_id") or 1} | (settings.get("settings") or {})
    entries = [_entry(item, settings, constants, is_without=item["name"] in without) for item in listed.values()]
    return Layout(path.stem, settings, sorted(entries, key=lambda entry: (entry.address, entry.function_code or 0)))


def _find(name: str, beside: Path) -> Path:
    part = PARTS / f"{name}.yaml"
    if part.is_file():
        return part
    named = [path for path in map_files() if path.stem == name]
    return named[0] if named else beside / name


def _collect(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]], set[str]]:
    """Settings, register entries by name, and names of those without value; the nearer map's word counts."""
    document = yaml.load(path.read_text(), yaml.CSafeLoader)  # its parser in C accepts more tabs than the other one
    settings: dict[str, Any] = {}
    listed: dict[str, dict[str, Any]] = {}
    without: set[str] = set()
    farther = [document["extends"]] if "extends" in document else []
    for name in [*farther, *reversed(document.get("include", []))]:
        its_settings, its_entries, its_without = _collect(_find(name, path.parent))
        its_settings["settings"] = (settings.get("settings") or {}) | (its_settings.get("settings") or {})
        settings |= its_settings
        listed |= its_entries
        without |= its_without
    numbers = (settings.get("settings") or {}) | (document.get("settings") or {})
    settings |= {key: value for key, value in document.items() if key != "registers"} | {"settings": numbers}
    listed |= {item["name"]: item for item in document.get("registers", [])}
    without -= {item["name"] for item in document.get("registers", [])}
    for pattern in document.get("without", []):
        without.update(fnmatch.filter(listed, pattern))
    return settings, listed, without


def _exact(number: object, constants: Mapping[str, Any] | None = None) -> Fraction:
    """Return a number, or an expression of settings, as a fraction."""
    exact = evaluate(str(number), constants or {})
    assert exact is not None, number
    return exact


def _base_steps(unit: str | None) -> Fraction:
    """How many base units a unit is."""
    if unit is None:
        return Fraction(1)
    if unit in BASE_UNITS or unit in OTHER_UNITS:
        return Fraction(OTHER_UNITS.get(unit, 1))
    assert unit[1:] in BASE_UNITS, unit
    return Fraction(PREFIXES[unit[0]])


def _entry(
    item: Mapping[str, Any], settings: Mapping[str, Any], constants: Mapping[str, Any], *, is_without: bool
) -> Entry:
    type_name = MEANINGS.get(item["type"], item["type"])
    code = CODES.get(type_name)
    length = struct.calcsize(">" + code) // 2 if code else item.get("length", 1)
    absent = b"\0\0" * length
    if code:
        chosen = item.get("absent", (settings.get("absent") or {}).get(type_name))
        number = _default_absent(type_name, length) if chosen is None else chosen
        absent = b"" if number == "exception" else struct.pack(">" + code, number)
    value = item.get("value")
    return Entry(
        address=item["address"],
        name=item["name"],
        type=type_name,
        length=length,
        value=None if value is None else str(value),
        bits=item.get("bits") or {},
        per_step=_exact(item.get("scale", 1), constants) * _base_steps(item.get("unit")),
        offset=_exact(item.get("offset", 0)),
        word_order=item.get("word_order") or settings.get("word_order") or "big",
        byte_order=item.get("byte_order") or settings.get("byte_order") or "big",
        absent=absent,
        is_without=is_without or value == "absent",
        function_code=item.get("function_code"),
        constants=constants,
    )


def _default_absent(type_name: str, length: int) -> float:
    if type_name.startswith("float"):
        return math.nan
    return -(2 ** (16 * length - 1)) if type_name.startswith("int") else 2 ** (16 * length) - 1


def raw(entry: Entry, registers: Registers) -> bytes:
    """Its bytes, most significant first, whatever the map's word and byte order."""
    words = [registers[address] for address in entry.addresses]
    if entry.type == "string":
        return struct.pack(f">{entry.length}H", *words)
    if entry.word_order == "little":
        words.reverse()
    return struct.pack(f"{'<' if entry.byte_order == 'little' else '>'}{entry.length}H", *words)


def decode(entry: Entry, registers: Registers) -> Decoded | None:
    """Its value in base units, a bitfield's as a whole number; None where the code for absent stands.

    A map may choose a code that is a number as well, such as 0: then that number comes out as None too.
    """
    data = raw(entry, registers)
    if entry.type == "string":
        return data.rstrip(b"\0").decode("ascii") or None
    if entry.type == "bitfield":
        return int.from_bytes(data, "big")
    if data == entry.absent:
        return None
    return _number(entry, data)


def _number(entry: Entry, data: bytes) -> Fraction | float:
    (number,) = struct.unpack(">" + CODES[entry.type], data)
    if not math.isfinite(number):
        return float(number)
    return (Fraction(number) - entry.offset) * entry.per_step


def expected(entry: Entry, values: Mapping[str, Any]) -> Decoded | None:
    """What it should hold of the readings `values` (name → number in base units, or text); None for absent."""
    values = {**values, **entry.constants}
    if entry.type == "bitfield":
        set_bits = [bit for bit, text in entry.bits.items() if evaluate(text, values)]
        return 0 if entry.is_without else sum(1 << bit for bit in set_bits)
    if entry.is_without or entry.value is None:
        return None
    if entry.type != "string":
        return evaluate(entry.value, values)
    found = {
        names: [name for name in names.split("|") if name in values] for names, _ in PLACEHOLDER.findall(entry.value)
    }
    if not all(found.values()):
        return None
    text = PLACEHOLDER.sub(lambda match: _last(str(values[found[match[1]][0]]), match[2]), entry.value)
    return text[: 2 * entry.length]


def is_refused(entry: Entry, values: Mapping[str, Any]) -> bool:
    """Return whether a read of the register is refused, because the readings do not have its value."""
    if entry.absent or entry.type in ("string", "bitfield"):
        return False
    exact = expected(entry, values)
    return exact is None or not _fits(entry, exact)


def _last(text: str, count: str | None) -> str:
    return text[max(0, len(text) - int(count)) :] if count else text


def compare(entry: Entry, registers: Registers, values: Mapping[str, Any]) -> str:
    """What is wrong about a register's words, given the readings; empty when nothing is.

    A number must be within half a step of the exact one, a float within its precision. What is absent, or beyond the
    range of its type, must show exactly the code for it.
    """
    exact, data = expected(entry, values), raw(entry, registers)
    if entry.type == "string":
        return "" if data.rstrip(b"\0").decode("ascii") == (exact or "") else f"{data!r}, not {exact!r}"
    if entry.type == "bitfield":
        return "" if int.from_bytes(data, "big") == exact else f"bits {data.hex()}, not {exact}"
    if exact is None or not _fits(entry, exact):
        return "" if data == entry.absent else f"{data.hex()}, not the code for absent, {entry.absent.hex()}"
    assert isinstance(exact, Fraction)
    seen = _number(entry, data)
    if isinstance(seen, float):
        return f"{seen}, not {float(exact)}"
    is_float = entry.type in FLOAT_DIGITS
    limit = abs(exact) * Fraction(FLOAT_DIGITS[entry.type]) if is_float else abs(entry.per_step) / 2
    return "" if abs(seen - exact) <= limit else f"{float(seen)}, not {float(exact)}"


def _fits(entry: Entry, exact: Decoded) -> bool:
    if entry.type in FLOAT_DIGITS or not isinstance(exact, Fraction):
        return True
    bits = 16 * entry.length
    lowest, highest = (0, 2**bits - 2) if entry.type.startswith("uint") else (1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1)
    if struct.pack(">" + CODES[entry.type], highest) == entry.absent:
        highest -= 1
    return lowest <= round(exact / entry.per_step + entry.offset) <= highest
