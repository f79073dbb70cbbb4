"""Which readings identify somebody, and the pseudonyms in their place; `tests/security` tries them in the maps."""

from __future__ import annotations

import re

import pytest

from gateway.protocol.p1.identifiers import describe, identifiers_of, identifies, pseudonym


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("equipment_identifier", True),
        ("mbus2_identifier", True),
        ("gas_identifier", True),
        ("ean", True),
        ("identification", True),
        ("text_message", True),
        ("p1_version", False),
        ("emucs_version", False),
        ("power_net", False),
        ("gateway_heartbeat", False),
        ("no_such_reading", False),
    ],
)
def test_texts_identify_but_for_versions(name: str, expected: bool) -> None:
    assert identifies(name) is expected


def test_a_description_says_what_clients_get_instead() -> None:
    assert describe("", has_pseudonym=False) == "absent unless the unit has identifiers: true"
    assert describe("a", has_pseudonym=True) == "a; a pseudonym unless the unit has identifiers: true"


def test_a_pseudonym_has_too_few_digits_to_be_traced() -> None:
    assert pseudonym("E0026000024153615") == pseudonym("E0026000024153615")
    assert all(re.fullmatch(r"P1-[0-9]{6}", pseudonym(str(n))) for n in range(1000))
    assert len({pseudonym(str(n)) for n in range(1000)}) > 990


def test_an_identifier_is_given_as_text_or_in_the_digits_of_its_line() -> None:
    assert identifiers_of(None) == frozenset()
    assert "E0047000073608137" in identifiers_of("E0047000073608137")
    assert "E0047000073608137" in identifiers_of("4530303437303030303733363038313337")
    assert "4142" in identifiers_of("4142"), "an identifier of digits only may look like the digits of another one"
