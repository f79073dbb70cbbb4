"""Framing: telegrams out of bytes, however they are grouped and whatever stands between them."""

from __future__ import annotations

import pytest

from gateway.protocol.crc16 import X25_INVERSION, crc16, crc16_x25
from gateway.protocol.p1.telegram import (
    MAX_END_LINE_BYTES,
    MAX_TELEGRAM_BYTES,
    RefusalReason,
    RefusedTelegram,
    Telegram,
    TelegramReader,
)
from tests.conftest import OWN_TELEGRAMS, own_telegram
from tests.protocol.p1.stream import faults, feed, good, in_pieces, telegram_of, unchecked, ways
from tests.telegrams import make

GOOD = own_telegram("v50_sagemcom-t210d")
OLD = own_telegram("v22_iskra-mt382")
WHOLE_FILES = sorted(path.stem for path in OWN_TELEGRAMS.glob("*.txt") if not path.stem.startswith("bad_"))
UNCHECKED_FILES = {name for name in WHOLE_FILES if name.startswith(("v22_", "de_"))}


# --- the checksum


@pytest.mark.parametrize("bit", range(8))
def test_a_telegram_with_any_one_bit_flipped_is_never_accepted_with_a_checksum(bit: int) -> None:
    for at in range(len(GOOD) - 2):  # the line end after the checksum carries nothing
        flipped = GOOD[:at] + bytes([GOOD[at] ^ 1 << bit]) + GOOD[at + 1 :]
        # The case of a hexadecimal digit is bit 5 of its character.
        if flipped.upper() == GOOD.upper() and at > GOOD.rindex(b"!"):
            continue
        assert not [item for item in feed([flipped]) if isinstance(item, Telegram) and item.checked], (at, bit)


@pytest.mark.parametrize("digits", ["{:04X}", "{:04x}"])
def test_a_checksum_is_right_in_either_case(digits: str) -> None:
    # Letters of both kinds must be in it for the case to count.
    body = next(b for b in (f"/ISK5\r\n\r\n{n}\r\n!".encode() for n in range(99)) if make.crc16(b) > 0xA000)
    stream = body + digits.format(make.crc16(body)).encode() + b"\r\n"
    assert good(feed([stream])) == [stream]


def _with_leading_zeros(zeros: int) -> tuple[bytes, int]:
    bodies = (f"/NWA-WARMTELINK\r\n\r\n0-1:24.1.0({n:05})\r\n!".encode() for n in range(100_000))
    limit = 0x10 ** (4 - zeros)
    return next((body, crc) for body in bodies if limit >> 4 <= (crc := make.crc16(body)) < limit)


def test_a_checksum_of_three_digits_lacks_its_leading_zero() -> None:
    body, crc = _with_leading_zeros(1)
    stream = body + f"{crc:03X}\r\n".encode()
    for way, items in ways(stream).items():
        assert items == [Telegram(stream, len(body) - 1, checked=True)], way


def test_a_checksum_of_three_digits_that_lacks_another_digit_is_refused() -> None:
    whole = make.crc16(GOOD[: GOOD.rindex(b"!") + 1])
    assert whole >= 0x1000
    for cut in (GOOD[:-3] + b"\r\n", GOOD[: GOOD.rindex(b"!") + 1] + GOOD[-5:]):
        assert faults(feed([cut])) == [RefusalReason.CHECKSUM]


@pytest.mark.parametrize("end", [b"!12", b"!1", b"!12345", b"!XYZW", b"!AAAA", b"!-0AB", b"!0x1F", b"!12 4", b"!\xff"])
def test_what_is_no_checksum_of_this_telegram_is_refused_as_one(end: bytes) -> None:
    stream = GOOD[: GOOD.rindex(b"!")] + end + b"\r\n"
    for way, items in ways(stream).items():
        assert faults(items) == [RefusalReason.CHECKSUM], way
        assert not good(items), way


def test_a_refusal_names_the_checksum_sent_and_the_right_one() -> None:
    [bad] = feed([own_telegram("bad_checksum")])
    sent, right = own_telegram("bad_checksum")[-6:-2].decode(), GOOD[-6:-2].decode()
    assert isinstance(bad, RefusedTelegram)
    assert sent in bad.detail
    assert right in bad.detail


def refused_of(*pieces: bytes) -> RefusedTelegram:
    [bad] = (item for item in feed(pieces) if isinstance(item, RefusedTelegram))
    return bad


