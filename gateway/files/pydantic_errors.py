"""Our texts for the errors that pydantic finds: what is expected, what was found, and how to write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.problems.quoting import quoted

_WHOLE = ("not-a-whole-number", "a whole number is expected", "Write it without quotes and without decimals")
_NUMBER = ("not-a-number", "a number is expected", "Write it like 10 or 0.5, without quotes")
_TEXT = ("not-a-text", "a text is expected", "Put it in quotes")
_SWITCH = ("not-true-or-false", "true or false is expected", "Write true or false, without quotes")
KEYS_EXPECTED = ("not-keys-with-values", "keys with values are expected", "Write key: value, one on each line")
_LIST = ("not-a-list", "a list is expected", 'Begin each item with "- "')
_PATH = ("not-a-path", "the path of a file is expected", "Put it in quotes")

SENTENCES: Mapping[str, tuple[str, str, str]] = {
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "string_type": _TEXT,
    "string_unicode": _TEXT,
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "dict_type": KEYS_EXPECTED,
    "model_type": KEYS_EXPECTED,
    "list_type": _LIST,
    "path_type": _PATH,
    "greater_than_equal": ("too-small", "{ge} or more is expected", ""),
    "greater_than": ("too-small", "more than {gt} is expected", ""),
    "less_than_equal": ("too-large", "at most {le} is expected", ""),
    "less_than": ("too-large", "less than {lt} is expected", ""),
    "string_too_short": ("too-short", "at least {min_length} characters are expected", ""),
    "string_too_long": ("too-long", "at most {max_length} characters are expected", "Write a shorter text"),
    "string_pattern_mismatch": ("malformed", "the text does not have the form that is expected", ""),
    "too_short": (
        "too-few",
        "at least {min_length} entry is expected (found {actual_length})",
        "Add one, or remove the key",
    ),
    "too_long": ("too-many", "at most {max_length} entries are expected (found {actual_length})", "Remove some"),
}
"""Type of pydantic's error → code, what is wrong and what to do; the names in braces are pydantic's values."""
BELOW = {"not-keys-with-values": "Write its keys", "not-a-list": "Write its items"}
"""Code of an error → what to write below a key that has nothing below it."""
_ANY = ("invalid-value", "this value cannot be used here", "See docs/configuration.md")
"""For an error of another type: no model of the gateway can have one, which a test makes sure of."""
SPECIAL = frozenset(("extra_forbidden", "missing", "literal_error", "enum", "invalid"))
"""Types of errors that `validation` turns into problems, as it takes more than the error itself."""


def sentence_of(error: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the code, what is wrong, and what to do, for an error of pydantic."""
    code, what, hint = SENTENCES.get(error["type"], _ANY)
    found = error.get("input")
    limits = dict(error.get("ctx", {}))
    if "actual_length" in limits:  # pydantic does not count the keys of a dictionary
        limits["actual_length"] = len(found)  # type: ignore[arg-type]
    what = what.format_map(limits)
    if error["type"] not in ("too_short", "too_long"):
        what += f" (found {shown(found)})"
    if code in ("not-a-text", "not-a-path") and isinstance(found, (dict, list)):
        return code, what, ""
    if found is None and code in BELOW:
        return code, what, f"{BELOW[code]} below it, each line indented by two spaces more"
    return code, what, hint


def is_plain(value: object) -> bool:
    """Return whether a value is a single one, neither a list nor keys with values."""
    return isinstance(value, (str, int, float, bool)) or value is None


def shown(value: object) -> str:
    """Return a value as YAML has it, or what kind of value it is."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "keys with values"
    return quoted(value) if is_plain(value) else f"a {type(value).__name__}"
