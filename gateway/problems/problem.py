"""One problem as data, carried unchanged from where it is found to where it is shown.

Nothing on the way reads its text. Each place that shows problems takes what it needs:

- the log, the command line and the page's list of problems show `str(problem)`;
- the mark under a node shows `short`, which fits there whole;
- the status page translates by `code`: a translation is a phrase with the names of `values` in braces, such as
  `"port-in-use": "poort {port} bezet"`, and takes the place of `short`. Where there is none, it shows `short`;
- `as_data` gives all fields for JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

MAX_SHORT_CHARACTERS = 40
"""Largest length of a problem's short text: what fits under a node."""
MAX_PROBLEMS = 100
"""Largest number of problems that are reported at once: more than anyone fixes before the next attempt."""

Scalar = str | int | float
"""A value that a text of a problem contains."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file; with line 0 the whole file, and with no file a place that the reader knows already."""

    file: str = ""
    """The file, or the environment variable that stands in for it."""
    line: int = 0
    """Counted from 1; 0 for the file as a whole."""
    column: int = 0
    """Counted from 1."""
    path: str = ""
    """The way to the value in the document, such as `modbus[0].units.1`."""

    def __str__(self) -> str:
        """Return `file:line:column: path: `, without the parts that are not known."""
        position = f":{self.line}:{self.column}" if self.line else ""
        file = f"{self.file}{position}: " if self.file else ""
        return f"{file}{self.path}: " if self.path else file


HERE = Place()
"""The place of a problem with a device or a connection: the node that shows the problem says which."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a user has to fix, with the texts for each place that shows it."""

    code: str
    """Identifier in lower case with hyphens, such as `port-in-use`. It stays the same when the texts change."""
    place: Place
    short: str
    """A whole phrase of at most `MAX_SHORT_CHARACTERS` characters."""
    what: str
    """One sentence about what is wrong, without the full stop."""
    hint: str = ""
    """Advice about what to do, or nothing."""
    values: tuple[tuple[str, Scalar], ...] = field(default=(), kw_only=True)
    """Values in the texts by name, for texts in other languages."""

    def __str__(self) -> str:
        """Return `file:line:column: path: what. hint`."""
        return f"{self.place}{self.what}" + (f". {self.hint}" if self.hint else "")

    def at(self, place: Place) -> Problem:
        """Return the same problem at another place."""
        return replace(self, place=place)


class ProblemError(OSError):
    """A device, a port or a file that cannot be used, with the problem that says why."""

    def __init__(self, problem: Problem, number: int | None = None) -> None:
        """Carry `problem`; `number` is the system's error number, where there is one."""
        super().__init__(number, str(problem))
        self.problem = problem

    def __str__(self) -> str:
        """Return the text of the problem, without the system's number."""
        return str(self.problem)


def problem_of(
    code: str, what: str, hint: str = "", *, short: str = "", place: Place = HERE, **values: Scalar
) -> Problem:
    """Return a problem whose short text, where none is given, is its code with spaces."""
    return Problem(code, place, short or code.replace("-", " "), what, hint, values=tuple(values.items()))


def first_that_fits(*phrases: str) -> str:
    """Return the first phrase that fits under a node; the last one has to fit always."""
    return next((phrase for phrase in phrases if len(phrase) <= MAX_SHORT_CHARACTERS), phrases[-1])


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return the first `MAX_PROBLEMS` different problems, in the order of their places."""
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.place)[:MAX_PROBLEMS]


def as_data(problem: Problem) -> Mapping[str, object]:
    """Return all fields of a problem as plain data for JSON."""
    place = problem.place
    return {
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "path": place.path,
        "what": problem.what,
        "hint": problem.hint,
        "code": problem.code,
        "short": problem.short,
        "values": dict(problem.values),
        "text": str(problem),
    }
