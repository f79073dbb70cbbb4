"""Diagnosis of a line that brings bytes but no telegram: the cause and the remedy.

The first bytes of a connection are compared with three patterns: a message of ser2net, an encrypted telegram, and
characters that a P1 line does not contain, which come from a wrong setting of the serial line.
"""

from __future__ import annotations

import re

from gateway.problems.problem import Problem, problem_of
from gateway.protocol.p1.raw_stream import CIPHERED_START

MIN_NOISE_BYTES = 32
"""Least number of bytes for a diagnosis."""
NOISE_SHARE = 8
"""Bytes per unexpected byte, above which a sample is noise. At 7E1 a wrong setting brings printable characters."""

NOISE = "noise"
"""Code of the problem that the bytes are not text."""
_STRANGE = re.compile(rb"[^0-9A-Za-z \r\n()*.:/!\\\\_-]")
_PARITY_BITS = re.compile(rb"[0-9]-[0-9]:[0-9]+\.[0-9]+\.[0-9]+\(")

_TEXTS = {
    b"Port already in use": problem_of(
        "ser2net-full",
        "'Port already in use': the ser2net at the other end has no free connection",
        "Raise its max-connections, or close the other reader",
        short="ser2net has no connection left",
    ),
    b"Port's device already in use": problem_of(
        "ser2net-device-in-use",
        '"Port\'s device already in use": another connection of the ser2net at the other end has the device open',
        "Close the other connection",
        short="device in use at the ser2net",
    ),
    b"Device open failure": problem_of(
        "ser2net-device-failed",
        "'Device open failure': the ser2net at the other end cannot open its serial device",
        "Check the cable there",
        short="ser2net cannot open its device",
    ),
    b"denied due to your net address": problem_of(
        "ser2net-denied",
        "'denied due to your net address': the ser2net at the other end does not allow this host's address",
        "Allow the address there",
        short="not allowed by the ser2net",
    ),
}
"""Texts that ser2net sends in place of telegrams."""
_ENCRYPTED = problem_of(
    "encrypted-telegrams",
    "encrypted telegrams: the gateway cannot read them",
    "A passthrough sends them to its readers, who can decrypt them",
)
_PARITY = problem_of(
    "text-with-parity-bits",
    "text with parity bits: the line is read as 8N1, and the meter sends 7E1",
    "Set dsmr_version to auto or 2.2, and in the ser2net at the other end, if there is one, 9600e71",
)
_NOISE = problem_of(
    "noise",
    "noise: the speed is wrong, or the P1 line is not inverted",
    "A P1 port needs an inverting cable or adapter",
    short="noise: wrong speed or not inverted",
)


def diagnose(sample: bytes) -> Problem | None:
    """Return the cause that the first bytes of a connection without a telegram show; None when they show none."""
    for text, problem in _TEXTS.items():
        if text in sample:
            return problem
    if len(sample) < MIN_NOISE_BYTES:
        return None
    if CIPHERED_START in sample:
        return _ENCRYPTED
    if NOISE_SHARE * len(_STRANGE.findall(sample)) <= len(sample):
        return None
    # Even parity sets bit 7 of half of the characters; the other seven bits are text.
    if _PARITY_BITS.search(bytes(byte & 0x7F for byte in sample)):
        return _PARITY
    return _NOISE
