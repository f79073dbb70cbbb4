"""Diagnosis of a line that brings bytes but no accepted telegram: the cause and the remedy.

The first bytes of a connection are compared with what is known to come over such lines: a message of ser2net, frames of
other meter protocols (DLMS in HDLC, SML, wired M-Bus), an encrypted telegram, and characters that a P1 line does not
contain, which come from a wrong setting of the serial line. Where telegrams come and are refused, the reason for that
counts; a checksum that is wrong by the P1 specification is compared with other common ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from gateway.problems.problem import Problem, problem_of
from gateway.protocol.p1.checksums import RECOGNISED
from gateway.protocol.p1.raw_stream import CIPHERED_START, FRAME_HEADER
from gateway.protocol.p1.telegram import RefusalReason, RefusedTelegram

MIN_NOISE_BYTES = 32
"""Least number of bytes for a diagnosis."""
NOISE_SHARE = 8
"""Bytes per unexpected byte, above which a sample is noise. At 7E1 a wrong setting brings printable characters."""

ENCRYPTED = "encrypted-telegrams"
"""Code of the problem that the telegrams are encrypted."""
NOISE = "noise"
"""Code of the problem that the bytes are not text."""
_STRANGE = re.compile(rb"[^0-9A-Za-z \r\n()*.:/!\\\\_-]")
_PARITY_BITS = re.compile(rb"[0-9]-[0-9]:[0-9]+\.[0-9]+\.[0-9]+\(")

_HDLC_START = re.compile(rb"\x7e(?=([\xa0-\xaf][\s\S]))")
"""Flag and frame format of type 3 (IEC 62056-46, 6.4.4.2); the lower 11 bits are the length between the flags."""
_LLC = re.compile(rb"\xe6[\xe6\xe7]\x00")
"""LLC header of DLMS (IEC 62056-46, 5.3)."""
_LLC_WITHIN_BYTES = 20
_SML_START = b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01"
"""Escape sequence and version with which an SML file begins (BSI TR-03109-1)."""
_MBUS_START = re.compile(rb"\x68(?=([\x03-\xff])\1\x68)")
"""Long frame of wired M-Bus (EN 13757-2): start, the length twice, start."""


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
_HDLC = problem_of(
    "hdlc-frames",
    "DLMS in HDLC frames, which is not P1 text: the cable and the settings are not the cause",
    "Use a reader for DLMS on a HAN port, or ask the grid operator whether the port can send P1 telegrams",
    short="DLMS in HDLC frames, not P1 text",
)
_SML = problem_of(
    "sml",
    "SML, which is not P1 text: German meters send it, and the cable and the settings are not the cause",
    "Use a reader for SML such as vzlogger",
    short="SML, not P1 text",
)
_MBUS = problem_of(
    "mbus-frames",
    "frames of wired M-Bus, which is not P1 text: the settings are not the cause",
    "Use the meter's P1 port, if it has one, or a reader for M-Bus",
    short="wired M-Bus, not P1 text",
)
_KEY = ". The content is encrypted: that reader needs the key from the grid operator"
_ENCRYPTED = problem_of(
    "encrypted-telegrams",
    "encrypted telegrams, and the gateway has no key",
    "Set decryption of the meter to the key from the grid operator, or let the readers of a passthrough decrypt them",
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

_REFUSED: Mapping[RefusalReason, tuple[str, str]] = {
    RefusalReason.CHECKSUM: (
        "the checksum is wrong, so bytes are lost or changed on the way",
        "Check the cable, its length and its ground, and that no other program reads the port",
    ),
    RefusalReason.NO_CHECKSUM: (
        "they have no checksum, which this version of DSMR requires",
        "Set dsmr_version to auto, and check that nothing removes the end of the telegrams",
    ),
    RefusalReason.TRUNCATED: ("the end is missing", "Check the cable, and that no other program reads the port"),
    RefusalReason.OVERSIZE: ("no end mark comes", "Check the cable, and the speed of the line"),
    RefusalReason.FORM: (
        "a line cannot be read, or a required line is missing",
        "Check the cable, and the speed and parity of the line",
    ),
    RefusalReason.OTHER_METER: (
        "they are from another meter than the configured one",
        "Check the address of the source, and equipment_identifier",
    ),
    RefusalReason.UNCONFIRMED: (
        "without a checksum, they are used once two of them agree",
        "Wait for the next telegram; if it does not help, check the cable",
    ),
    RefusalReason.IMPLAUSIBLE: (
        "the numbers contradict each other",
        "Check the cable, and the speed and parity of the line",
    ),
}
_END = re.compile(rb"!([0-9A-Fa-f]{4})")


def diagnose(sample: bytes) -> Problem | None:
    """Return the cause that the first bytes of a connection without a telegram show; None when they show none."""
    for text, problem in _TEXTS.items():
        if text in sample:
            return problem
    if len(sample) < MIN_NOISE_BYTES:
        return None
    other = _other_protocol(sample)
    if other:
        return other
    if FRAME_HEADER.search(sample):
        return _ENCRYPTED
    if NOISE_SHARE * len(_STRANGE.findall(sample)) <= len(sample):
        return None
    # Even parity sets bit 7 of half of the characters; the other seven bits are text.
    if _PARITY_BITS.search(bytes(byte & 0x7F for byte in sample)):
        return _PARITY
    return _NOISE


def explain(sample: bytes, refused: RefusedTelegram | None, *, is_closed: bool) -> Problem | None:
    """Return why the bytes that came are not accepted telegrams, with the remedy; None where they do not show it.

    Args:
        sample: the first bytes of the connection.
        refused: the last telegram that was refused on it.
        is_closed: True when the other end closed the connection, which may explain that a telegram did not end.

    """
    diagnosis = diagnose(sample)
    if diagnosis:
        return diagnosis
    if refused:
        return explain_refusal(refused)
    if not sample or is_closed:
        return None
    if b"/" in sample:
        hint = "Check the cable, and that no other program reads the port"
        return problem_of("telegram-without-end", "a telegram began and did not end", hint)
    what = "the bytes that come are not a telegram"
    return problem_of("not-a-telegram", what, "Check that this is a P1 port, and the speed of the line")


def explain_refusal(refused: RefusedTelegram) -> Problem:
    """Return why a telegram that came whole is not accepted, with the remedy."""
    other = name_checksum(refused.raw)
    if other:
        return problem_of(
            "other-checksum",
            f"telegrams come with another checksum than P1's CRC-16/ARC, {other}: cable and speed are not the cause",
            "Please report the meter: it is not supported yet",
            checksum=other,
        )
    cause, hint = _REFUSED[refused.reason]
    return problem_of("telegrams-refused", f"telegrams come and are refused: {cause}", hint)


def name_checksum(raw: bytes) -> str | None:
    """Return the name of the checksum, other than that of P1, that fits the end line of `raw`, or None."""
    match = _END.search(raw, max(0, raw.rfind(b"!")))
    if not match:
        return None
    given = int(match[1], 16)
    swapped = given >> 8 | (given & 0xFF) << 8
    body = raw[: match.start() + 1]
    return next((each.name for each in RECOGNISED if each.of(body) in (given, swapped)), None)


def _other_protocol(sample: bytes) -> Problem | None:
    if _SML_START in sample:
        return _SML
    problem = _HDLC if _has_hdlc_frame(sample) else _MBUS if _has_mbus_frame(sample) else None
    if problem and CIPHERED_START in sample:
        return replace(problem, hint=problem.hint + _KEY)
    return problem


def _has_hdlc_frame(sample: bytes) -> bool:
    for match in _HDLC_START.finditer(sample):
        at = match.end()
        length = int.from_bytes(match[1], "big") & 0x7FF
        if sample[at + length : at + length + 1] == b"\x7e" or _LLC.search(sample, at, at + _LLC_WITHIN_BYTES):
            return True
    return False


def _has_mbus_frame(sample: bytes) -> bool:
    for match in _MBUS_START.finditer(sample):
        begin = match.end() + 3
        end = begin + match[1][0]
        # The checksum is the sum of the bytes between the header and itself; 0x16 ends the frame.
        if sample[end : end + 2] == bytes((sum(sample[begin:end]) & 0xFF, 0x16)):
            return True
    return False
