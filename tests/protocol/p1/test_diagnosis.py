"""The diagnosis names what comes over a line that brings no accepted telegram, and what helps."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from gateway.protocol.p1.diagnosis import MIN_NOISE_BYTES, diagnose, explain, name_checksum
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram
from gateway.protocol.p1.variants import FAST_LINE, SLOW_LINE, SerialSettings
from tests.conftest import OWN_TELEGRAMS, own_telegram
from tests.uart import received


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (b"Port already in use\r\n", "max-connections"),
        (b"Port's device already in use\r\n", "another connection"),
        (b"Device open failure: No such file or directory\r\n", "cable"),
        (b"Access denied due to your net address\r\n", "does not allow this host"),
    ],
)
def test_a_text_of_ser2net_is_named_with_its_remedy(text: bytes, remedy: str) -> None:
    for sample in (text, b"\0" * 40 + text, text + own_telegram("v50_sagemcom-t210d")[:20]):
        diagnosis = diagnose(sample)
        assert diagnosis is not None
        assert remedy in str(diagnosis)
        assert "ser2net" in str(diagnosis)


SLOW, FAST = own_telegram("v22_iskra-mt382"), own_telegram("v50_sagemcom-t210d")
TWO_MEGABAUD = replace(FAST_LINE, baudrate=1_382_400 // 4)


@pytest.mark.parametrize(
    ("raw", "sent", "read", "is_inverted"),
    [
        (SLOW, SLOW_LINE, FAST_LINE, False),
        (FAST, FAST_LINE, SLOW_LINE, False),
        (FAST, FAST_LINE, TWO_MEGABAUD, False),
        (SLOW, SLOW_LINE, SLOW_LINE, True),
        (FAST, FAST_LINE, FAST_LINE, True),
        (SLOW, SLOW_LINE, FAST_LINE, True),
        (FAST, FAST_LINE, SLOW_LINE, True),
    ],
)
def test_noise_names_the_speed_and_the_inverter(
    raw: bytes, sent: SerialSettings, read: SerialSettings, is_inverted: bool
) -> None:
    diagnosis = diagnose(received(raw, sent, read, is_inverted=is_inverted))
    assert diagnosis is not None
    assert "speed" in str(diagnosis)
    assert "invert" in str(diagnosis)


def test_at_its_own_speed_a_line_is_received_unchanged() -> None:
    assert received(SLOW, SLOW_LINE, SLOW_LINE) == SLOW
    assert received(FAST, FAST_LINE, FAST_LINE) == FAST


def test_parity_that_is_read_as_a_bit_is_reported_with_the_correct_form() -> None:
    read = received(SLOW, SLOW_LINE, replace(SLOW_LINE, bytesize=8, parity="N"))
    assert bytes(byte & 0x7F for byte in read) == SLOW
    for sample in (read, read[:200], read[150:400]):
        diagnosis = diagnose(sample)
        assert diagnosis is not None
        assert "7E1" in str(diagnosis)
        assert "9600e71" in str(diagnosis)


@pytest.mark.parametrize("noise", [b"\0", b"\xff", b"\xe0\x1c"])
def test_a_few_bytes_of_noise_tell_nothing_and_many_do(noise: bytes) -> None:
    assert diagnose((noise * MIN_NOISE_BYTES)[: MIN_NOISE_BYTES - 1]) is None
    assert diagnose((noise * MIN_NOISE_BYTES)[:MIN_NOISE_BYTES]) is not None


@pytest.mark.parametrize("name", sorted(path.stem for path in OWN_TELEGRAMS.glob("*.txt")))
def test_a_telegram_is_no_noise_whole_cut_or_with_a_little_of_it(name: str) -> None:
    raw = own_telegram(name)
    assert diagnose(raw) is None
    assert diagnose(raw[100:]) is None
    assert diagnose(b"\xff\0\0" + raw[: 2 * MIN_NOISE_BYTES]) is None


def test_silence_tells_nothing() -> None:
    assert diagnose(b"") is None


def test_encrypted_telegrams_are_no_noise() -> None:
    sample = b"\xdb\x08SIM00001\x82\x01\x00\x30" + bytes(range(128, 256))
    assert "encrypted telegrams" in str(diagnose(sample))


HDLC_PLAIN = bytes.fromhex("7EA02A410883130413E6E7000F40000000000101020309060100010700FF060000031502020F00161BE6BC7E")
"""An Aidon meter's list 1: active power, not encrypted."""


