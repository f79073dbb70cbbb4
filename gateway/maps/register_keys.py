"""Check which keys of an entry go together: with its type, with its readings and with its map."""

from __future__ import annotations

import re
from typing import Protocol

from gateway.maps.file import RegisterEntry
from gateway.problems.quoting import cut
from gateway.protocol.p1.identifiers import identifies
from gateway.protocol.p1.names import NAMES

ABSENT = "absent"
"""The `value` of a register that is always absent."""
MEANINGS = {"unix_time": "uint32", "scale_factor": "int16"}
"""Type with a meaning → the type of its number on the wire."""
MOMENT = re.compile(r"(?:\w+_)?(?:time|clock)")
"""Pattern of the names of readings in unix seconds."""
MAX_SCALE_FACTOR = 10
"""Largest size of a scale factor: a sunssf is -10 to 10 (SunSpec Device Information Model, 4.2.2)."""
NUMBER_KEYS = ("unit", "scale", "offset", "absent", "overflow")
"""Keys that only an entry of a number has."""


class Report(Protocol):
    """A function that adds a problem of the entry."""

    def __call__(self, key: str, code: str, what: str, hint: str = "") -> None:
        """Add a problem at `key`."""


def check_keys(entry: RegisterEntry, uses: frozenset[str], function_codes: frozenset[int], problem: Report) -> None:
    """Report each key that does not go with the others.

    Args:
        entry: the entry.
        uses: the names of the readings in its value.
        function_codes: the function codes of its map.
        problem: the function that adds a problem.

    """
    _check_type(entry, problem)
    if entry.type in MEANINGS:
        _check_meaning(entry, uses, problem)
    if entry.pseudonym and not any(map(identifies, uses)):
        what = "a pseudonym is for identifiers, and the value has none"
        problem("pseudonym", "pseudonym-without-identifier", what, "Remove pseudonym")
    if entry.function_code and entry.function_code not in function_codes:
        what = f"the map is not read with function code {entry.function_code}"
        problem("function_code", "function-code-not-of-map", what, "Add it to function_codes: of the map")


def _check_type(entry: RegisterEntry, problem: Report) -> None:
    given = entry.model_fields_set
    if entry.type in ("string", "bitfield"):
        for key in NUMBER_KEYS:
            if key in given:
                problem(key, "key-not-for-type", f"a {entry.type} has no {key}", "Remove it")
    elif "length" in given:
        problem("length", "key-not-for-type", f"a {entry.type} has no length", "Remove it")
    if entry.type == "bitfield" and entry.value is not None:
        problem("value", "bits-expected", "a bitfield is made of bits", "Write bits: {0: name, 1: name}")
    if entry.type != "bitfield" and entry.bits is not None:
        problem("bits", "key-not-for-type", f"a {entry.type} has no bits", "Write type: bitfield")


def _check_meaning(entry: RegisterEntry, uses: frozenset[str], problem: Report) -> None:
    for key in ("unit", "scale", "offset"):
        if key in entry.model_fields_set:
            problem(key, "key-not-for-type", f"a {entry.type} has no {key}", "Remove it")
    if entry.type == "unix_time":
        for name in sorted(name for name in uses if name in NAMES and not MOMENT.fullmatch(name)):
            what = f"{name} is not a time in unix seconds"
            problem("value", "not-a-time", what, "Use a time such as clock or gas_reading_time")
    elif entry.value != ABSENT:
        is_whole = isinstance(entry.value, int) and not isinstance(entry.value, bool)
        if not is_whole or abs(int(entry.value or 0)) > MAX_SCALE_FACTOR:
            what = f"{cut(str(entry.value))} is not a whole number from -{MAX_SCALE_FACTOR} to {MAX_SCALE_FACTOR}"
            hint = "The scale of the registers that it belongs to is 10 to the power of this number"
            problem("value", "not-a-scale-factor", what, hint)
