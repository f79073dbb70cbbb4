"""A table in CSV, as spreadsheets write it: a text becomes rows of cells with their places, or a list of problems.

The first line that is not empty and no comment is the header. The separator is a comma, a semicolon or a tab: the one
that the header has most of, outside of quotes. A cell may be in quotes, and then contain the separator. A line that
begins with # is a comment, and so is a column whose name does. Python's csv module is not used, because it does not say
where in its line a cell is.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.problems.problem import MAX_PROBLEMS, Place, Problem, problem_of
from gateway.problems.quoting import cut, quoted

MAX_TABLE_BYTES = 4_000_000
"""Largest size of the file of a table."""
MAX_ROWS = 10_000
"""Largest number of rows, without the header."""
MAX_COLUMNS = 100
"""Largest number of columns."""
MAX_CELL_CHARACTERS = 1000
"""Largest number of characters of a cell."""

COMMENT = "#"
_SEPARATORS = ";,\t"
_CHOICE = re.compile(r"sep=(.)[;,\t]*(?:\r\n|\r|\n)", re.IGNORECASE)
"""First line with which a file names its separator to Excel."""
_QUOTED = re.compile(r'(?<![^;,\t ])"(?:[^"]|"")*+(?:"|$)')
"""A part of a line in quotes, which may go on in the next line."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_WORKBOOK = b"PK\x03\x04"
"""First bytes of XLSX and ODS, which are ZIP files."""
_SAVE_AS = "In a spreadsheet, save it as CSV with UTF-8 (Excel: CSV UTF-8)"
_EARLIER = "WINDOWS-1252"
"""Encoding in which Excel writes CSV unless it is asked for UTF-8."""


class Cell(NamedTuple):
    """The text of a cell, without spaces around it, and its place."""

    text: str
    line: int
    column: int
    """Characters from the beginning of the line, counted from 1."""


class Row(NamedTuple):
    """A row that has more than remarks."""

    line: int
    cells: Mapping[str, Cell]
    """The cells that are not empty, by the name of their column."""


@dataclass
class Table:
    """The content of a table."""

    file: str
    columns: dict[str, Cell] = field(default_factory=dict)
    """Name of a column → its cell in the header."""
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def place(self, cell: Cell, path: str = "") -> Place:
        """Return the place of a cell; `path` names what it contains."""
        return Place(self.file, cell.line, cell.column, path)

    def refuse(self, cell: Cell, code: str, what: str, hint: str) -> None:
        """Add a problem with a cell."""
        self.problems.append(problem_of(code, what, hint, place=self.place(cell)))


def decode(content: bytes, name: str) -> tuple[str, list[Problem]]:
    """Return the text of a file in UTF-8, with or without a mark at its beginning, and why it cannot be read."""
    if content.startswith(_WORKBOOK):
        return "", [_unreadable(name, "not-a-table", "this is a workbook, such as XLSX or ODS, and not CSV", _SAVE_AS)]
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "", [_unreadable(name, "not-utf-8", "the file is UTF-16, and not UTF-8", _SAVE_AS)]
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        begin = content.removeprefix(codecs.BOM_UTF8)[: error.start].decode("utf-8")
        place = Place(name, begin.count("\n") + 1, len(begin) - begin.rfind("\n"))
        byte = error.object[error.start : error.start + 1]
        guess = byte.decode(_EARLIER, "replace")
        likely = f", and probably Windows-1252 ({guess})" if guess.isprintable() and guess != "\ufffd" else ""
        what = f"the byte 0x{byte.hex().upper()} is not UTF-8{likely}"
        hint = f"{_SAVE_AS}; or convert it with iconv -f {_EARLIER} -t UTF-8"
        return "", [problem_of("not-utf-8", what, hint, place=place)]
    if "\0" in text:
        return "", [_unreadable(name, "not-a-table", "the file contains zero bytes, and is not CSV", _SAVE_AS)]
    return text, []


def _unreadable(name: str, code: str, what: str, hint: str) -> Problem:
    return problem_of(code, what, hint, place=Place(name))


def parse_table(text: str, name: str) -> Table:
    """Return the table in a text, with all its problems; `name` is the file that they name."""
    table = Table(name)
    choice = _CHOICE.match(text)
    begin = choice.end() if choice else 0
    header_at = next((match.start() for match in _LINE.finditer(text, begin) if _has_content(match[0])), len(text))
    header = _LINE.match(text, header_at)
    assert header is not None  # it matches all
    separator = choice[1] if choice else max(_SEPARATORS, key=_QUOTED.sub("", header[0]).count)
    lines = _lines(table, text, begin, 2 if choice else 1, separator)
    names = _read_header(table, next(lines, []))
    for cells in lines:
        if len(table.problems) >= MAX_PROBLEMS:
            break
        if not any(cell.text for cell in cells):
            continue
        if len(table.rows) == MAX_ROWS:
            table.refuse(cells[0], "too-many-rows", f"more than {MAX_ROWS} rows", "Split it between several gateways")
            break
        _read_row(table, names, cells)
    return table


