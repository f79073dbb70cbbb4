"""Plain data becomes a model, or every fault of it at its place, with the nearest right word."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.files.document import Document, FileError
from gateway.files.validation import invalid, suggest, validate
from gateway.files.yaml_file import parse
from gateway.problems.problem import MAX_PROBLEMS


class Leaf(BaseModel):
    model_config = ConfigDict(extra="forbid")

    colour: Literal["red", "green"] = "red"
    count: int = Field(default=1, ge=0, le=9)
    word: str | None = None

    @field_validator("word")
    @classmethod
    def _check_word(cls, value: str | None) -> str | None:
        if value == "never":
            raise invalid("never", "is never valid", "Write always")
        return value


class Tree(BaseModel):
    model_config = ConfigDict(extra="forbid")

    leaf: Leaf = Leaf()
    leaves: list[Leaf] = []
    by_name: dict[str, Leaf] = {}
    needed: int


def faults_in(text: str) -> list[str]:
    with pytest.raises(FileError) as error:
        validate(parse(text, "f"), Tree)
    return [str(fault) for fault in error.value.problems]


def test_what_is_right_becomes_the_model() -> None:
    tree = validate(parse("needed: 3\nleaves: [{count: 2}]\nby_name: {a: {word: x}}", "f"), Tree)
    assert tree == Tree(needed=3, leaves=[Leaf(count=2)], by_name={"a": Leaf(word="x")})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "f:1:1: needed: is missing. Add needed:"),
        ("needed: 1\nlaef: {}", "f:2:1: laef: unknown key. Did you mean leaf?"),
        (
            "needed: 1\nzzz: {}",
            "f:2:1: zzz: unknown key. Known here: leaf, leaves, by_name, needed",
        ),
        (
            "needed: 1\n\u00a0leaf: {}",
            "f:2:1: \\xa0leaf: unknown key '\\xa0leaf'. Type the key again: one of its characters is invisible",
        ),
        ("needed: 1\nleaf: {colr: red}", "f:2:8: leaf.colr: unknown key. Did you mean colour?"),
        ("needed: 1\nleaves:\n  - {cuont: 1}", "f:3:6: leaves[0].cuont: unknown key. Did you mean count?"),
        ("needed: 1\nby_name: {a: {wrod: x}}", "f:2:15: by_name.a.wrod: unknown key. Did you mean word?"),
        (
            "needed: 1\nleaf: {colour: gren}",
            "f:2:8: leaf.colour: 'gren' is not one of red, green. Did you mean green?",
        ),
        ("needed: 1\nleaf: {colour: 7}", "f:2:8: leaf.colour: 7 is not one of red, green"),
        (
            "needed: 1\nleaf: [1]",
            "f:2:1: leaf: keys with values are expected (found a list). Write key: value, one on each line",
        ),
        (
            "needed: 1\nleaf:",
            (
                "f:2:1: leaf: keys with values are expected (found nothing). "
                "Write its keys below it, each line indented by two spaces more"
            ),
        ),
        (
            "needed: 1\nby_name: x",
            "f:2:1: by_name: keys with values are expected (found 'x'). Write key: value, one on each line",
        ),
        (
            "needed: 1\nleaves: {a: 1}",
            'f:2:1: leaves: a list is expected (found keys with values). Begin each item with "- "',
        ),
        (
            "needed: 1\nleaf: true",
            "f:2:1: leaf: keys with values are expected (found true). Write key: value, one on each line",
        ),
        ("needed: 1\nleaf: {word: no}", "f:2:8: leaf.word: a text is expected (found false). Put it in quotes"),
        (
            "needed: 1\nleaves: [1]",
            "f:2:10: leaves[0]: keys with values are expected (found 1). Write key: value, one on each line",
        ),
        ("- needed", "f:1:1: keys with values are expected (found a list). Write key: value, one on each line"),
        ("needed: 1\nleaf: {count: 10}", "f:2:8: leaf.count: at most 9 is expected (found 10)"),
        ("needed: 1\nleaf: {word: never}", "f:2:8: leaf.word: is never valid (found 'never'). Write always"),
    ],
)
def test_each_kind_of_fault_is_reported_in_terms_of_the_file(text: str, told: str) -> None:
    assert faults_in(text) == [told]


def test_all_faults_are_reported_at_once() -> None:
    text = "leaf: {count: -1, colour: blue}\nleaves:\n  - {count: 10}\n  - {cuont: 3}\nneded: 1"
    assert [line.split(" ")[1] for line in faults_in(text)] == [
        "needed:",
        "leaf.count:",
        "leaf.colour:",
        "leaves[0].count:",
        "leaves[1].cuont:",
        "neded:",
    ]


def test_of_very_many_faults_the_first_are_reported() -> None:
    assert len(faults_in("needed: 1\nleaves:\n" + "  - {count: 10}\n" * (2 * MAX_PROBLEMS))) == MAX_PROBLEMS


def test_an_empty_file_is_one_without_keys() -> None:
    class Empty(BaseModel):
        a: int = 1

    assert validate(Document("f"), Empty) == Empty()


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("dsmr_versoin", "Did you mean dsmr_version?"),
        ("prot", "Did you mean port?"),
        ("DSMR", "Did you mean dsmr_version?"),
        ("ds", ""),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_the_nearest_word_is_suggested_where_one_is_near(word: str, hint: str) -> None:
    assert suggest(word, ["port", "host", "dsmr_version"]) == hint
