"""A status has a text in English, and the code and values from which other languages make theirs."""

from __future__ import annotations

from string import Formatter

import pytest

from gateway.problems.problem import problem_of
from gateway.runtime.status import TEXTS, Colour, Mark, Status, label, label_of


def test_a_label_has_a_text_made_of_its_values() -> None:
    made = label("some-absent", count=2, total=18)
    assert (made.code, dict(made.values), made.text) == ("some-absent", {"count": 2, "total": 18}, "2 of 18 absent")


def test_a_label_can_contain_a_label() -> None:
    problem = label_of(problem_of("no-bytes", "no bytes for 30 s", short="no bytes for 30 s", seconds=30))
    made = label("retrying", problem=problem, seconds=6)
    assert made.text == "no bytes for 30 s, retry in 6 s"
    assert made.values["problem"] is problem


def test_a_label_of_a_problem_has_its_code_short_text_and_values() -> None:
    made = label_of(problem_of("port-in-use", "*:502 is in use", short="port 502 in use", port=502))
    assert (made.code, made.text, dict(made.values)) == ("port-in-use", "port 502 in use", {"port": 502})


def test_a_label_without_one_of_its_values_cannot_be_made() -> None:
    with pytest.raises(KeyError):
        label("some-absent", count=2)


@pytest.mark.parametrize("code", TEXTS)
def test_a_text_begins_in_lower_case_and_has_no_full_stop(code: str) -> None:
    text = TEXTS[code]
    assert not text.endswith(".")
    assert text[0] == "{" or text[0] == text[0].lower()
    # Values by name: other languages may put them in another order.
    assert all(name is None or name.isidentifier() for _, name, _, _ in Formatter().parse(text))


@pytest.mark.parametrize(
    ("colour", "mark", "is_failure"),
    [
        (Colour.RED, Mark.RING, True),
        (Colour.RED, Mark.DOT, False),
        (Colour.GREY, Mark.RING, False),
        (Colour.GREEN, Mark.DOT, False),
    ],
)
def test_a_red_ring_alone_is_a_failure(colour: Colour, mark: Mark, is_failure: bool) -> None:
    status = Status(colour, mark, label("ready"))
    assert status.is_failure is is_failure
    assert str(status) == f"{colour} {mark}: ready"
