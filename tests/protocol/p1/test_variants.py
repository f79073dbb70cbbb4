"""DSMR versions and national variants: what is expected of each, and how one is recognised."""

from __future__ import annotations

import pytest

from gateway.protocol.p1.country import interpret
from gateway.protocol.p1.readings import read
from gateway.protocol.p1.variants import (
    ALIASES,
    FAST_LINE,
    SLOW_LINE,
    VARIANTS,
    SerialSettings,
    Variant,
    detect,
    variant_mismatch,
)
from tests.conftest import OWN_TELEGRAMS, own_telegram
from tests.protocol.p1.stream import only

ELECTRICITY = {"1-0:1.8.1", "1-0:1.8.2", "1-0:2.8.1", "1-0:2.8.2", "0-0:96.14.0", "1-0:1.7.0", "1-0:2.7.0"}
TOTALS = {"1-0:1.8.0", "1-0:2.8.0", "1-0:1.7.0", "1-0:2.7.0"}
DUTCH = {*ELECTRICITY, "1-3:0.2.8", "0-0:1.0.0", "0-0:96.1.1"}


@pytest.mark.parametrize(
    ("key", "codes", "p1_version"),
    [
        ("5", {"0-0:96.1.4", "0-0:1.0.0", "1-1:1.8.1", "1-1:1.7.0"}, None),
        ("2.2", {*ELECTRICITY, "0-0:96.1.1", "0-0:17.0.0", "0-1:24.3.0"}, None),
        ("4", DUTCH, "40"),
        ("4", DUTCH, "42"),
        ("5", DUTCH, "50"),
        ("5B", {*ELECTRICITY, "0-0:96.1.4", "0-0:96.1.1", "0-0:1.0.0"}, None),
        ("5B", {*TOTALS, *ELECTRICITY, "0-0:96.1.4", "0-0:1.0.0"}, None),
        ("5L", {*TOTALS, "1-3:0.2.8", "0-0:1.0.0", "0-0:42.0.0"}, "42"),
        ("5EONHU", {*TOTALS, *ELECTRICITY, "0-0:1.0.0", "0-0:42.0.0", "0-0:96.1.0", "1-0:15.8.0"}, None),
        ("5S", {*TOTALS, "0-0:1.0.0", "1-0:3.8.0"}, None),
        ("ISKRA_IE", {*ELECTRICITY, "0-0:1.0.0", "1-0:0.0.0", "0-0:96.1.0"}, None),
        ("SAGEMCOM_T210_D_R", {*DUTCH, "1-0:3.8.1", "1-0:1.8.0"}, "50"),
        ("WARMTELINK", {"1-3:0.2.8", "0-0:1.0.0", "0-1:24.2.1"}, "50"),
        ("5", {"1-3:0.2.8", "0-0:1.0.0", "0-1:24.2.1", "1-0:1.7.0"}, "50"),
    ],
)
def test_a_variant_is_known_by_its_codes(key: str, codes: set[str], p1_version: str | None) -> None:
    assert detect(codes, p1_version, has_d0_codes=False) is VARIANTS[key]


def test_a_lithuanian_meter_is_known_by_its_identification_where_nothing_else_tells() -> None:
    lithuanian = {*TOTALS, *ELECTRICITY, "0-0:1.0.0", "0-0:96.1.1"}
    assert detect(lithuanian, None, has_d0_codes=False, identification=r"ESO5\253_C") is VARIANTS["LT"]
    assert detect({*lithuanian, "0-0:96.1.4"}, None, False, r"ESO5\253_C") is VARIANTS["5B"]


def test_codes_in_the_german_form_settle_it() -> None:
    assert detect(TOTALS, None, has_d0_codes=True) is VARIANTS["Q3D"]
    assert detect(DUTCH, "50", has_d0_codes=True) is VARIANTS["Q3D"]


@pytest.mark.parametrize("codes", [set(), {"0-0:1.0.0"}, TOTALS, {"0-0:96.13.0"}])
def test_a_telegram_that_shows_no_variant_must_have_a_checksum(codes: set[str]) -> None:
    assert detect(codes, None, has_d0_codes=False).has_checksum


