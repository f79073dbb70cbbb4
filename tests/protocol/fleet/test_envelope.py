"""An envelope comes back as it was written, and a bad one is a value that says why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.fleet.envelope import Bad, Envelope, decode, encode
from gateway.protocol.fleet.ticks import MAX_NUMBER, MAX_TICKS, Tick

NUMBERS = st.integers(0, MAX_NUMBER)
IDS = st.from_regex(r"[A-Za-z0-9.@:-][A-Za-z0-9._@:-]{0,63}", fullmatch=True)
SECONDS = st.integers(0, 10**9).map(lambda number: number / 1000)
ENVELOPES = st.builds(
    Envelope,
    IDS,
    NUMBERS,
    NUMBERS,
    SECONDS,
    SECONDS,
    st.booleans(),
    st.lists(st.builds(Tick, IDS, NUMBERS, NUMBERS), max_size=MAX_TICKS).map(tuple),
)
GOOD = encode(Envelope("site-12", 3, 41, 0.004, 0.0, True, (Tick("serving-1", 77, 12),)))


def test_an_envelope_is_written_as_documented() -> None:
    assert GOOD == (
        ("edge", "site-12"),
        ("boot", "3"),
        ("seq", "41"),
        ("held", "4"),
        ("delay", "0"),
        ("crc", "ok"),
        ("tick", "serving-1:77:12"),
    )


@pytest.mark.parametrize(("is_checked", "text"), [(True, "ok"), (False, "none")])
def test_an_envelope_says_whether_the_checksum_was_verified(is_checked: bool, text: str) -> None:
    envelope = Envelope("e", 1, 2, 0.0, 0.0, is_checked, ())
    assert dict(encode(envelope))["crc"] == text
    assert decode(encode(envelope)) == envelope


@given(ENVELOPES)
def test_an_envelope_is_read_as_it_was_written(envelope: Envelope) -> None:
    assert decode(encode(envelope)) == envelope


@given(ENVELOPES, st.randoms(use_true_random=False))
def test_neither_order_nor_properties_of_others_matter(envelope: Envelope, random: object) -> None:
    others = [(name, value) for name, value in encode(envelope) if name != "tick"]
    random.shuffle(others)  # type: ignore[attr-defined]
    ticks = [each for each in encode(envelope) if each[0] == "tick"]
    assert decode([("later", "x"), *others, *ticks, ("later", "y")]) == envelope


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("edge", "", "edge is not a name"),
        ("edge", "a/b", "edge is not a name"),
        ("boot", "-1", "boot is not a number"),
        ("seq", "1_0", "seq is not a number"),
        ("seq", "٣", "seq is not a number"),
        ("held", "1.5", "held is not a number"),
        ("held", "9" * 19, "held is not a number"),
        ("held", "9" * 18, "held or delay is too large"),
        ("delay", "9" * 5000, "delay is not a number"),
        ("crc", "OK", "crc is unknown"),
        ("tick", "", "tick cannot be read"),
        ("tick", ":1:1", "tick cannot be read"),
        ("tick", "a:1", "tick cannot be read"),
        ("tick", "a:1:x", "tick cannot be read"),
    ],
)
def test_a_bad_property_is_named_and_not_quoted(name: str, value: str, reason: str) -> None:
    assert decode([(key, value if key == name else given) for key, given in GOOD]) == Bad(reason)


@pytest.mark.parametrize("name", [name for name, _ in GOOD if name != "tick"])
def test_each_property_is_needed_once(name: str) -> None:
    assert decode([each for each in GOOD if each[0] != name]) == Bad(f"{name} is missing")
    assert decode([*GOOD, (name, "1")]) == Bad(f"{name} is given twice")


def test_ticks_are_bounded() -> None:
    assert decode([*GOOD, *[("tick", "a:1:1")] * MAX_TICKS]) == Bad("too many ticks")
    many = tuple(Tick("a", boot, 1) for boot in range(MAX_TICKS + 5))
    found = decode(encode(Envelope("a", 1, 1, 0, 0, True, many)))
    assert isinstance(found, Envelope)
    assert len(found.ticks) == MAX_TICKS


def test_times_are_rounded_up_and_never_negative() -> None:
    found = decode(encode(Envelope("a", 1, 1, 0.0001, -3.0, False)))
    assert found == Envelope("a", 1, 1, 0.001, 0.0, False)


def test_a_message_of_another_program_has_no_envelope() -> None:
    assert decode([]) is None
    assert decode([("content", "dsmr"), ("EDGE", "x")]) is None


@given(st.lists(st.tuples(st.sampled_from([*dict(GOOD), "other"]), st.text(max_size=25)), max_size=12))
def test_any_properties_are_an_envelope_a_reason_or_none(properties: list[tuple[str, str]]) -> None:
    found = decode(properties)
    if isinstance(found, Envelope):
        assert decode(encode(found)) == found
    else:
        assert found is None or (found.reason and found.reason.isascii())