def test_a_refusal_has_the_bytes_of_its_telegram_and_says_what_is_wrong() -> None:
    lines = GOOD[: GOOD.rindex(b"!")]
    endless = lines + b"1" * MAX_TELEGRAM_BYTES
    assert refused_of(endless) == RefusedTelegram(
        endless[:MAX_TELEGRAM_BYTES], RefusalReason.OVERSIZE, f"no end mark within {MAX_TELEGRAM_BYTES} bytes"
    )
    assert refused_of(lines, GOOD) == RefusedTelegram(
        lines, RefusalReason.TRUNCATED, "a new telegram began before the end mark"
    )
    assert refused_of(lines) == RefusedTelegram(lines, RefusalReason.TRUNCATED, "the bytes stopped before the end mark")
    overlong = lines + b"!" + b"A" * MAX_END_LINE_BYTES
    assert refused_of(overlong, b"\r\n") == RefusedTelegram(
        overlong[:-1], RefusalReason.CHECKSUM, "the end line is too long"
    )
    strange = lines + b"!12 4\r\n"
    assert refused_of(strange) == RefusedTelegram(
        strange, RefusalReason.CHECKSUM, "the end line has characters that are not a checksum"
    )
    wrong = lines + b"!0000\r\n"
    right = GOOD[-6:-2].decode()
    assert refused_of(wrong) == RefusedTelegram(
        wrong, RefusalReason.CHECKSUM, f"the meter sent 0000, its bytes give {right}"
    )


def test_a_refusal_for_another_checksum_names_it() -> None:
    other = other_checksum(1)
    own = f"{crc16(other[: other.rindex(b'!') + 1]):04X}"
    assert (
        refused_of(other).detail
        == f"the meter sent {other[-6:-2].decode()}, which is its CRC-16/X-25, its bytes give {own}"
    )


def test_an_end_line_of_the_greatest_length_is_read() -> None:
    end = GOOD[GOOD.rindex(b"!") : -2]
    padded = GOOD[:-2] + b" " * (MAX_END_LINE_BYTES - len(end) - 2) + b"\r\n"
    for way, items in ways(padded).items():
        assert good(items) == [padded], way
    one_more = padded[:-2] + b" \r\n"
    for way, items in ways(one_more).items():
        assert faults(items) == [RefusalReason.CHECKSUM], way


# --- framing, in every way


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_a_telegram_comes_out_byte_for_byte_as_it_was_sent(name: str) -> None:
    raw = own_telegram(name)
    for way, items in ways(raw).items():
        assert good(items) == [raw], way
        [telegram] = (item for item in items if isinstance(item, Telegram))
        assert telegram.checked is (name not in UNCHECKED_FILES), way
        assert telegram.body + raw[telegram.end :] == raw, way
        assert raw[telegram.end : telegram.end + 1] == b"!", way


@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"])
def test_lines_may_end_in_cr_lf_in_lf_or_in_cr(line_end: str) -> None:
    raw = telegram_of("1-0:1.7.0(00.100*kW)", "1-0:2.7.0(00.000*kW)", line_end=line_end)
    for way, items in ways(raw).items():
        assert good(items) == [raw], way
    assert good(feed([raw * 3])) == [raw] * 3
    assert good(feed(in_pieces(raw * 3, 1))) == [raw] * 3


@pytest.mark.parametrize("padding", [b"\0", b"\0\0", b" ", b" \0 "])
def test_nul_bytes_and_blanks_behind_the_checksum_do_no_harm(padding: bytes) -> None:
    for raw in (GOOD, OLD):
        padded = raw[:-2] + padding + b"\r\n"
        for way, items in ways(padded).items():
            assert good(items) == [padded], way


@pytest.mark.parametrize("noise", [b"\0", b"\xff", b"\0" * 500, b"\xff" * 500, b"\r\n\0\xff", b"\xff\r\n", b"\x7f\x80"])
def test_nul_and_ff_noise_between_telegrams_does_no_harm(noise: bytes) -> None:
    stream = noise + GOOD + noise + OLD + noise + GOOD
    for way, items in ways(stream).items():
        assert good(items) == [GOOD, OLD, GOOD], way


def test_slashes_and_exclamation_marks_inside_values_end_nothing() -> None:
    raw = telegram_of(
        "0-0:96.13.0(/ISK5 is no start here! nor is !1234 an end)",
        "0-0:96.13.1(!)",
        "0-0:96.13.2(/)",
        "1-0:1.7.0(00.100*kW)",
    )
    for way, items in ways(raw).items():
        assert good(items) == [raw], way