def _has_content(line: str) -> bool:
    """Return whether a line can be a header: it is not empty, and no comment."""
    stripped = line.strip(' \r\n";,\t')
    return bool(stripped) and not line.lstrip().startswith(COMMENT)


def _lines(table: Table, text: str, at: int, line: int, separator: str) -> Iterator[list[Cell]]:
    """Yield the cells of each line that is no comment, from position `at` on, which is on line number `line`."""
    end = re.escape(separator)
    quoted_cell = rf'[^\S{end}\r\n]*"((?:[^"]|""){{0,{MAX_CELL_CHARACTERS}}}+)"[^\S{end}\r\n]*'
    cell = re.compile(rf"(?:{quoted_cell}|([^{end}\r\n]*))({end}|\r\n|\r|\n|$)")
    has_begun = False
    while at < len(text):
        first = _LINE.match(text, at)
        assert first is not None
        if first[0].lstrip().startswith(COMMENT) or not (has_begun or _has_content(first[0])):
            at, line = first.end(), line + 1
            continue
        has_begun = True
        cells: list[Cell] = []
        begin, number = at, line
        while True:
            match = cell.match(text, at)
            assert match is not None  # an empty cell at the end of the text matches too
            inner, plain, ending = match.groups()
            found = Cell((plain if inner is None else inner.replace('""', '"')).strip(), number, at - begin + 1)
            cells.append(found)
            if inner is None and found.text.startswith('"'):
                _refuse_quotes(table, found)
            if inner is not None and (breaks := len(re.findall(r"\r\n|\r|\n", inner))):
                number += breaks
                begin = max(text.rfind("\n", 0, match.end(1)), text.rfind("\r", 0, match.end(1))) + 1
            at = match.end()
            if ending != separator:
                break
        yield cells
        line = number + 1


def _refuse_quotes(table: Table, cell: Cell) -> None:
    what = f"the quotes around this cell are not closed, or it has more than {MAX_CELL_CHARACTERS} characters"
    table.refuse(cell, "quotes-not-closed", what, "Close them behind the cell, and write quotes in a cell twice")


def _read_header(table: Table, cells: Sequence[Cell]) -> list[str]:
    """Return the names of the columns, which are empty for those without one; add them to the table."""
    if len(cells) > MAX_COLUMNS:
        table.refuse(cells[MAX_COLUMNS], "too-many-columns", f"more than {MAX_COLUMNS} columns", "Remove some")
    names = [re.sub(r"[\s-]+", "_", cell.text.lower()) for cell in cells[:MAX_COLUMNS]]
    if not any(names):
        what, hint = "there is no header", "Write the names of the columns in the first line"
        table.problems.append(problem_of("header-missing", what, hint, place=Place(table.file)))
    for name, cell in zip(names, cells, strict=False):
        if name in table.columns:
            what = f"the column {cut(name)} is given twice, first at column {table.columns[name].column} of the line"
            table.refuse(cell, "duplicate-column", what, "Remove one of them")
        elif name and not name.startswith(COMMENT):
            table.columns[name] = cell
    return names


def _read_row(table: Table, names: Sequence[str], cells: Sequence[Cell]) -> None:
    row: dict[str, Cell] = {}
    for position, cell in enumerate(cells):
        if not cell.text:
            continue
        name = names[position] if position < len(names) else ""
        if not name:
            what = f"{quoted(cell.text)} is in no column: the header has no name above it"
            table.refuse(cell, "cell-without-column", what, "Put a text that contains the separator in quotes")
        elif name.startswith(COMMENT):
            continue
        elif len(cell.text) > MAX_CELL_CHARACTERS:
            what = f"a cell has at most {MAX_CELL_CHARACTERS} characters"
            table.refuse(cell, "cell-too-long", what, "Shorten it")
        elif not cell.text.isprintable():
            what = f"{quoted(cell.text)} contains an invisible character"
            table.refuse(cell, "invisible-character", what, "Type the text again, on one line")
        else:
            row.setdefault(name, cell)
    if row:
        table.rows.append(Row(cells[0].line, row))