def frame(content: bytes) -> bytes:
    """Return an HDLC frame with `content`, whose checksums are not valid: nothing here checks them."""
    return b"\x7e" + (0xA000 | len(content) + 2).to_bytes(2, "big") + content + b"\x7e"


def mbus(content: bytes) -> bytes:
    return bytes((0x68, len(content), len(content), 0x68)) + content + bytes((sum(content) & 0xFF, 0x16))


HEADER = bytes.fromhex("CF00020023 13D986E6E700".replace(" ", ""))
CIPHERED = b"\xdb\x08TST\x67\x70\0\0\1" + bytes(range(100, 200))
SML = b"\x1b\x1b\x1b\x1b\1\1\1\1v\5\0\0\1b\0b\0rc\1\1v\1\1\5" + bytes(range(40))


@pytest.mark.parametrize(
    ("sample", "named", "remedy"),
    [
        (HDLC_PLAIN, "DLMS in HDLC frames", "a reader for DLMS"),
        (HDLC_PLAIN[20:] + HDLC_PLAIN, "DLMS in HDLC frames", "a reader for DLMS"),
        (frame(HEADER + CIPHERED), "DLMS in HDLC frames", "needs the key"),
        (frame(HEADER + CIPHERED)[:64], "DLMS in HDLC frames", "needs the key"),
        (SML, "SML", "vzlogger"),
        (mbus(b"\x53\xff\x00\x01\x67" + CIPHERED), "frames of wired M-Bus", "needs the key"),
        (mbus(b"\x08\x01\x72" + bytes(40)), "frames of wired M-Bus", "a reader for M-Bus"),
        (b"\xdb\x08SIM00001\x82\x01\x00\x30" + bytes(range(128, 256)), "encrypted telegrams", "decryption"),
    ],
    ids=["hdlc", "hdlc joined", "hdlc encrypted", "hdlc cut", "sml", "mbus encrypted", "mbus", "dsmr encrypted"],
)
def test_another_protocol_is_named_with_the_reader_that_helps(sample: bytes, named: str, remedy: str) -> None:
    diagnosis = str(diagnose(sample))
    assert diagnosis.startswith(named)
    assert remedy in diagnosis
    assert "speed" not in diagnosis
    assert "Is the P1 port open" not in diagnosis


def test_noise_is_seldom_taken_for_another_protocol() -> None:
    random = Random(1)
    found = [str(diagnose(random.randbytes(1024)))[:5] for _ in range(300)]
    assert found.count("noise") >= 298


def kermit(data: bytes) -> int:
    """Return the CRC-16/KERMIT, bit by bit."""
    crc = 0
    for byte in data:
        for bit in range(8):
            mix = (crc ^ byte >> bit) & 1
            crc = crc >> 1 ^ (0x8408 if mix else 0)
    return crc


@pytest.mark.parametrize("is_swapped", [False, True])
def test_another_checksum_is_named_and_the_cable_is_not_blamed(is_swapped: bool) -> None:
    body = FAST[: FAST.rindex(b"!") + 1]
    crc = kermit(body)
    digits = b"%02X%02X" % (crc & 0xFF, crc >> 8) if is_swapped else b"%04X" % crc
    raw = body + digits + b"\r\n"
    assert name_checksum(raw) == "CRC-16/KERMIT"
    problem = explain(raw, RefusedTelegram(raw, RefusalReason.CHECKSUM, ""), is_closed=False)
    assert problem
    assert problem.values == (("checksum", "CRC-16/KERMIT"),)
    explained = str(problem)
    assert "another checksum than P1's CRC-16/ARC, CRC-16/KERMIT" in explained
    assert "P1 port open" not in explained


def test_a_damaged_telegram_has_no_other_checksum() -> None:
    assert name_checksum(own_telegram("bad_checksum")) is None
    assert name_checksum(b"/no end") is None


@pytest.mark.parametrize("reason", list(RefusalReason))
def test_telegrams_that_are_refused_are_explained_by_the_reason(reason: RefusalReason) -> None:
    explained = str(explain(b"/", RefusedTelegram(b"/", reason, "detail"), is_closed=True))
    assert explained.startswith("telegrams come and are refused: ")
    assert "P1 port open" not in explained


