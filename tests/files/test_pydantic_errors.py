"""Every error that pydantic can find in a file of ours has a text of our own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic_core.core_schema import ErrorType

from gateway.config import Config
from gateway.files.pydantic_errors import SENTENCES, SPECIAL, sentence_of, shown
from gateway.maps.file import MapFile
from gateway.simulation import forms

KINDS = {
    "str": ("string_type",),
    "int": ("int_type", "int_parsing", "int_from_float", "int_parsing_size"),
    "float": ("float_type", "float_parsing"),
    "bool": ("bool_type", "bool_parsing"),
    "list": ("list_type",),
    "dict": ("dict_type",),
    "model": ("model_type",),
    "model-fields": ("missing", "extra_forbidden", "dict_type"),
    "literal": ("literal_error",),
    "enum": ("enum",),
    "lax-or-strict": ("path_type",),
}
"""Kind of pydantic's schema → the errors that it can report."""
LIMITS = {
    "ge": "greater_than_equal",
    "gt": "greater_than",
    "le": "less_than_equal",
    "lt": "less_than",
    "pattern": "string_pattern_mismatch",
    "allow_inf_nan": "finite_number",
}


def errors_of(schema: Any) -> Iterator[str]:
    """The types of errors that a core schema of pydantic and the schemas inside it can report."""
    if isinstance(schema, list | tuple):
        for each in schema:
            yield from errors_of(each)
    elif isinstance(schema, dict):
        kind = str(schema.get("type", ""))
        yield from KINDS.get(kind, ())
        for key, error in LIMITS.items():
            if schema.get(key) is not None:
                yield error
        for key, name in (("min_length", "short"), ("max_length", "long")):
            if schema.get(key) is not None:
                yield f"{'string_' if kind == 'str' else ''}too_{name}"
        for key, each in schema.items():
            if key not in ("serialization", "metadata"):
                yield from errors_of(each)


@pytest.mark.parametrize("model", [Config, MapFile, forms._FormFile])
def test_each_error_that_a_model_can_report_has_a_text_of_ours(model: type[BaseModel]) -> None:
    found = set(errors_of(model.__pydantic_core_schema__))
    assert {"missing", "string_type", "int_type"} <= found
    assert found - SENTENCES.keys() - SPECIAL == set()


def test_each_type_of_error_exists() -> None:
    existing = set(get_args(ErrorType))
    assert SENTENCES.keys() - {"path_type"} <= existing
    assert SPECIAL - {"invalid"} <= existing


def test_an_error_of_any_other_type_has_no_text_of_pydantic_either() -> None:
    for kind in set(get_args(ErrorType)) - SENTENCES.keys():
        assert sentence_of({"type": kind, "input": "x"})[1] == "this value cannot be used here (found 'x')"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"type": "int_parsing", "input": "x"}, "a whole number is expected (found 'x')"),
        ({"type": "greater_than_equal", "input": -1, "ctx": {"ge": 0}}, "0 or more is expected (found -1)"),
        (
            {"type": "too_long", "input": [1], "ctx": {"max_length": 1, "actual_length": 2}},
            "at most 1 entries are expected",
        ),
        ({"type": "bool_parsing", "input": "x"}, "true or false is expected (found 'x')"),
    ],
)
def test_a_text_says_what_is_expected_and_what_was_found(error: dict[str, object], text: str) -> None:
    assert sentence_of(error)[1].startswith(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "nothing"), (True, "true"), ({}, "keys with values"), ([], "a list"), ("x", "'x'"), (1.5, "1.5")],
)
def test_a_value_is_shown_as_in_yaml(value: object, text: str) -> None:
    assert shown(value) == text
