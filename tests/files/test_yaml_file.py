"""A YAML file becomes plain data, or the list of all that is wrong with it, each with its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.files.document import Document, FileError, Loc, dotted
from gateway.files.yaml_file import MAX_DEPTH, MAX_FILE_BYTES, is_there, load, parse
from gateway.problems.problem import Place, problem_of

TWICE = "the key is given twice, first on line"
ANCHOR = "anchors and aliases are not allowed. Write the value itself"
TABS = "indented with a tab. Indent it with 2 spaces, not with a tab"
INDENT = "Indent it like the lines that it belongs to, and put a text with a colon in quotes"
DEEP = "nested too deeply"


def faults_in(text: str) -> list[str]:
    with pytest.raises(FileError) as error:
        parse(text, "f")
    return [str(fault) for fault in error.value.problems]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", None),
        ("# nothing\n", None),
        ("meter: {port: /dev/p1}", {"meter": {"port": "/dev/p1"}}),
        ("units: {1: a, other: 2}", {"units": {1: "a", "other": 2}}),
        ("a: [1, 0.1, yes, ~, '5', x]", {"a": [1, 0.1, True, None, "5", "x"]}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ("a: 2026-11-24", {"a": "2026-11-24"}),
        ("true: 1\n2.2: 2\n~: 3\n2026-11-24: 4\n<<: 5", {"true": 1, "2.2": 2, "~": 3, "2026-11-24": 4, "<<": 5}),
        ("a: 'x & y * z ! w'\nb: x&y", {"a": "x & y * z ! w", "b": "x&y"}),
        ("a: 'tab\there'", {"a": "tab\there"}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
    ],
)
def test_plain_yaml_is_plain_data(text: str, data: object) -> None:
    assert parse(text, "f").data == data


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\na: 2", [f"f:2:1: a: {TWICE} 1. Remove one of them"]),
        ("x:\n  - {a: 1, b: 2, a: 3}", [f"f:2:18: x[0].a: {TWICE} 2. Remove one of them"]),
        ("x:\n  1: a\n  0x1: b", [f"f:3:3: x.1: {TWICE} 2. Remove one of them"]),
        ("x:\n  1: a\n  '1': b", [f"f:3:3: x.1: {TWICE} 2. Remove one of them"]),
        ("x:\n  '1': a\n  1: b", [f"f:3:3: x.1: {TWICE} 2. Remove one of them"]),
        (
            "a: 1\na: 2\nb: {c: 1, c: 2}\na: 3",
            [
                f"f:2:1: a: {TWICE} 1. Remove one of them",
                f"f:3:11: b.c: {TWICE} 3. Remove one of them",
                f"f:4:1: a: {TWICE} 1. Remove one of them",
            ],
        ),
    ],
    ids=["top", "in a list", "another notation", "quoted behind", "quoted before", "several"],
)
def test_a_key_given_twice_never_wins_silently(text: str, told: list[str]) -> None:
    assert faults_in(text) == told


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a: &x 1\nb: *x", ["1:4", "2:4"]),
        ("&x a: 1", ["1:1"]),
        ("a: [&x 1,*x]", ["1:5", "1:10"]),
        ('{"a":&x 1,"b":*x}', ["1:6", "1:15"]),
        ("a:\n  - &x\n    b: 1", ["2:5"]),
        ("\ufeff&x {}", ["1:1"]),
    ],
)
def test_anchors_and_aliases_are_refused_wherever_they_stand(text: str, places: list[str]) -> None:
    assert faults_in(text) == [f"f:{place}: {ANCHOR}" for place in places]


@pytest.mark.parametrize("number", ["0100", "-017", "1:30", "190:20:30", "0_7"])
def test_a_number_that_yaml_takes_for_another_is_reported(number: str) -> None:
    told = (
        f"YAML reads {number} as another number than it seems. Write it without leading zeros and colons, or in quotes"
    )
    assert faults_in(f"a: {number}") == [f"f:1:4: a: {told}"]
    assert parse(f"a: '{number}'", "f").data == {"a": number}
    assert parse(f"{{{number}: a}}", "f").data == {number: "a"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (r'port: "/dev/tty\0USB0"', "f:1:7: port"),
        (r'meters: {"a\0b": 1}', "f:1:10: meters"),
        (r'allow: ["1.2.3.4", "1.2\0"]', "f:1:20: allow[1]"),
    ],
)
def test_a_zero_byte_is_no_part_of_a_text(text: str, place: str) -> None:
    assert faults_in(text) == [f"{place}: '\\x00' cannot be part of a text. Type the text again"]


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!own", "!!int", "!<tag:yaml.org,2002:str>"])
def test_a_tag_is_refused_and_nothing_is_made_of_it(tag: str) -> None:
    (told,) = faults_in(f"a: {tag} '1'")
    assert told == "f:1:4: a tag (a word that begins with !) is not allowed. Remove it"
    assert told.endswith(" is not allowed. Remove it")


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a:\n\tb: 1", "2:1", TABS),
        ("a:\n\t- 1", "2:1", TABS),
        ("a:\n  b: 1\n\tc: 1", "3:1", TABS),
        ("a: b: c", "1:5", "a colon is not allowed here. Put a text with a colon in quotes"),
        ("a:\n b: c\n  d: e", "3:3", "the line is indented with 2 spaces. Indent it with 1 space, like line 2"),
        ("a:\n  b: c\n d: e", "3:2", "the line is indented with 1 space. Indent it with 2 spaces, like line 2"),
        ("a:\n  - b\n  c: 1", "3:3", "the line is indented with 2 spaces. Indent it with 4 spaces, like line 2"),
        ('a: "b" c\nd: 1', "1:8", f"a key is expected here. {INDENT}"),
        ("a: b\nc\nd: 1", "3:1", "a key without a colon. Write a colon and a space after the key"),
        ("a: [1,\nb: 2", "3:1", "a comma or a bracket is missing. Close the bracket of line 1"),
        ('b: 1\na: "x\nc: 1', "3:5", "a quote is not closed. Close the quote of line 2"),
        ("a: [\n", "2:1", "a value is expected here. Add the missing value, or the closing bracket"),
        ("a: {b: 1}}", "1:10", "no bracket of this kind is open here. Remove it, or add the one that opens it"),
        ("a: {b: 1]", "1:9", "no bracket of this kind is open here. Remove it, or add the one that opens it"),
        ("a: @x", "1:4", "no text can begin with this character. Put the text in quotes"),
        ("a: 1\n---\nb: 2", "2:1", "a second document begins here. Remove the line ---"),
        ("a: 1\nb: é\x07", "2:5", r"the character '\x07' is not allowed"),
        ("\x00", "1:1", r"the character '\x00' is not allowed"),
        ("? [1]\n: 2", "1:3", "a key must be a word or a number"),
        ("a: 0b_", "1:4", "a: YAML cannot read"),
    ],
)
def test_invalid_yaml_is_reported_in_one_line_with_its_place(text: str, place: str, words: str) -> None:
    (told,) = faults_in(text)
    assert told.startswith(f"f:{place}: ")
    assert words in told
    assert "\n" not in told


def test_text_that_no_encoding_knows_is_a_fault_and_no_crash() -> None:
    # What an environment variable with arbitrary bytes looks like.
    assert faults_in("a: \udcff") == ["f: not UTF-8 text (character 3)"]


@pytest.mark.parametrize("key", ["2001-13-45", "0b_", "0x", "=", ".inf"])
def test_a_key_that_looks_like_what_it_is_not_is_a_word(key: str) -> None:
    assert parse(f"{key}: 1", "f").data == {key: 1}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "a: " + "{a: " * 100_000,
        "- " * 100_000,
        "? " * 100_000 + "a",
        "a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "\n".join(" " * depth + "a:" for depth in range(500)),
    ],
    ids=["lists", "mappings", "dashes", "questions", "just too deep", "indented"],
)
def test_deep_nesting_does_not_take_the_process_down(text: str, tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text(text)
    program = (
        "from gateway.files.yaml_file import *\n"
        f"try: load(Path({str(path)!r}))\nexcept FileError as error: print(error)"
    )
    # In a process of its own: what is tested is that it does not run out of stack.
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("\n") == 1
    assert result.stdout.strip().endswith(DEEP)


def test_nesting_that_is_deep_enough_for_anyone_is_read() -> None:
    depth = MAX_DEPTH - 1
    data: Any = parse("a: " + "[" * depth + "]" * depth, "f").data["a"]
    for _ in range(depth - 1):
        (data,) = data
    assert data == []


def test_every_key_and_value_has_its_place() -> None:
    document = parse("a:\n  - b: 1\n    c: [2,\n        3]\n1: x", "f")
    places: dict[Loc, tuple[int, int]] = {
        ("a",): (1, 1),
        ("a", 0): (2, 5),
        ("a", 0, "b"): (2, 5),
        ("a", 0, "c"): (3, 5),
        ("a", 0, "c", 0): (3, 9),
        ("a", 0, "c", 1): (4, 9),
        ("1",): (5, 1),
    }
    assert {loc: document.position(loc) for loc in places} == places


def test_what_is_not_in_the_file_has_the_place_of_what_is_around_it() -> None:
    document = parse("a:\n  b: 1", "f")
    assert document.position(("a", "missing", 3)) == (1, 1)
    assert document.position(("a", "b", "missing")) == (2, 3)
    assert str(document.problem(("a", "b", "missing"), "missing-key", "is missing", "Give one")) == (
        "f:2:3: a.b.missing: is missing. Give one"
    )
    assert Document("f").position(("a",)) == (1, 1)


def test_a_fault_of_what_a_variable_says_names_the_variable() -> None:
    document = parse("a: {b: 1, c: 2}", "f")
    document.variables[("a", "b")] = "NAME"
    assert str(document.problem(("a", "b", "x"), "no", "no")) == "NAME: a.b.x: no"
    assert str(document.problem(("a", "c"), "no", "no")) == "f:1:11: a.c: no"
    assert str(document.problem(("a",), "no", "no")) == "f:1:1: a: no"


def test_a_file_error_has_the_text_of_all_its_problems() -> None:
    problems = [problem_of("unknown-key", "unknown key", place=Place("f", line, 1)) for line in (1, 2)]
    assert str(FileError(problems)) == "f:1:1: unknown key\nf:2:1: unknown key"


@pytest.mark.parametrize(
    ("loc", "text"), [((), ""), (("modbus", 0, "units", "1"), "modbus[0].units.1"), (("a", 1, 2), "a[1][2]")]
)
def test_the_way_to_a_value_is_written_as_one_thinks_of_it(loc: Loc, text: str) -> None:
    assert dotted(loc) == text


@pytest.mark.parametrize(
    ("name", "is_it"), [("here", True), ("gone", False), ("here/on", False), ("\0", False), (300 * "x", True)]
)
def test_what_may_not_even_be_looked_for_counts_as_there(tmp_path: Path, name: str, is_it: bool) -> None:
    (tmp_path / "here").write_text("")
    assert is_there(tmp_path / name) is is_it


def test_an_unusable_file_is_reported_by_its_name(tmp_path: Path) -> None:
    latin, large = tmp_path / "latin.yaml", tmp_path / "large.yaml"
    latin.write_bytes("# é\nb: é".encode() + b"\xe9")
    large.write_text("#" * (MAX_FILE_BYTES + 1))
    told = []
    for path in (tmp_path / "none.yaml", tmp_path, latin, large):
        with pytest.raises(FileError) as error:
            load(path)
        told.append(str(error.value).removeprefix(f"{path}:").lstrip())
    assert told == [
        "no such file. Check the name, and the folder that it begins in",
        "this is a folder. Give a file in it",
        "2:5: the byte 0xE9 is not UTF-8. Save the file as UTF-8",
        f"larger than {MAX_FILE_BYTES} bytes",
    ]
    large.write_text("#" * MAX_FILE_BYTES)
    assert load(large).data is None


@settings(max_examples=300)
@given(st.text(st.sampled_from("a1:&*!-[]{}'\"\n\t ,?|>#%@\x00é\ufeff"), max_size=40))
def test_whatever_is_read_is_data_or_faults_with_a_place(text: str) -> None:
    problems = [problem_of("none", "no problem", place=Place("f", 1, 1))]
    try:
        parse(text, "f")
    except FileError as error:
        problems = error.problems
    assert problems
    assert all(problem.place.line >= 1 and problem.place.column >= 1 and problem.what for problem in problems)


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab &*!:", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c", 1, 2]), inner),
    max_leaves=12,
)


@settings(max_examples=100)
@given(_PLAIN)
def test_what_yaml_writes_is_read_again(data: object) -> None:
    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    assert parse(yaml.dump(data, Dumper=Dumper), "f").data == data
