"""The marks of nodes and the problems of the configuration, as the page and other programs get them.

Each has its text in English, and a code with values, for a translation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.nodes.status_page.observation import Excerpt
from gateway.problems.problem import Problem
from gateway.runtime.status import Label, Status

WITH_ADDRESS = ("Modbus server", "passthrough", "announcement", "status page")
"""Kinds of nodes that listen on an address, which is in their label."""
_ADDRESS = re.compile(r"\S+(?=:\d+$)")


@dataclass(frozen=True, slots=True)
class LabelView:
    """A short text by its code and its values."""

    code: str
    values: dict[str, str | int | float | LabelView]
    text: str
    """In English."""


@dataclass(frozen=True, slots=True)
class MarkView:
    """The mark and the text under a node."""

    colour: str
    """green, yellow, red, blue or grey."""
    mark: str
    """dot: the node works; ring: it waits or cannot work."""
    text: str
    """In English."""
    label: LabelView
    """The text as a code with its values, for a translation."""


@dataclass(frozen=True, slots=True)
class SourceLineView:
    """A line of a file."""

    number: int
    text: str


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
    lines: list[SourceLineView]
    """The lines of the file around the place, without secrets; empty if there are none."""
    length: int
    """Number of characters of the word at the place."""


def mark_view(status: Status) -> MarkView:
    """Return the view of a node's status."""
    return MarkView(status.colour.value, status.mark.value, status.text, label_view(status.label))


def short_label(kind: str, label: str) -> str:
    """Return the label of a node without the address that it listens on."""
    return _ADDRESS.sub("", label) if kind in WITH_ADDRESS else label


def label_view(label: Label) -> LabelView:
    """Return the view of a label."""
    values = {name: label_view(value) if isinstance(value, Label) else value for name, value in label.values.items()}
    return LabelView(label.code, values, label.text)


def problem_view(problem: Problem, excerpt: Excerpt | None = None) -> ProblemView:
    """Return the view of a problem, with the lines around it."""
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
        lines=[SourceLineView(number, text) for number, text in excerpt.lines] if excerpt else [],
        length=excerpt.length if excerpt else 0,
    )
