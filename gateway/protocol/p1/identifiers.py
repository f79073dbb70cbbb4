"""Readings that identify a meter or its user, and the pseudonyms that clients may get instead.

Some clients need a serial number to tell two meters apart, but not the real one. A pseudonym is made of the identifier
alone, so that it stays the same after a restart and on another machine. It has so few digits that thousands of meters
have the same one: nobody can tell from it which meter it stands for, even by trying all identifiers.
"""

from __future__ import annotations

import hashlib

from gateway.protocol.p1.names import NAMES, ValueType
from gateway.protocol.p1.obis import Kind, Value
from gateway.protocol.p1.value_groups import decode

_HARMLESS = frozenset({"p1_version", "emucs_version"})
"""Text readings that identify nobody."""
_PSEUDONYMS = 1_000_000


def identifies(name: str) -> bool:
    """Return whether the reading of this name may identify a meter or its user, as every other text may."""
    return name in NAMES and NAMES[name].value_type is ValueType.TEXT and name not in _HARMLESS


def describe(description: str, *, has_pseudonym: bool) -> str:
    """Return the description of a register with an identifier, with what clients get if they may not read it."""
    instead = "a pseudonym" if has_pseudonym else "absent"
    return "; ".join(filter(None, (description, f"{instead} unless the unit has identifiers: true")))


def identifiers_of(text: str | None) -> frozenset[str]:
    """Return the identifiers that a text may stand for: itself, and what it means as the digits of a line; or none."""
    if text is None:
        return frozenset()
    decoded, _, _ = decode(Kind.OCTETS, [text])
    return frozenset({text, str(decoded)})


def pseudonym(identifier: Value) -> str:
    """Return the text that stands for an identifier, such as `P1-270718`."""
    digest = hashlib.sha256(f"dsmr-modbus-gateway {identifier}".encode()).digest()
    return f"P1-{int.from_bytes(digest[:8], 'big') % _PSEUDONYMS:06}"