@pytest.mark.parametrize(
    "header", ["/HLY5/D545-METER", "/NWA-WARMTELINK", "/KMP5 KA6U000000000003", "/LG_E660_01", "/x"]
)
def test_an_identification_may_hold_a_slash_or_a_blank_or_be_no_identification_at_all(header: str) -> None:
    raw = telegram_of("1-0:1.7.0(00.100*kW)", header=header)
    for way, items in ways(raw).items():
        assert good(items) == [raw], way
    assert good(feed([raw * 2])) == [raw] * 2


def test_a_telegram_may_follow_text_without_a_line_end() -> None:
    stream = b"Port already in use" + GOOD
    assert feed([stream]) == feed(in_pieces(stream, 1)) == feed([GOOD])


def test_a_slash_in_the_rest_of_a_telegram_that_was_joined_midway_begins_nothing() -> None:
    rest = b"0-0:96.13.0(Work 18/1 and grid.test/works)\r\n1-0:1.7.0(00.100*kW)\r\n!1234\r\n"
    assert feed([rest]) == []
    assert feed([rest + GOOD]) == feed([GOOD])


@pytest.mark.parametrize("text", [b"!//", b"!///", b"x//", b"x/x//", b"/x", b"ab/AB/", b"////", b"12/ISK"])
def test_slashes_in_text_mean_the_same_when_they_come_one_by_one(text: bytes) -> None:
    stream = b"grid.test" + text
    assert feed([stream]) == feed(in_pieces(stream, 1)) == feed(in_pieces(stream, 2)) == []


def test_what_follows_the_end_line_of_a_german_meter_is_skipped() -> None:
    raw = unchecked("1-0:1.8.0*255(00001.1*kWh)", header="/ESY5Q3DA1004 V3.04")
    for way, items in ways((raw + b"\xff\xff\0\0\x01noise\xff") * 3).items():
        assert [(item.raw, isinstance(item, Telegram)) for item in items] == [(raw, True)] * 3, way


def test_an_absent_checksum_leaves_a_telegram_unchecked() -> None:
    for way, items in ways(OLD).items():
        [telegram] = (item for item in items if isinstance(item, Telegram))
        assert telegram.checked is False, way


# --- broken telegrams and resynchronisation


def test_a_telegram_cut_behind_a_line_is_refused_and_the_next_is_whole() -> None:
    stream = own_telegram("bad_cut-then-restarted")
    start = stream.index(b"\n/") + 1
    for way, items in ways(stream).items():
        assert faults(items) == [RefusalReason.TRUNCATED], way
        assert good(items) == [stream[start:]], way


def test_a_telegram_cut_within_a_line_costs_the_next_one_too_but_no_more() -> None:
    stream = own_telegram("bad_cut-in-line-then-restarted") + GOOD
    for way, items in ways(stream).items():
        assert faults(items) == [RefusalReason.CHECKSUM], way
        assert good(items) == [GOOD], way


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n", b"\r"])
def test_a_slash_at_a_line_start_begins_a_telegram_whatever_ends_the_lines(line_end: bytes) -> None:
    raw = GOOD.replace(b"\r\n", line_end)
    raw = raw[: raw.rindex(b"!") + 1]
    raw += f"{make.crc16(raw):04X}".encode() + line_end
    cut = raw[: raw.index(line_end + b"1-0:2.8.1") + len(line_end)]
    items = feed([cut * 2 + raw])
    assert faults(items) == [RefusalReason.TRUNCATED] * 2
    assert good(items) == [raw]
    assert [item.raw for item in items[:2]] == [cut] * 2


