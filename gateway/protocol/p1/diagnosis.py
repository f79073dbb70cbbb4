"""Diagnosis of a line that brings bytes but no telegram: the cause and the remedy, in words.

The first bytes of a connection are compared with three patterns: a message of ser2net, an encrypted telegram, and
characters that a P1 line does not contain, which come from a wrong setting of the serial line.
"""

from __future__ import annotations

import re

from gateway.protocol.p1.raw_stream import CIPHERED_START

MIN_NOISE_BYTES = 32
"""Least number of bytes for a diagnosis."""
NOISE_SHARE = 8
"""Bytes per unexpected byte, above which a sample is noise. At 7E1 a wrong setting brings printable characters."""

NOISE = "noise"
"""First word of the diagnosis of a wrong serial setting."""
_STRANGE = re.compile(rb"[^0-9A-Za-z \r\n()*.:/!\\\\_-]")
_PARITY_BITS = re.compile(rb"[0-9]-[0-9]:[0-9]+\.[0-9]+\.[0-9]+\(")

_TEXTS = {
    b"Port already in use": "the ser2net at the other end has no free connection. Raise its max-connections, or"
    " close the other reader",
    b"Port's device already in use": "another connection of the ser2net at the other end has the device open",
    b"Device open failure": "the ser2net at the other end cannot open its serial device. Check the cable there",
    b"denied due to your net address": "the ser2net at the other end does not allow this host's address",
}


def diagnose(sample: bytes) -> str | None:
    """Return the cause and the remedy for a connection without telegrams, from its first bytes, or None."""
    for text, meaning in _TEXTS.items():
        if text in sample:
            return f"{text.decode()!r}: {meaning}"
    if len(sample) < MIN_NOISE_BYTES:
        return None
    if CIPHERED_START in sample:
        return "encrypted telegrams: the gateway cannot read them, but a passthrough passes them on"
    if NOISE_SHARE * len(_STRANGE.findall(sample)) <= len(sample):
        return None
    # Even parity sets bit 7 of half of the characters; the other seven bits are text.
    if _PARITY_BITS.search(bytes(byte & 0x7F for byte in sample)):
        return (
            "text with parity bits: the line is read as 8N1 and the meter sends 7E1. Leave dsmr_version on auto or"
            " 2.2, and in the ser2net at the other end, if there is one, write 9600e71"
        )
    return f"{NOISE}: the speed is wrong, or the P1 line is not inverted (it needs an inverting cable or adapter)"
