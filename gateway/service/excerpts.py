"""The lines of a file around each problem, for the status page; what may be a secret in them is masked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.files.document import FileError
from gateway.files.yaml_file import read_file
from gateway.nodes.status_page.observation import Excerpt
from gateway.problems.problem import Place, Problem
from gateway.service.timed_load import load_in_time

LINES_AROUND = 2
"""Number of lines that are shown before and after that of the problem."""
MAX_EXCERPTS = 20
MAX_CHARACTERS = 160
"""Largest length of a line that is shown."""
READ_LIMIT_S = 5.0
MASK = "••••••"
_SECRETS = (
    re.compile(r"(?<=://)\S+(?=@)"),
    re.compile(r"(?i)(?<=[a-z_-])?(?:password|passphrase|secret|token|credential|key)['\"]?\s*[:=]\s*(?P<secret>\S.*)"),
    re.compile(r"\b[0-9A-Fa-f]{24,}\b"),
)
"""User and password of an address, the value of a key that may be a secret, and a key in hexadecimal."""
_WORD = re.compile(r"[^\s:#,}\]]+")


async def excerpts_in_time(problems: Iterable[Problem]) -> Mapping[Place, Excerpt]:
    """Return the lines around each problem; none where the files cannot be read in time."""
    try:
        return await load_in_time(excerpts, list(problems), limit_s=READ_LIMIT_S)
    except FileError:
        return {}


def excerpts(problems: Iterable[Problem]) -> Mapping[Place, Excerpt]:
    """Return the lines around the place of each problem that is in a file, as far as the files can be read."""
    files: dict[str, list[str]] = {}
    found: dict[Place, Excerpt] = {}
    for place in (problem.place for problem in problems if problem.place.line):
        if place in found or len(found) >= MAX_EXCERPTS:
            continue
        if place.file not in files:
            files[place.file] = _lines(Path(place.file))
        if place.line <= len(lines := files[place.file]):
            found[place] = excerpt(lines, place)
    return found


def excerpt(lines: list[str], place: Place) -> Excerpt:
    """Return the lines around a place, with the length of the word at its column."""
    first = max(1, place.line - LINES_AROUND)
    last = min(len(lines), place.line + LINES_AROUND)
    shown = tuple((number, mask(lines[number - 1])[:MAX_CHARACTERS]) for number in range(first, last + 1))
    word = _WORD.match(lines[place.line - 1], max(0, place.column - 1))
    return Excerpt(shown, len(word[0]) if word else 1)


def mask(line: str) -> str:
    """Return a line without what may be a secret. The names of files with secrets stay."""
    for pattern in _SECRETS:
        for match in reversed(list(pattern.finditer(line))):
            begin, end = match.span("secret" if "secret" in pattern.groupindex else 0)
            line = line[:begin] + MASK + line[end:]
    return line


def _lines(path: Path) -> list[str]:
    try:
        return read_file(path).decode("utf-8", "replace").splitlines()
    except FileError:
        return []
