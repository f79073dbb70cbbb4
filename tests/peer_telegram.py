"""A telegram as dsmr_parser's own parser for whole telegrams reads it, to compare readings with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from dsmr_parser import telegram_specifications
from dsmr_parser.objects import MBusObject, MBusObjectPeak, ProfileGenericObject
from dsmr_parser.parsers import TelegramParser

from gateway.protocol.p1.obis import Kind, entry_of
from gateway.protocol.p1.obis_line import parse_timestamp
from gateway.protocol.p1.reading import Reading

_LIST_ENTRY = re.compile(r"\((\d{12}[SW])\)(?:\((\d{12}[SW])\))?\(([\d.]+)\*\w+\)")
"""One entry of a power failure log or of a history of demands."""
_YEAR_2001 = datetime(2001, 1, 1, tzinfo=UTC).timestamp()
"""Earlier dates in lists mean that there was no date."""


class PeerReading(NamedTuple):
    """What a line says, in terms that both have."""

    value: Decimal | int | str | tuple[tuple[int | Decimal | None, ...], ...] | None
    unit: str | None = None
    time: int | None = None


class PeerTelegram:
    """One telegram in dsmr_parser's hands; raises what its parser raises."""

    def __init__(self, raw: bytes, specification: str, *, is_checked: bool = True) -> None:
        """Read `raw`.

        Args:
            raw: the telegram, with CR LF.
            specification: the name of one of dsmr_parser's.
            is_checked: whether it is to check the checksum, where the specification has one.

        """
        # The one specification that asks for encrypted telegrams knows the lines of the decrypted ones.
        self._specification: Mapping[str, Any] = {
            **getattr(telegram_specifications, specification),
            "general_global_cipher": False,
        }
        parser = TelegramParser(self._specification, apply_checksum_validation=is_checked)
        self._telegram = parser.parse(raw.decode("latin-1"))

    def say(self, reading: Reading) -> PeerReading | None:
        """What it makes of the line of `reading`; None when it drops that line."""
        line = f"{reading.code}{reading.text}\r\n"
        for item in self._specification["objects"]:
            if re.match(item["obis_reference"], line, re.DOTALL | re.MULTILINE):
                found = self._find(reading.code, item["value_name"])
                return None if found is None else _translate(reading, found)
        return None

    def _find(self, code: str, name: str) -> Any:
        channel = int(code[2]) if code.startswith("0-") else 0
        holder = self._telegram.get_mbus_device_by_channel(channel) if channel else self._telegram
        return getattr(holder, name, None)


def said_by(reading: Reading) -> PeerReading:
    """What the project's own reading says, in the same terms."""
    kind = entry_of(reading.code).kind
    if kind is Kind.OTHER and isinstance(reading.value, str):
        entries = _LIST_ENTRY.findall(reading.text)
        return PeerReading(tuple((parse_timestamp(a), parse_timestamp(b), Decimal(number)) for a, b, number in entries))
    if kind is Kind.OCTETS and isinstance(reading.value, str):
        # The reading is text; as octets again it must be what was sent, but for NULs at its end.
        as_octets = f"({reading.value.encode('latin-1').hex()})"
        sent = re.sub(r"(00)+\)$", ")", reading.text.lower())
        assert as_octets == sent or reading.text == f"({reading.value})", reading
        return PeerReading(reading.text[1:-1])
    return PeerReading(reading.value, reading.unit, reading.time)


def _translate(reading: Reading, found: Any) -> PeerReading:
    if isinstance(found, ProfileGenericObject):
        return PeerReading(tuple((_dated(entry.datetime), None, Decimal(entry.value)) for entry in found.buffer))
    if isinstance(found, list):
        assert all(isinstance(peak, MBusObjectPeak) for peak in found)
        return PeerReading(tuple((_dated(peak.datetime), _dated(peak.occurred), peak.value) for peak in found))
    if isinstance(found, MBusObject):
        return PeerReading(found.value, found.unit, _unix(found.datetime))
    value = found.value
    if isinstance(value, datetime):
        return PeerReading(_unix(value))
    if isinstance(value, str) and entry_of(reading.code).kind is Kind.COUNT:
        value = int(value)
    if isinstance(value, int) and entry_of(reading.code).kind is Kind.OCTETS:
        value = str(value)  # it takes the octets of a message code for a number
    return PeerReading(value, found.unit)


def _unix(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _dated(moment: datetime | None) -> int | None:
    seconds = _unix(moment)
    return seconds if seconds is not None and seconds >= _YEAR_2001 else None
