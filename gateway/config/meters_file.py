"""`meters_file:`, a table with a meter in each row, for many meters."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from gateway.config.rows import add_rows
from gateway.files.document import Document, FileError
from gateway.files.table import MAX_TABLE_BYTES, decode, parse_table
from gateway.files.yaml_file import read_file
from gateway.problems.problem import Place, Problem, problem_of
from gateway.problems.quoting import cut_path, quoted

KEY = "meters_file"


def add_meters_file(document: Document, config: Path) -> list[Problem]:
    """Write the meters of the table that a configuration names into it; return the problems of the table.

    Args:
        document: the configuration.
        config: its file, in whose folder the table has to be.

    """
    name = document.data[KEY]
    if not isinstance(name, str) or not name:
        return []  # what the check of the key reports
    path = config.parent / name
    if not any(_real(path).is_relative_to(_real(folder)) for folder in (config.parent, _real(config).parent)):
        what = f"{quoted(cut_path(name))} is outside of the folder of the configuration"
        return [document.problem((KEY,), "file-outside-folder", what, "Copy the file into that folder")]
    try:
        text, problems = decode(read_file(path, MAX_TABLE_BYTES), str(path))
    except FileError as error:
        place = document.place((KEY,))
        return [replace(each, place=place, what=f"{path}: {each.what}") for each in error.problems]
    if problems:
        return problems
    table = parse_table(text, str(path))
    problems = add_rows(document, table)
    if not (table.rows or problems):
        # An export that failed leaves an empty file, which does not mean that no meter is wanted.
        hint = "Write a row for each meter, or remove meters_file"
        problems = [problem_of("no-rows", "there is no meter in this file", hint, place=Place(str(path)))]
    return problems


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
