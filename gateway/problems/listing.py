"""Short texts for what may be many: unit ids as ranges, and names with the number of those that are left out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice

MAX_LISTED = 10
"""Largest number of names in a text, unless a caller has room for more."""


def ranges(numbers: Iterable[int]) -> str:
    """Return whole numbers in order, with neighbours as ranges: `1-240, 250`."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def numbered(word: str, numbers: Collection[int]) -> str:
    """Return a word with numbers, in the plural if there are several: `unit 3`, `units 1-240`."""
    return f"{word}{'' if len(numbers) == 1 else 's'} {ranges(numbers)}"


def listed(names: Collection[str], most: int = MAX_LISTED, between: str = ", ") -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(islice(names, most)) + more
