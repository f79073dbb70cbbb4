"""Telegrams without what tells whose they are: identifiers, serial numbers, EAN codes and text messages.

What stays is what is known to be harmless, so that an identifier at a place that nobody knows, or in a line
that noise has broken, goes as well. Lengths and line ends stay, to tell what is wrong with a telegram; its
checksum no longer fits.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from gateway.protocol.p1.obis import ENTRIES, Kind, entry_of

MASK = b"X"
_PUBLIC = "(public address)"
SHORT_CHARACTERS = 5
"""What is no longer than this identifies nobody: `ON`, `80`, `00004`."""

_LINE = re.compile(rb"[^\r\n]+(?:[\r\n]+\([^\r\n]*)*")
_OBIS = re.compile(rb"([0-9]-[0-9]:([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}))((?:\*255)?)((?:\([^()]*\)[\r\n]*)+)")
_GROUP = re.compile(rb"\(([^()]*)\)")
_MASKED = re.compile(rb"[^()\r\n]")
_END = re.compile(rb"![0-9A-Fa-f]{0,4}[\0 ]*")
_IDENTIFICATION = re.compile(rb"/[A-Za-z]{3}[^()]*")
_SERIAL = re.compile(rb"[0-9A-Fa-f]*[0-9]{5}[0-9A-Fa-f]*")

_IDENTIFYING = re.compile(rb"(?:96\.1|96\.13|42\.0|0\.0)\.[0-9]+")
"""Value groups C.D.E of identifiers, messages and device names, whatever the medium and channel."""
_EMUCS_VERSION = re.compile(rb"0-0:96\.1\.4\((?:[0-9]{5}|(?:3[0-9]){5})\)[\r\n]*")
"""Which stands among the identifiers and is none; Walloon meters send it in hexadecimal."""

_RUN = re.compile(r"(?<![0-9A-Za-z.])[0-9A-Fa-f]*[0-9]{7}[0-9A-Fa-f]*(?![0-9A-Za-z.])|[0-9A-Fa-f]{16,}")
"""Of digits, also as hexadecimal: what a meter measures has a point in it, and a moment of the log has marks."""
_USB_SERIAL = re.compile(r"(by-id/[^\s'\"]*_)(?=[A-Za-z]*[0-9])([0-9A-Za-z]{2,})(?![0-9A-Za-z_])")
"""The last word of an adapter's name, also of one that was cut short."""
_HOME = re.compile(r"/(?:home|Users)/[^/\s'\"]+")
_ADDRESS = re.compile(
    r"(?<![0-9A-Za-z.:])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![0-9A-Za-z.])"
)

_QUANTITY = rb"-?[0-9]{1,11}(?:\.[0-9]{1,12})?\*[A-Za-z][A-Za-z0-9]{0,7}"
_HARMLESS = re.compile(rb"%b|-?[0-9]{1,11}(?:\.[0-9]{1,12})?|[0-9]{12}[SW]?|[0-9]-[0-9]:[0-9.]{5,11}" % _QUANTITY)
"""What a line of a known quantity says: a value, a moment, the code of another line."""
_HARMLESS_ANYWHERE = re.compile(_QUANTITY)


def redact(telegram: bytes) -> bytes:
    """`telegram`, or any bytes of a P1 line, with all that may identify somebody masked; equally long."""
    return _LINE.sub(lambda match: _redact_line(match[0]), telegram)


def redact_text(text: str) -> str:
    """A text that people read, such as a line of a log, with what may identify somebody masked.

    These are long runs of digits, serial numbers of USB adapters, home folders, and addresses of the internet; what
    has an address of its own at home tells nothing to others.
    """
    text = _USB_SERIAL.sub(lambda match: match[1] + "X" * len(match[2]), text)
    text = _HOME.sub("~", text)
    text = _RUN.sub(lambda match: "X" * len(match[0]), text)
    return _ADDRESS.sub(lambda match: _PUBLIC if _is_public(match[0]) else match[0], text)


def _is_public(address: str) -> bool:
    try:
        return ip_address(address).is_global
    except ValueError:
        return False


def _redact_line(line: bytes) -> bytes:
    if _IDENTIFICATION.fullmatch(line):
        # The maker and the type stay, which tell what the meter does wrong; what follows them may be its serial number.
        return _SERIAL.sub(lambda match: MASK * len(match[0]), line)
    if _END.fullmatch(line):
        return line
    shape = _OBIS.fullmatch(line)
    if shape is None:
        # Nor do bytes beyond ASCII stay: at a wrong setting of the line they are digits with a parity bit.
        return _MASKED.sub(MASK, line)
    code, values, suffix, groups = shape.groups()
    if _is_harmless(code, values, groups) or _EMUCS_VERSION.fullmatch(line):
        return line
    return code + suffix + _MASKED.sub(MASK, groups)


def _is_harmless(code: bytes, values: bytes, groups: bytes) -> bool:
    if _IDENTIFYING.fullmatch(values):
        return False
    entry = entry_of(code.decode("ascii"))
    is_known = entry.kind not in (Kind.TEXT, Kind.OCTETS) and (entry.kind is not Kind.OTHER or code.decode() in ENTRIES)
    pattern = _HARMLESS if is_known else _HARMLESS_ANYWHERE
    return all(len(group) <= SHORT_CHARACTERS or pattern.fullmatch(group) for group in _GROUP.findall(groups))
