"""Find a mistake in the indentation of a YAML file, and the line that the wrong line should look like.

YAML reports such a mistake as a colon or a key that it does not expect. This module compares the indentation of the
line with the columns at which the lines above begin: those of their keys, and those of the dashes of their lists. A
line that begins at none of these columns, or deeper than a line above that has its value already, is indented wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

STEP = 2
"""Spaces by which a level is usually indented."""
_DASHES = re.compile(r" *(?:- +)*")
_OPENS_LEVEL = re.compile(r".*(?::|(?:^|\s)-|\s[|>][+-]?)\s*(?:\s#.*)?")
"""A line after which a deeper level may begin: its key or dash has no value, or a text of several lines follows."""


class _Level(NamedTuple):
    """A column at which a line may begin."""

    column: int
    """From 0."""
    line: int
    """Number of the line that began it, from 1."""
    is_dash: bool


def indentation_mistake(lines: Sequence[str], at: int) -> tuple[str, str] | None:
    """Return what is wrong with the indentation of the line at position `at`, and what to do; None if it is right."""
    line = lines[at]
    spaces = len(line) - len(line.lstrip(" "))
    if line[spaces : spaces + 1] == "\t":
        return "the line is indented with a tab", f"Indent it with {_wanted_instead_of_tab(lines, at)}, not with a tab"
    levels = list(_levels(lines, at))
    level = _level_of(line, spaces, levels, _opens_level(lines, at))
    if level is None:
        return None
    what = f"the line is indented with {_count(spaces)}"
    return what, f"Indent it with {_count(level.column)}, like line {level.line}"


def _level_of(line: str, spaces: int, levels: Sequence[_Level], opens_level: bool) -> _Level | None:
    """Return the level to which the line most likely belongs, None if its indentation is possible."""
    if not levels or (spaces > levels[0].column and opens_level):
        return None
    if spaces > levels[0].column:
        return levels[0]
    same = next((index for index, level in enumerate(levels) if level.column == spaces), None)
    if same is None:
        return min(levels, key=lambda level: abs(level.column - spaces))
    is_item = line.lstrip().startswith("- ")
    if levels[same].is_dash and not is_item and same > 0:
        return levels[same - 1]  # a key among the items of a list
    if is_item and not levels[same].is_dash and not opens_level:
        return next((level for level in levels[same:] if level.is_dash), None)
    return None


def _wanted_instead_of_tab(lines: Sequence[str], at: int) -> str:
    level = next(_levels(lines, at), None)
    if level is None:
        return "spaces"
    return _count(level.column + STEP if _opens_level(lines, at) else level.column)


def _levels(lines: Sequence[str], at: int) -> Iterator[_Level]:
    """Yield the levels that are open before the line at `at`, the innermost first."""
    limit = None
    for number, line in _above(lines, at):
        prefix = _DASHES.match(line)[0]  # type: ignore[index]  # it matches every text
        columns = [(len(prefix), False), *((i, True) for i in reversed(range(len(prefix))) if prefix[i] == "-")]
        for column, is_dash in columns:
            if limit is None or column < limit:
                limit = column
                yield _Level(column, number, is_dash)


def _opens_level(lines: Sequence[str], at: int) -> bool:
    above = next(_above(lines, at), None)
    return above is not None and _OPENS_LEVEL.fullmatch(above[1]) is not None


def _above(lines: Sequence[str], at: int) -> Iterator[tuple[int, str]]:
    """Yield the lines above with their numbers, the nearest first, without empty lines and comments."""
    for index in range(at - 1, -1, -1):
        if lines[index].strip() and not lines[index].lstrip().startswith("#"):
            yield index + 1, lines[index]


def _count(spaces: int) -> str:
    return "no spaces" if spaces == 0 else f"{spaces} space{'' if spaces == 1 else 's'}"