def test_a_connection_that_was_closed_explains_itself_that_a_telegram_did_not_end() -> None:
    assert explain(FAST[:300], None, is_closed=True) is None
    assert str(explain(FAST[:300], None, is_closed=False)).startswith("a telegram began and did not end")
    assert explain(b"", None, is_closed=False) is None


def test_what_the_bytes_show_is_said_before_the_refusals() -> None:
    refused = RefusedTelegram(b"/", RefusalReason.CHECKSUM, "")
    assert explain(SML, refused, is_closed=False) == diagnose(SML)


def test_text_that_is_no_telegram_is_named() -> None:
    explained = explain(b"login: ", None, is_closed=False)
    assert explained is not None
    assert explained.code == "not-a-telegram"


def test_a_damaged_frame_before_a_whole_one_is_passed_over() -> None:
    content = b"\x08\x01\x72" + bytes(40)
    damaged = mbus(content).replace(b"\x72", b"\x73")
    assert str(diagnose(damaged + mbus(content))).startswith("frames of wired M-Bus")
    assert "M-Bus" not in str(diagnose(damaged + damaged))


def test_each_explanation_has_a_code_and_a_hint() -> None:
    raw = FAST[: FAST.rindex(b"!") + 1]
    other = explain(raw, RefusedTelegram(raw + b"%04X\r\n" % kermit(raw), RefusalReason.CHECKSUM, ""), is_closed=False)
    refused = explain(b"/", RefusedTelegram(b"/", RefusalReason.TRUNCATED, ""), is_closed=False)
    endless, text = (explain(sample, None, is_closed=False) for sample in (FAST[:300], b"login: "))
    found = [(each.code, each.hint) for each in (other, refused, endless, text) if each]
    assert found == [
        ("other-checksum", "Please report the meter: it is not supported yet"),
        ("telegrams-refused", "Check the cable, and that no other program reads the port"),
        ("telegram-without-end", "Check the cable, and that no other program reads the port"),
        ("not-a-telegram", "Check that this is a P1 port, and the speed of the line"),
    ]
    assert str(text).startswith("the bytes that come are not a telegram")


def test_an_exclamation_mark_in_a_text_is_not_the_end_line() -> None:
    body = FAST[: FAST.rindex(b"!")].replace(b"\r\n\r\n", b"\r\n\r\n0-0:96.13.0(!ABCD)\r\n", 1) + b"!"
    assert name_checksum(body + b"%04X\r\n" % kermit(body)) == "CRC-16/KERMIT"


def test_a_frame_is_recognised_by_the_flag_at_its_end_alone() -> None:
    content = bytes(range(1, 100))
    assert str(diagnose(frame(content))).startswith("DLMS in HDLC frames")
    assert "HDLC" not in str(diagnose(frame(content)[:-1] + b"\x01"))


@pytest.mark.parametrize("after", [b"", b"\x7e", b"\x01\x02\x03"])
def test_what_follows_a_frame_does_not_hide_it(after: bytes) -> None:
    assert str(diagnose(frame(bytes(range(1, 100))) + after)).startswith("DLMS in HDLC frames")
    assert str(diagnose(mbus(b"\x08\x01\x72" + bytes(40)) + after)).startswith("frames of wired M-Bus")


@pytest.mark.parametrize(("at", "is_named"), [(15, True), (16, False)])
def test_the_header_of_dlms_is_at_the_begin_of_a_frame(at: int, is_named: bool) -> None:
    sample = b"\x7e\xa7\xff" + b"\x01" * at + b"\xe6\xe6\x00" + b"\x01" * 20
    assert ("HDLC" in str(diagnose(sample))) is is_named


@pytest.mark.parametrize(("size", "is_noise"), [(8, True), (9, False)])
def test_one_strange_byte_in_eight_is_noise(size: int, is_noise: bool) -> None:
    sample = (b"\xff" + b"1" * (size - 1)) * 8
    assert (diagnose(sample + b"\xff") is not None) is is_noise
    assert diagnose((b"\xff" + b"1" * 7) * 8) is None, "exactly one in eight"