def test_a_telegram_joined_midway_gives_nothing() -> None:
    assert feed([GOOD[len(GOOD) // 2 :]]) == []
    assert feed([GOOD[len(GOOD) // 2 :] + GOOD]) == feed([GOOD])


@pytest.mark.parametrize("size", range(1, 60, 7))
def test_an_end_line_that_does_not_end_is_refused(size: int) -> None:
    overlong = GOOD[: GOOD.rindex(b"!") + 5] + b"A" * (MAX_END_LINE_BYTES + size)
    for pieces in ([overlong + b"\r\n" + GOOD], in_pieces(overlong + b"\r\n" + GOOD, size)):
        items = feed(pieces)
        assert faults(items) == [RefusalReason.CHECKSUM]
        assert good(items) == [GOOD]


# --- the line falls silent


@pytest.mark.parametrize("at", range(1, len(GOOD) - 6, 13))
def test_a_cut_telegram_is_refused_when_the_line_falls_silent(at: int) -> None:
    reader = TelegramReader()
    assert reader.feed(GOOD[:at]) == []
    assert reader.pending
    [bad] = reader.silence()
    assert (bad.raw, faults([bad])) == (GOOD[:at], [RefusalReason.TRUNCATED])
    assert not reader.pending
    # What comes later is not the rest of it.
    assert reader.feed(GOOD[at:]) == []
    assert good(reader.feed(GOOD)) == [GOOD]


@pytest.mark.parametrize("end", [b"", b"\r", b"\n", b"\0", b" \0\r"])
def test_silence_ends_a_telegram_that_has_its_checksum_and_no_line_end(end: bytes) -> None:
    raw = GOOD[:-2] + end
    items = feed(in_pieces(raw, 1))
    assert items == feed([raw])
    assert good(items) == [raw]


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_silence_within_the_checksum_refuses_the_telegram(digits: int) -> None:
    raw = GOOD[: GOOD.rindex(b"!") + 1 + digits]
    assert faults(feed([raw])) == [RefusalReason.CHECKSUM]


def test_silence_right_behind_the_end_mark_leaves_a_telegram_that_nothing_has_checked() -> None:
    raw = GOOD[: GOOD.rindex(b"!") + 1]
    assert feed([raw]) == [Telegram(raw, len(raw) - 1, checked=False)]


def test_silence_between_telegrams_gives_nothing() -> None:
    reader = TelegramReader()
    assert reader.silence() == []
    assert good(reader.feed(GOOD)) == [GOOD]
    assert reader.silence() == []
    assert not reader.pending


@pytest.mark.parametrize("header", ["/NWA-WARMTELINK", r"/ISk5\2M550T-1012"])
def test_bytes_before_a_silence_do_not_spoil_the_telegram_after_it(header: str) -> None:
    raw = telegram_of("1-0:1.7.0(00.100*kW)", header=header)
    reader = TelegramReader()
    assert reader.feed(b"the end of a telegram that broke off") == []
    assert reader.silence() == []
    assert good(reader.feed(raw)) == [raw]


def test_a_reset_forgets_what_has_begun() -> None:
    reader = TelegramReader()
    reader.feed(GOOD[:300])
    reader.reset()
    assert not reader.pending
    assert reader.silence() == []
    assert reader.feed(GOOD[300:]) == []
    assert good(reader.feed(GOOD)) == [GOOD]


# --- the other checksum


def other_checksum(number: int) -> bytes:
    body = GOOD[: GOOD.rindex(b"!")].replace(b"0002)", f"{number:04})".encode(), 1) + b"!"
    return body + f"{crc16_x25(body) ^ X25_INVERSION:04X}\r\n".encode()


def test_a_meter_with_the_other_checksum_is_accepted_from_the_second_telegram_in_a_row() -> None:
    telegrams = [other_checksum(number) for number in range(4)]
    for way, items in ways(b"".join(telegrams)).items():
        assert [item.raw for item in items] == telegrams, way
        [first, *others] = items
        assert isinstance(first, RefusedTelegram)
        assert (first.reason, "CRC-16/X-25" in first.detail) == (RefusalReason.CHECKSUM, True)
        assert all(isinstance(item, Telegram) and item.checked for item in others), way


def test_the_other_checksum_is_remembered_when_the_line_is_opened_again() -> None:
    reader = TelegramReader()
    reader.feed(other_checksum(1) + other_checksum(2) + other_checksum(3)[:100])
    reader.reset()
    [item] = reader.feed(other_checksum(4))
    assert isinstance(item, Telegram)


def test_one_telegram_that_fits_the_other_checksum_changes_nothing() -> None:
    other = other_checksum(1)
    items = TelegramReader().feed(other + GOOD + other + GOOD)
    assert [isinstance(item, Telegram) for item in items] == [False, True, False, True]


def test_a_line_that_gets_a_meter_with_the_usual_checksum_again_changes_back() -> None:
    items = TelegramReader().feed(other_checksum(1) + other_checksum(2) + GOOD + GOOD + GOOD)
    assert [isinstance(item, Telegram) for item in items] == [False, True, False, True, True]


def test_a_damaged_telegram_with_the_other_checksum_is_refused() -> None:
    reader = TelegramReader()
    reader.feed(other_checksum(1) + other_checksum(2))
    [item] = reader.feed(other_checksum(3).replace(b"kW)", b"kV)", 1))
    assert isinstance(item, RefusedTelegram)


def test_a_telegram_is_in_its_lines_until_its_end_mark_comes() -> None:
    reader, seen = TelegramReader(), [False]
    for piece in (b"noise\r\n", b"/ISK\r\n\r\n1-0:1.7.0(0", b"1.000*kW)\r\n", b"!", b"\r\n"):
        reader.feed(piece)
        seen.append(reader.is_in_lines)
    assert seen == [False, False, True, True, False, False]