OWN = sorted(path.stem for path in OWN_TELEGRAMS.glob("v*.txt"))


@pytest.mark.parametrize("name", OWN)
def test_each_meters_telegram_shows_its_version(name: str) -> None:
    raw = own_telegram(name)
    readings = read(only(raw))
    version = readings.values.get("p1_version")
    variant = detect(readings.codes, str(version) if version else None, has_d0_codes=b"*255(" in raw)
    assert variant.key == {"v22": "2.2", "v40": "4", "v42": "4", "v50": "5"}[name[:3]]
    assert variant.has_checksum is not name.startswith("v22")
    assert [name for name in interpret(readings, variant, variant).values if not variant.sends(name)] == []


@pytest.mark.parametrize("name", [name for name in OWN if not name.startswith("v22")])
def test_a_meter_with_a_checksum_is_not_taken_for_one_without_when_lines_are_missing(name: str) -> None:
    codes = [reading.code for reading in read(only(own_telegram(name))).lines]
    for kept in range(len(codes) + 1):
        version = {"v40": "40", "v42": "42", "v50": "50"}[name[:3]] if "1-3:0.2.8" in codes[:kept] else None
        assert detect(codes[:kept], version, has_d0_codes=False).has_checksum


def test_the_serial_line_of_each_variant_is_that_of_its_standard() -> None:
    assert {key for key, variant in VARIANTS.items() if variant.line == SLOW_LINE} == {"2.2", "Q3D"}
    assert {variant.line for variant in VARIANTS.values()} == {SLOW_LINE, FAST_LINE}
    assert (str(SLOW_LINE), str(FAST_LINE)) == ("9600 7E1", "115200 8N1")
    assert str(SerialSettings(300, 7, "O", 2)) == "300 7O2"


def test_meters_without_a_checksum_are_the_old_and_the_german_ones() -> None:
    assert {key for key, variant in VARIANTS.items() if not variant.has_checksum} == {"2.2", "Q3D"}


def test_the_cadence_is_that_of_the_standard() -> None:
    assert {key for key, variant in VARIANTS.items() if variant.cadence_s == 1} == {"5", "5B", "ISKRA_IE"}
    assert {variant.cadence_s for variant in VARIANTS.values()} == {1, 2, 10}


@pytest.mark.parametrize("phase", ["l1", "l2", "l3"])
def test_only_the_old_dutch_meters_lack_quantities_of_a_phase(phase: str) -> None:
    for quantity, lacking in {"voltage": ["2.2", "4"], "current": ["2.2"], "power_net": ["2.2"]}.items():
        assert [key for key, variant in VARIANTS.items() if not variant.sends(f"{quantity}_{phase}")] == lacking
    assert VARIANTS["4"].sends(f"voltage_sags_{phase}")
    assert VARIANTS["2.2"].sends("power_net")


def test_each_variant_is_listed_under_its_own_key_and_each_alias_leads_to_one() -> None:
    assert all(key == variant.key for key, variant in VARIANTS.items())
    assert set(ALIASES.values()) <= VARIANTS.keys()
    assert not ALIASES.keys() & VARIANTS.keys()
    assert len({variant.title for variant in VARIANTS.values()}) == len(VARIANTS)


def test_telegrams_of_another_variant_than_the_configured_one_are_a_problem_with_a_hint() -> None:
    assert variant_mismatch(VARIANTS["5"], VARIANTS["5"]) is None
    problem, hint = variant_mismatch(VARIANTS["5"], VARIANTS["2.2"]) or ("", "")
    assert problem == f"5 is configured, but the telegrams are those of {VARIANTS['2.2'].title}"
    assert 'dsmr_version: "2.2"' in hint


@pytest.mark.parametrize("variant", [each for each in VARIANTS.values() if each.looks_like], ids=lambda each: each.key)
def test_telegrams_that_look_like_those_of_the_configured_variant_are_not(variant: Variant) -> None:
    assert variant.looks_like
    assert variant_mismatch(variant, VARIANTS[variant.looks_like]) is None
