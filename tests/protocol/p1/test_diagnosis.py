"""What bytes that are no telegram tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.protocol.p1.diagnosis import MIN_NOISE_BYTES, diagnose
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


def test_at_its_own_speed_a_line_is_heard_as_it_is() -> None:
    assert received(SLOW, SLOW_LINE, SLOW_LINE) == SLOW
    assert received(FAST, FAST_LINE, FAST_LINE) == FAST


def test_parity_that_is_read_as_a_bit_is_told_with_the_right_form() -> None:
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
