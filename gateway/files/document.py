"""A file as plain data with the place of every key and value, and the error of a file that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.problems.problem import Place, Problem, Scalar, problem_of
from gateway.problems.quoting import cut

Loc = tuple[str | int, ...]
"""Path to a value: keys as text, positions in lists as int."""


class FileError(Exception):
    """A file that cannot be used, with all its problems."""

    def __init__(self, problems: Sequence[Problem], document: Document | None = None) -> None:
        """Carry `problems`, and the document where the rest of it could be read."""
        super().__init__("\n".join(map(str, problems)))
        self.problems = list(problems)
        self.document = document


@dataclass
class Document:
    """A YAML file as plain data, with the place of every key and value."""

    file: str
    data: Any = None
    size: int = 0
    """Number of characters of the file."""
    digest: bytes = b""
    """Digest of the content of the file."""
    places: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    variables: dict[Loc, str] = field(default_factory=dict)
    """The values that do not come from the file, each with the environment variable that it comes from."""
    elsewhere: dict[Loc, tuple[str, int, int]] = field(default_factory=dict)
    """The values that come from another file, each with that file, the line and the column."""

    def position(self, loc: Loc) -> tuple[int, int]:
        """Return line and column of `loc`, or of the nearest thing around it that is in the file."""
        while loc and loc not in self.places:
            loc = loc[:-1]
        return self.places.get(loc, (1, 1))

    def place(self, loc: Loc) -> Place:
        """Return the place of `loc`: in the file, in another one, or in an environment variable."""
        for overridden, variable in self.variables.items():
            is_within = loc[: len(overridden)] == overridden
            is_around = overridden[: len(loc)] == loc and loc not in self.places
            if is_within or is_around:
                return Place(variable, path=dotted(loc))
        for end in range(len(loc), 0, -1) if self.elsewhere else ():
            if loc[:end] in self.elsewhere:
                return Place(*self.elsewhere[loc[:end]], dotted(loc))
            if loc[:end] in self.places:
                break
        return Place(self.file, *self.position(loc), dotted(loc))

    def problem(self, loc: Loc, code: str, what: str, hint: str = "", *, short: str = "", **values: Scalar) -> Problem:
        """Return a problem at `loc`; the other arguments are those of `problem_of`."""
        return problem_of(code, what, hint, short=short, place=self.place(loc), **values)


def dotted(loc: Loc) -> str:
    """Return a path as text: `modbus[0].units.1`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{cut(part)}" if text else cut(part)
    return text
