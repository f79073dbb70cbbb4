"""Short texts for what may be many."""

from __future__ import annotations

import pytest

from gateway.problems.listing import listed, numbered, ranges


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([7], "7"), ([3, 1, 2], "1-3"), ([1, 2, 4, 6, 7, 6], "1-2, 4, 6-7"), (range(1, 241), "1-240")],
)
def test_neighbours_are_a_range(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text


def test_a_word_is_in_the_plural_if_there_are_several() -> None:
    assert (numbered("unit", [3]), numbered("unit", [1, 2])) == ("unit 3", "units 1-2")


def test_names_that_are_left_out_are_counted() -> None:
    names = [f"flat{n}" for n in range(1, 14)]
    assert listed(names[:2]) == "flat1, flat2"
    assert listed(names, 3) == "flat1, flat2, flat3 and 10 more"
    assert listed(names, 1, " or ") == "flat1 and 12 more"
