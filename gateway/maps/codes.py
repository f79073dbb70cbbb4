"""Recognize an OBIS code that is written where a reading is expected, and give its correct spelling."""

from __future__ import annotations

import re

from gateway.protocol.p1.names import NAMES
from gateway.protocol.p1.obis import ENTRIES, entry_of

_ANY_CODE = re.compile(
    r"(?:obis\()?\s*[\"']?(?P<prefix>[0-9]{1,2}-[0-9]{1,3}:)?"
    r"(?P<rest>[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})(?:[*.]255)?[\"']?\s*\)?"
)
"""Pattern of a code as manuals have it: also without A-B, with the suffix *255, and in `obis()` without quotes."""
_PREFIXES = ("1-0:", "0-0:", "1-3:")
"""Value groups A-B that a code without them can have."""


def code_hint(text: str, *, is_text: bool = False) -> str:
    """Return how to write `text` if it is an OBIS code, else nothing; with `is_text`, in the value of a string."""
    match = _ANY_CODE.fullmatch(text.strip())
    if match is None:
        return ""
    code = _whole_code(match["prefix"], match["rest"])
    name = entry_of(code).name
    if is_text:
        return f'Write "{{{name}}}"' if name in NAMES else "A string takes readings by name: docs/register-maps.md"
    spelling = f'obis("{code}")'
    return f"Write {name}, the name of this reading, or {spelling}" if name in NAMES else f"Write {spelling}"


def _whole_code(prefix: str | None, rest: str) -> str:
    """Return a code with its value groups A-B; those of a known code if `prefix` is missing."""
    if prefix:
        return prefix + rest
    return next((code for each in _PREFIXES if (code := each + rest) in ENTRIES), _PREFIXES[0] + rest)
