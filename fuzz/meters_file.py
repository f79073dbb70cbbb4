"""Fuzzes the table of `meters_file:`: `python -m fuzz.meters_file [OPTION...] fuzz/corpus/meters_file`."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from pathlib import Path

import yaml

from fuzz.built_in import remembered
from fuzz.harness import Source, check_problems, fuzz
from gateway.config import check_config
from gateway.files.table import Table, decode, parse_table

_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")
FOLDER = Path(_FOLDER.name)
FILE, TABLE, WHOLE = FOLDER / "gateway.yaml", FOLDER / "meters.csv", FOLDER / "whole.yaml"
ROOTS = (
    "meters_file: meters.csv\n",
    "meters_file: meters.csv\nmeters: {hall: {port: /dev/p1}}\nmodbus: [{listen: 5020, units: {1: {meter: hall}}}]\n",
    "meters_file: meters.csv\nmodbus: [{listen: ':5020'}, {listen: ':5021'}]\n",
    "meters_file: meters.csv\ndefaults: {meter: {dsmr_version: '5'}, modbus: {max_clients: 5}}\n",
)


def check(data: bytes) -> None:
    """Check that any table is rows of cells as they are in the file, or problems that each have a place.

    The same rows come back from Python's csv module, and a valid table is the configuration that the same meters, units
    and servers are without it.
    """
    with remembered():
        check_files(Source(data))


def check_files(source: Source) -> None:
    """Check a configuration with a table."""
    root, content = source.pick(ROOTS), source.rest()
    text, problems = decode(content, str(TABLE))
    if not problems:
        check_table(text, parse_table(text, str(TABLE)))
    FILE.write_text(root)
    TABLE.write_bytes(content)
    checked = check_config(FILE, {})  # the YAML is valid, whatever the table is
    check_problems(checked.problems, {str(FILE): root.encode(), str(TABLE): content.removeprefix(b"\xef\xbb\xbf")})
    if not checked.problems:
        del checked.document.data["meters_file"]
        WHOLE.write_text(yaml.safe_dump(checked.document.data, sort_keys=False, allow_unicode=True))
        whole = check_config(WHOLE, {})
        assert whole.problems == []
        assert whole.config.model_copy(update={"meters_file": checked.config.meters_file}) == checked.config


def check_table(text: str, table: Table) -> None:
    """Check a table against simpler readings of its text."""
    rows = [{name: cell.text for name, cell in row.cells.items()} for row in table.rows]
    if table.problems or not rows:
        return
    check_places(text, table)
    names = list(table.columns)
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    writer.writerows([names, *([row.get(name, "") for name in names] for row in rows)])
    again = parse_table(written.getvalue(), table.file)
    assert again.problems == []
    assert [{name: cell.text for name, cell in row.cells.items()} for row in again.rows] == rows


def check_places(text: str, table: Table) -> None:
    """Check that each cell is where its place says."""
    lines = re.split(r"\r\n|\r|\n", text)
    for row in table.rows:
        for cell in row.cells.values():
            there = lines[cell.line - 1][cell.column - 1 :]
            assert there.strip().lstrip('"').strip()[:1] in (cell.text[0], '"', ""), cell


if __name__ == "__main__":
    fuzz(__file__)
