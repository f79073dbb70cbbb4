"""Quote text that came from outside: the only place that decides how much of it a problem shows, and how.

A file that is named by mistake may hold a password or a key, and a text may hold the escape sequences of a terminal.
Therefore a quotation is short, and its control characters are written as escapes.
"""

from __future__ import annotations

MAX_QUOTED_CHARACTERS = 40
"""Largest length of a quotation, with the ellipsis of a text that is cut."""
_MAX_SHOWN_BITS = 128
"""Size of the largest whole number that is shown; Python refuses to print very long ones."""


def quoted(value: object) -> str:
    """Return a value as text, cut to `MAX_QUOTED_CHARACTERS`; a text is in quotes."""
    if isinstance(value, bool | None):
        return str(value)
    if isinstance(value, int) and value.bit_length() > _MAX_SHOWN_BITS:
        return "a very large number"
    if not isinstance(value, str):
        return cut(repr(value))
    shown = repr(value[: MAX_QUOTED_CHARACTERS + 1])
    return shown if len(shown) <= MAX_QUOTED_CHARACTERS + 2 else f"{shown[:MAX_QUOTED_CHARACTERS]}…{shown[0]}"


def cut(text: str) -> str:
    """Return a text without quotes, cut to `MAX_QUOTED_CHARACTERS` and without control characters."""
    shown = printable(text[: MAX_QUOTED_CHARACTERS + 1])
    return shown if len(shown) <= MAX_QUOTED_CHARACTERS else f"{shown[: MAX_QUOTED_CHARACTERS - 1]}…"


def printable(text: str) -> str:
    """Return a text with its control characters as escapes, in its whole length."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def cut_path(path: str) -> str:
    """Return the end of a path, which says most, cut as `cut` does."""
    if len(path) <= MAX_QUOTED_CHARACTERS:
        return cut(path)
    return f"…{cut(path[1 - MAX_QUOTED_CHARACTERS :])}"[:MAX_QUOTED_CHARACTERS]
