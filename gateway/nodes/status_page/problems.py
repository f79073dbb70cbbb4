"""The problems of the configuration as the page and other programs get them."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.problems.problem import Problem


@dataclass(frozen=True, slots=True)
class ProblemView:
    """A problem of the configuration."""

    code: str
    """Identifier that stays the same, such as unknown-key."""
    file: str
    line: int
    """Counted from 1; 0 for the whole file."""
    column: int
    path: str
    """The way to the value in the file, such as modbus[0].listen."""
    short: str
    """Short text of the problem, at most 40 characters of English."""
    what: str
    """The problem in one sentence of English."""
    hint: str
    """Advice about what to do, in English."""
    values: dict[str, str | int | float]
    """Values in the texts by name, for a translation of the code."""
    text: str
    """Place, sentence and hint in one line, as in `faults`."""


def problem_view(problem: Problem) -> ProblemView:
    """Return the view of a problem."""
    place = problem.place
    return ProblemView(
        code=problem.code,
        file=place.file,
        line=place.line,
        column=place.column,
        path=place.path,
        short=problem.short,
        what=problem.what,
        hint=problem.hint,
        values=dict(problem.values),
        text=str(problem),
    )
