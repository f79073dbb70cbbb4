"""A mistake in the indentation of a file is reported with the indentation that the line should have."""

from __future__ import annotations

import pytest

from gateway.files.document import FileError
from gateway.files.yaml_file import parse

TOO_DEEP = "meter:\n  port: /dev/ttyUSB0\n    dsmr_version: 5\n"
BETWEEN = "meter:\n  port: /dev/ttyUSB0\n dsmr_version: 5\n"
TAB = "meter:\n  # the cable\n\tport: /dev/ttyUSB0\n"
TAB_BESIDE = "meter:\n  port: /dev/ttyUSB0\n\tdsmr_version: 5\n"
TAB_ALONE = "\tmeter:\n"
BESIDE_DASH = 'modbus:\n  - listen: ":502"\n  units:\n    1: {}\n'
UNDER_DASH = 'modbus:\n  - listen: ":502"\n      units:\n        1: {}\n'
DASH_TOO_DEEP = 'modbus:\n  - listen: ":502"\n    - listen: ":503"\n'
DASH_TOO_SHALLOW = 'modbus:\n    - listen: ":502"\n  - listen: ":503"\n'
ONE_TOO_MANY = 'modbus:\n  - listen: ":502"\n\n meter:\n  port: x\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TOO_DEEP, "3:5: the line is indented with 4 spaces. Indent it with 2 spaces, like line 2"),
        (BETWEEN, "3:2: the line is indented with 1 space. Indent it with 2 spaces, like line 2"),
        (TAB, "3:1: the line is indented with a tab. Indent it with 2 spaces, not with a tab"),
        (TAB_BESIDE, "3:1: the line is indented with a tab. Indent it with 2 spaces, not with a tab"),
        (TAB_ALONE, "1:1: the line is indented with a tab. Indent it with spaces, not with a tab"),
        (BESIDE_DASH, "3:3: the line is indented with 2 spaces. Indent it with 4 spaces, like line 2"),
        (UNDER_DASH, "3:7: the line is indented with 6 spaces. Indent it with 4 spaces, like line 2"),
        (DASH_TOO_DEEP, "3:5: the line is indented with 4 spaces. Indent it with 2 spaces, like line 2"),
        (DASH_TOO_SHALLOW, "3:3: the line is indented with 2 spaces. Indent it with 4 spaces, like line 2"),
        (ONE_TOO_MANY, "4:2: the line is indented with 1 space. Indent it with 2 spaces, like line 2"),
    ],
)
def test_a_line_that_is_indented_wrongly_is_reported_with_the_line_to_follow(text: str, expected: str) -> None:
    with pytest.raises(FileError) as error:
        parse(text, "gateway.yaml")
    assert str(error.value) == f"gateway.yaml:{expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("meter:\n  port: a: b\n", "2:10: a colon is not allowed here. Put a text with a colon in quotes"),
        ("meter: [\n  a\n  b: 1\n", "Close the bracket of line 1"),
    ],
)
def test_a_mistake_of_another_kind_is_not_taken_for_one_of_indentation(text: str, expected: str) -> None:
    with pytest.raises(FileError) as error:
        parse(text, "gateway.yaml")
    assert expected in str(error.value)
