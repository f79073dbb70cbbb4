"""A table in CSV, as spreadsheets write it, becomes rows with the places of their cells."""

from __future__ import annotations

import pytest

from gateway.files.table import (
    MAX_CELL_CHARACTERS,
    MAX_COLUMNS,
    MAX_ROWS,
    Table,
    decode,
    parse_table,
)

EXPECTED = [{"name": "flat1", "unit": "1"}, {"name": "flat2", "unit": "2"}]


def rows(table: Table) -> list[dict[str, str]]:
    return [{name: cell.text for name, cell in row.cells.items()} for row in table.rows]


def problems(text: str) -> list[str]:
    return [str(problem) for problem in parse_table(text, "m.csv").problems]


@pytest.mark.parametrize(
    "text",
    [
        "name,unit\nflat1,1\nflat2,2\n",
        "name;unit\r\nflat1;1\r\nflat2;2\r\n",
        "name\tunit\nflat1\t1\nflat2\t2",
        "sep=;\r\nname;unit\r\nflat1;1\r\nflat2;2\r\n",
        "name,unit\rflat1,1\rflat2,2\r",
        "\n# a fleet, in 2026\n\nName, Unit ,,\nflat1 , 1,,\n,,,\n\n# flat9,9\n flat2,2\n",
        '"name","unit"\n"flat1","1"\n"flat2", "2"\n',
        'name,# remarks,unit\n,ground floor,\nflat1,"door, left\nand a ""bell""",1\nflat2,,2\n',
        'name,"# door; floor; ""bell""; none",unit\nflat1,,1\nflat2,,2\n',
        'name,"# door;\nfloor; none; nothing",unit\nflat1,,1\nflat2,,2\n',
        'name,"# a ""bell; floor; door; none""",unit\nflat1,,1\nflat2,,2\n',
        'name;# 5" or 6";unit\nflat1;;1\nflat2;;2\n',
    ],
    ids=[
        *("comma", "semicolon", "tab", "sep", "carriage return", "spaces and comments", "quotes", "remarks"),
        *("separators in quotes", "separators in quotes on two lines", "separators behind quotes in quotes", "inches"),
    ],
)
def test_tables_of_all_spreadsheets_are_read(text: str) -> None:
    table = parse_table(text, "m.csv")
    assert rows(table) == EXPECTED
    assert table.problems == []


def test_each_cell_has_its_line_and_its_column() -> None:
    table = parse_table('# ours\nname,# remarks,unit\n"a, b","x\ny",7\nc,,8\n', "m.csv")
    assert [(cell.text, cell.line, cell.column) for row in table.rows for cell in row.cells.values()] == [
        ("a, b", 3, 1),
        ("7", 4, 4),
        ("c", 5, 1),
        ("8", 5, 4),
    ]
    assert table.columns["unit"][1:] == (2, 16)


def test_an_empty_cell_is_one_that_is_not_given() -> None:
    assert rows(parse_table('name,unit,map\nflat1,,""\n', "m.csv")) == [{"name": "flat1"}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["m.csv: there is no header. Write the names of the columns in the first line"]),
        ("# nothing\n\n", ["m.csv: there is no header."]),
        ("name,unit,name\n", ["m.csv:1:11: the column name is given twice, first at column 1 of the line. Remove one"]),
        ("name,unit\nflat1,1,dsmr\n", ["m.csv:2:9: 'dsmr' is in no column: the header has no name above it. Put"]),
        ("name,,unit\nflat1,x,1\n", ["m.csv:2:7: 'x' is in no column"]),
        ('name,unit\n"flat1,1\nflat2,2\n', ["m.csv:2:1: the quotes around this cell are not closed"]),
        ('name,unit\n"flat"1,1\n', ["m.csv:2:1: the quotes around this cell are not closed"]),
        ('name,unit\n"fl\nat",1\n', ["m.csv:2:1: 'fl\\nat' contains an invisible character. Type the text again"]),
        ("name,unit\nfl\u200bat,1\n", ["m.csv:2:1: 'fl\\u200bat' contains an invisible character"]),
        (f"name\n{'x' * (MAX_CELL_CHARACTERS + 1)}\n", [f"m.csv:2:1: a cell has at most {MAX_CELL_CHARACTERS}"]),
        (",".join(f"c{n}" for n in range(MAX_COLUMNS + 1)), [f"m.csv:1:391: more than {MAX_COLUMNS} columns"]),
        ("name\n" + "x\n" * (MAX_ROWS + 1), [f"m.csv:{MAX_ROWS + 2}:1: more than {MAX_ROWS} rows. Split it"]),
    ],
)
def test_a_problem_has_its_line_and_its_column(text: str, expected: list[str]) -> None:
    found = problems(text)
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True)), found


def test_quotes_that_are_never_closed_take_no_longer_than_others() -> None:
    table = parse_table("name\n" + '"x\n' * MAX_ROWS, "m.csv")
    assert len(table.problems) >= 100


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "name\nCaf\u00e9\n".encode("cp1252"),
            "m.csv:2:4: the byte 0xE9 is not UTF-8, and probably Windows-1252 (\u00e9). In a",
        ),
        (b"name\nx\x81\n", "m.csv:2:2: the byte 0x81 is not UTF-8. In a spreadsheet, save it as CSV with UTF-8 (Excel"),
        ("name\nx\n".encode("utf-16"), "m.csv: the file is UTF-16, and not UTF-8. In a spreadsheet"),
        (b"PK\x03\x04\x14\x00", "m.csv: this is a workbook, such as XLSX or ODS, and not CSV. In a spreadsheet"),
        (b"name\0\n", "m.csv: the file contains zero bytes, and is not CSV"),
    ],
    ids=["Windows-1252", "neither", "UTF-16", "XLSX", "zero bytes"],
)
def test_a_file_in_another_encoding_is_reported_with_the_way_out(content: bytes, expected: str) -> None:
    text, (problem,) = decode(content, "m.csv")
    assert text == ""
    assert str(problem).startswith(expected)


def test_the_mark_at_the_beginning_of_a_file_is_no_part_of_its_first_column() -> None:
    text, found = decode("name\nCaf\u00e9\n".encode("utf-8-sig"), "m.csv")
    assert (text, found) == ("name\nCaf\u00e9\n", [])
