"""Redaction: telegrams and texts without personal data, to be shown to other people.

Identifiers, serial numbers, EAN codes and text messages are replaced by `X`. Only data that is known to be harmless
stays, so that an identifier in an unknown line, or in a line that noise has damaged, is replaced too. Lengths and line
ends stay, because they show what is wrong with a telegram. The checksum of a redacted telegram does not match.

Data lines are recognised with the grammar that readings use (`obis_line`).
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from gateway.protocol.p1.obis import ENTRIES, Kind, entry_of
from gateway.protocol.p1.obis_line import CODE, DATA_LINE, LINE, STAMP, UNIT, VALUE_GROUP

MASK = "X"
"""Character that replaces each character of personal data."""
_PUBLIC = "(public address)"
SHORT_CHARACTERS = 5
"""Largest length of a value that identifies nobody, such as `ON`, `80` or `00004`."""

_MASKED = re.compile(r"[^()\r\n]")
_END = re.compile(r"![0-9A-Fa-f]{0,4}[\0 ]*")
_IDENTIFICATION = re.compile(r"/[A-Za-z]{3}[^()]*")
_SERIAL = re.compile(r"[0-9A-Fa-f]*[0-9]{5}[0-9A-Fa-f]*")

_IDENTIFYING = re.compile(r".*:(?:96\.1|96\.13|42\.0|0\.0)\.[0-9]+")
"""OBIS codes of identifiers, messages and device names, of every medium and channel."""
_EMUCS_VERSION = re.compile(r"0-0:96\.1\.4\((?:[0-9]{5}|(?:3[0-9]){5})\)[\r\n]*")
"""Line of the e-MUCS version. Its code is one of identifiers, but it identifies nobody. Walloon meters send it in
hexadecimal."""

_RUN = re.compile(r"(?<![0-9A-Za-z.])[0-9A-Fa-f]*[0-9]{7}[0-9A-Fa-f]*(?![0-9A-Za-z.])|[0-9A-Fa-f]{16,}")
"""A long run of digits, also hexadecimal. Measured values have a decimal point, and times of a log have separators."""
_IDENTIFIER = re.compile(r"(?<![0-9A-Za-z.:])[0-9A-Fa-f]*[0-9]{8}[0-9A-Fa-f]*(?![0-9A-Za-z.])|[0-9A-Fa-f]{16,}")
"""A run of digits that is longer than the numbers in the gateway's own sentences, such as that of a process."""
_USB_SERIAL = re.compile(r"(by-id/[^\s'\"]*_)(?=[A-Za-z]*[0-9])([0-9A-Za-z]{2,})(?![0-9A-Za-z_])")
"""The serial number at the end of an adapter's name, also of a truncated name."""
_HOME = re.compile(r"/(?:home|Users)/[^/\s'\"]+")
_ADDRESS = re.compile(
    r"(?<![0-9A-Za-z.:])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![0-9A-Za-z.])"
)

# Shorter than the longest number that can be read: an identifier may consist of 12 or more digits.
_NUMBER = r"-?[0-9]{1,11}(?:\.[0-9]{1,12})?"
_QUANTITY = rf"{_NUMBER}\*{UNIT}"
_HARMLESS = re.compile(rf"{_QUANTITY}|{_NUMBER}|{STAMP}|{CODE}")
"""Harmless values in a line of a known quantity: a number, a time stamp, the code of another line."""
_HARMLESS_ANYWHERE = re.compile(_QUANTITY)
"""Harmless values in every line."""


def redact(telegram: bytes) -> bytes:
    """Return `telegram`, or any other bytes of a P1 line, with personal data replaced; the length stays the same."""
    return LINE.sub(lambda match: _redact_line(match[0].decode("latin-1")).encode("latin-1"), telegram)


def redact_text(text: str) -> str:
    """Return a text, such as a line of a log, with personal data replaced.

    Replaced are long runs of digits, serial numbers of USB adapters, home folders and public IP addresses. Private
    addresses stay.
    """
    text = _USB_SERIAL.sub(lambda match: match[1] + MASK * len(match[2]), text)
    text = _HOME.sub("~", text)
    text = _RUN.sub(lambda match: MASK * len(match[0]), text)
    return _ADDRESS.sub(lambda match: _PUBLIC if _is_public(match[0]) else match[0], text)


def mask_identifiers(text: str) -> str:
    """Return a line of the log with runs of digits replaced that may be identifiers; addresses and paths stay."""
    return _IDENTIFIER.sub(lambda match: MASK * len(match[0]), text)


def redact_line(text: str) -> str:
    """Return a line of a telegram, which may have characters that no telegram has, with personal data replaced."""
    return redact(text.encode("latin-1", "replace")).decode("latin-1")


def _is_public(address: str) -> bool:
    try:
        return ip_address(address).is_global
    except ValueError:
        return False


def _redact_line(line: str) -> str:
    if _IDENTIFICATION.fullmatch(line):
        # The manufacturer and the type stay, because they help to find a problem. A serial number may follow them.
        return _SERIAL.sub(lambda match: MASK * len(match[0]), line)
    if _END.fullmatch(line):
        return line
    shape = DATA_LINE.fullmatch(line)
    if shape is None:
        # Bytes beyond ASCII are replaced too: with a wrong serial setting they are digits with a parity bit.
        return _MASKED.sub(MASK, line)
    code, suffix, groups = shape.groups()
    if _is_harmless(code, groups) or _EMUCS_VERSION.fullmatch(line):
        return line
    return code + suffix + _MASKED.sub(MASK, groups)


def _is_harmless(code: str, groups: str) -> bool:
    if _IDENTIFYING.fullmatch(code):
        return False
    entry = entry_of(code)
    is_known = entry.kind not in (Kind.TEXT, Kind.OCTETS) and (entry.kind is not Kind.OTHER or code in ENTRIES)
    pattern = _HARMLESS if is_known else _HARMLESS_ANYWHERE
    return all(len(group) <= SHORT_CHARACTERS or pattern.fullmatch(group) for group in VALUE_GROUP.findall(groups))
