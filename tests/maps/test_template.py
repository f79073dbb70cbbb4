"""A text with readings in braces."""

from __future__ import annotations

import pytest

from gateway.maps.template import TemplateError, compile_template

VALUES = {"equipment_identifier": "E0047000000000123", "p1_version": "50"}


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("a meter", set(), "a meter"),
        ("{p1_version}", {"p1_version"}, "50"),
        ("V{p1_version} {equipment_identifier:-3}", {"p1_version", "equipment_identifier"}, "V50 123"),
        ("{equipment_identifier:-99}", {"equipment_identifier"}, "E0047000000000123"),
        ("{other}", {"other"}, None),
        ("{equipment_identifier|p1_version}", {"equipment_identifier", "p1_version"}, "E0047000000000123"),
        ("{other|p1_version:-1}", {"other", "p1_version"}, "0"),
        ("{other|another}", {"other", "another"}, None),
        ("{p1_version} {other|another}", {"p1_version", "other", "another"}, None),
    ],
)
def test_readings_in_braces_are_replaced_by_their_texts(text: str, names: set[str], expected: str | None) -> None:
    template = compile_template(text)
    assert template.names == names
    assert template.evaluate(VALUES) == expected


@pytest.mark.parametrize(
    "text",
    ["{", "}", "{}", "{A}", "{p1_version:4}", "{p1_version:-0}", "{{p1_version}", "{p1_version|}", "{|p1_version}"],
)
def test_other_braces_are_an_error(text: str) -> None:
    with pytest.raises(TemplateError, match="braces are for the name of a reading"):
        compile_template(text)
