"""What bytes that are no telegram tell about the line: a remedy in words."""

from __future__ import annotations

MIN_NOISE_BYTES = 32
CIPHERED = b"\xdb\x08"
"""How a DLMS frame with a ciphered telegram begins."""

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
    unprintable = sum(not (32 <= byte < 127 or byte in b"\r\n") for byte in sample)
    if 4 * unprintable > len(sample):
        return "noise: the speed is wrong, or the P1 line is not inverted (it needs an inverting cable or adapter)"
    return None
