"""Problems as data: their texts, their order and their JSON."""

from __future__ import annotations

import pytest

from gateway.problems.problem import (
    MAX_PROBLEMS,
    MAX_SHORT_CHARACTERS,
    Place,
    Problem,
    ProblemError,
    as_data,
    first_that_fits,
    in_order,
    problem_of,
)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place("a.yaml", 3, 5, "meter.port"), "a.yaml:3:5: meter.port: is missing. Give one"),
        (Place("a.yaml", 3, 5), "a.yaml:3:5: is missing. Give one"),
        (Place("a.yaml"), "a.yaml: is missing. Give one"),
        (Place(), "is missing. Give one"),
    ],
)
def test_the_text_begins_with_as_much_of_the_place_as_is_known(place: Place, text: str) -> None:
    assert str(Problem("missing-key", place, "missing key", "is missing", "Give one")) == text


def test_a_problem_without_a_hint_ends_with_what_is_wrong() -> None:
    assert str(problem_of("missing-key", "is missing")) == "is missing"


def test_the_short_text_is_the_code_in_words_unless_another_is_given() -> None:
    assert problem_of("port-in-use", "port 502 is in use").short == "port in use"
    assert problem_of("port-in-use", "port 502 is in use", short="port 502 in use").short == "port 502 in use"


def test_a_phrase_that_does_not_fit_gives_way_to_a_shorter_one_and_is_not_cut() -> None:
    long = "x" * (MAX_SHORT_CHARACTERS + 1)
    assert first_that_fits(long, "port 502 in use", "port in use") == "port 502 in use"
    assert first_that_fits(long, "port in use") == "port in use"


def test_problems_come_in_the_order_of_their_places_and_once() -> None:
    first, second = (problem_of("unknown-key", "unknown key", place=Place("a.yaml", line, 1)) for line in (2, 10))
    assert in_order([second, first, second]) == [first, second]


def test_no_more_problems_are_reported_than_the_limit() -> None:
    many = [problem_of("unknown-key", "unknown key", place=Place("a.yaml", line)) for line in range(MAX_PROBLEMS + 5)]
    assert in_order(many) == many[:MAX_PROBLEMS]


def test_the_data_has_every_field() -> None:
    problem = problem_of("unknown-map", "there is no map 'x'", "Give dsmr", place=Place("a.yaml", 1, 2, "map"), map="x")
    assert as_data(problem) == {
        "file": "a.yaml",
        "line": 1,
        "column": 2,
        "path": "map",
        "what": "there is no map 'x'",
        "hint": "Give dsmr",
        "code": "unknown-map",
        "short": "unknown map",
        "values": {"map": "x"},
        "text": "a.yaml:1:2: map: there is no map 'x'. Give dsmr",
    }


def test_an_error_carries_its_problem_and_reads_like_one_of_the_system() -> None:
    problem = problem_of("no-such-device", "there is no such device", "Is the cable plugged in?")
    error = ProblemError(problem, 2)
    assert (error.problem, error.errno) == (problem, 2)
    assert str(error) == error.strerror == "there is no such device. Is the cable plugged in?"
    assert problem.at(Place("a.yaml")).place == Place("a.yaml")
