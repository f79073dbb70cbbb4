"""What bytes that are no telegram tell about the line: a remedy in words."""

from __future__ import annotations

import re

MIN_NOISE_BYTES = 32
NOISE_SHARE = 8
"""Of bytes that no telegram is made of, one in so many makes noise. At 7E1 a wrong line brings printable characters."""
CIPHERED = b"\xdb\x08"
"""How a DLMS frame with a ciphered telegram begins."""

NOISE = "noise"
_STRANGE = re.compile(rb"[^0-9A-Za-z \r\n()*.:/!\\\\_-]")
_PARITY_BITS = re.compile(rb"[0-9]-[0-9]:[0-9]+\.[0-9]+\.[0-9]+\(")

_TEXTS = {
    b"Port already in use": "the ser2net at the other end has no connection left. Raise its max-connections, or"
    " close the other reader",
    b"Port's device already in use": "another connection of the ser2net at the other end has the device open",
    b"Device open failure": "the ser2net at the other end cannot open its serial device. Check the cable there",
    b"denied due to your net address": "the ser2net at the other end does not allow this host's address",
}


def diagnose(sample: bytes) -> str | None:
    """What the first bytes of a connection that gave no telegram mean; None when they tell nothing."""
    for text, meaning in _TEXTS.items():
        if text in sample:
            return f"{text.decode()!r}: {meaning}"
    if len(sample) < MIN_NOISE_BYTES:
        return None
    if CIPHERED in sample:
        return "encrypted telegrams: the gateway cannot read them, but a passthrough passes them on"
    if NOISE_SHARE * len(_STRANGE.findall(sample)) <= len(sample):
        return None
    # Even parity sets bit 7 of half of the characters, and what is under it is text.
    if _PARITY_BITS.search(bytes(byte & 0x7F for byte in sample)):
        return (
            "text with parity bits: the line is read as 8N1 where the meter sends 7E1. Leave dsmr_version on auto or"
            " 2.2, and in the ser2net at the other end, if there is one, write 9600e71"
        )
    return f"{NOISE}: the speed is wrong, or the P1 line is not inverted (it needs an inverting cable or adapter)"
