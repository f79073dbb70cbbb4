"""What bytes that are no telegram tell."""

from __future__ import annotations

import pytest

from gateway.protocol.diagnosis import MIN_NOISE_BYTES, diagnose
from tests.conftest import OWN_TELEGRAMS, own_telegram


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
        assert remedy in diagnosis
        assert "ser2net" in diagnosis


def wrong_speed(raw: bytes) -> bytes:
    """As 7E1 bytes arrive where 8N1 is expected: the parity in bit 7."""
    return bytes(byte | 0x80 if byte.bit_count() % 2 else byte for byte in raw)


def inverted(raw: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in raw)


@pytest.mark.parametrize("name", ["v22_iskra-mt382", "v42_kaifa-e0026", "v50_sagemcom-t210d"])
@pytest.mark.parametrize("spoil", [wrong_speed, inverted])
def test_noise_names_the_speed_and_the_inverter(name: str, spoil: object) -> None:
    diagnosis = diagnose(spoil(own_telegram(name)))  # type: ignore[operator]
    assert diagnosis is not None
    assert "speed" in diagnosis
    assert "invert" in diagnosis


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
