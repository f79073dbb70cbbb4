"""Each meter has two brokers, the same in all gateways, and an added broker moves only what it takes itself."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.fleet.rendezvous import brokers_of

BROKERS = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=8, unique=True)


def test_the_brokers_of_a_meter_stay_the_same_in_every_version() -> None:
    """Gateways of two versions serve one fleet: these choices never change."""
    brokers = ["a:1883", "b:1883", "c:8883", "d:8883"]
    assert [brokers_of(meter, brokers) for meter in ("flat1", "flat2", "Straße 5")] == [
        ("a:1883", "b:1883"),
        ("b:1883", "c:8883"),
        ("b:1883", "a:1883"),
    ]


@given(st.text(max_size=20), BROKERS, st.randoms(use_true_random=False))
def test_the_order_of_the_list_does_not_matter(meter: str, brokers: list[str], random: object) -> None:
    shuffled = list(brokers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    chosen = brokers_of(meter, brokers)
    assert brokers_of(meter, shuffled) == chosen
    assert len(set(chosen)) == min(2, len(brokers))
    assert set(chosen) <= set(brokers)


@given(st.text(max_size=20), BROKERS, st.text(min_size=1, max_size=12))
def test_an_added_broker_replaces_at_most_one(meter: str, brokers: list[str], added: str) -> None:
    before, after = brokers_of(meter, brokers), brokers_of(meter, [*brokers, added])
    assert set(after) - set(before) <= {added}
    assert len(set(before) - set(after)) <= 1


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_load_is_shared(count: int) -> None:
    brokers = [f"broker-{number}:1883" for number in range(count)]
    load = Counter(each for number in range(2000) for each in brokers_of(f"flat{number}", brokers))
    share = 2 * 2000 / count
    assert all(0.85 * share < load[broker] < 1.15 * share for broker in brokers)


def test_a_name_that_is_no_valid_unicode_has_brokers_too() -> None:
    assert len(brokers_of("flat\udcff", ["a:1883", "b:1883", "c\udcff:1883"])) == 2
