"""A message on a topic, and its packet: PUBLISH of MQTT 5.0 and 3.1.1 (3.3 of both), and its acknowledgement.

A telegram comes and goes twice, once over each of its brokers, so these packets are the hot path of a gateway with many
meters. They are made and read here, because paho-mqtt takes many times as long for them (`docs/decisions/mqtt.md`). All
other packets are paho's.

A packet is whole when it comes here, and no longer than `mqtt_packets.MAX_PACKET_BYTES`. So no length in it needs a
limit: it is added to a position, and a position that misses the end of its part shows that the packet is malformed.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from itertools import chain, repeat
from typing import Any, NamedTuple

PUBLISH, PUBACK = 0x30, 0x40
"""Kinds of packets; the lower four bits of a message are flags."""
RETAIN_BIT, QOS_BITS, QOS_1 = 0x01, 0x06, 0x02
FORMAT, EXPIRES, CONTENT_TYPE, RESPONSE_TOPIC = 0x01, 0x02, 0x03, 0x08
CORRELATION, SUBSCRIPTION, ALIAS, USER_PROPERTY = 0x09, 0x0B, 0x23, 0x26
"""Identifiers of all properties that a message can have (MQTT 5.0, 3.3.2.3)."""
MAX_NUMBER_BYTES = 4
"""Largest length of a number of variable length (MQTT 5.0, 1.5.5)."""
NUMBERS = range(0x8000, 0x10000)
"""Numbers of messages with QoS 1; paho counts its subscriptions from 1 on."""


class Message(NamedTuple):
    """A message on a topic."""

    topic: str
    payload: bytes
    is_retained: bool = False
    """Received: True if the broker had stored the message, which may then be of any age. Sent: True to store it."""
    properties: tuple[tuple[str, str], ...] = ()
    """The user properties in their order (MQTT 5.0, 3.3.2.3.7); empty with MQTT 3.1.1."""
    expires_s: int | None = None
    """Whole seconds after which the broker drops it; received: what was left. 0 is never sent."""
    content_type: str | None = None


class Refusal(IntEnum):
    """Reason code with which a client leaves a broker whose packet it cannot use (MQTT 5.0, 4.13)."""

    MALFORMED = 0x81
    """The packet does not follow the specification."""
    PROTOCOL_ERROR = 0x82
    """The packet contradicts what was agreed: it has no topic, a property twice, or QoS 1 or 2."""
    INVALID_ALIAS = 0x94
    """The packet has a number in place of its topic, which this client never allows (MQTT 5.0, 3.1.2.11.5)."""


class _RefusedError(ValueError):
    """A packet that cannot be used."""

    def __init__(self, refusal: Refusal = Refusal.MALFORMED) -> None:
        super().__init__(refusal)
        self.refusal = refusal


def message_numbers() -> Iterator[int]:
    """Return the numbers of messages, again and again; `itertools.cycle` would keep all of them, which takes 1.3 MB."""
    return chain.from_iterable(repeat(NUMBERS))


def encode(message: Message, number: int | None, *, is_new: bool, is_stored: bool) -> bytes:
    """Return the packet of a message.

    Args:
        message: the message; the text of its topic and of each property has 65,535 bytes at most.
        number: the number that the broker acknowledges it with (QoS 1); None to send it with QoS 0.
        is_new: True for MQTT 5, False for 3.1.1, in which the properties are left out.
        is_stored: True to let the broker store it.

    Raises:
        OverflowError: a text is too long.

    """
    flags = PUBLISH | (RETAIN_BIT if is_stored else 0) | (0 if number is None else QOS_1)
    begin = _text(message.topic) + (b"" if number is None else number.to_bytes(2, "big"))
    if is_new:
        properties = _encoded_properties(message)
        begin += _encoded_number(len(properties)) + properties
    return b"".join((bytes((flags,)), _encoded_number(len(begin) + len(message.payload)), begin, message.payload))


def _encoded_properties(message: Message) -> bytes:
    parts: list[bytes] = []
    if message.expires_s is not None:
        parts += (b"%c" % EXPIRES, max(1, message.expires_s).to_bytes(4, "big"))
    if message.content_type is not None:
        parts += (b"%c" % CONTENT_TYPE, _text(message.content_type))
    for name, value in message.properties:
        parts += (b"%c" % USER_PROPERTY, _text(name), _text(value))
    return b"".join(parts)


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _encoded_number(number: int) -> bytes:
    """Return a number of variable length."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def decode_acknowledgement(packet: bytes, *, is_new: bool) -> tuple[int, int] | Refusal:
    """Return the number of a message and the broker's reason code, which is 0 or 16 if it was accepted.

    MQTT 3.1.1 has no reason codes, and MQTT 5 may leave out 0 (MQTT 5.0, 3.4.2.1). Properties that follow are ignored.
    """
    begin = 2  # one with a long reason in words has another byte of length
    while packet[begin - 1] & 0x80 and begin < len(packet):
        begin += 1
    if len(packet) < begin + 2:
        return Refusal.MALFORMED
    code = packet[begin + 2] if is_new and len(packet) > begin + 2 else 0
    return packet[begin] << 8 | packet[begin + 1], code


def decode(packet: bytes, *, is_new: bool) -> Message | Refusal:
    """Return the message in a whole PUBLISH packet with QoS 0, or the reason why it cannot be used.

    The flag of a repeated packet is ignored: it means nothing with QoS 0.

    Args:
        packet: the packet with its header, in which the remaining length is that of the packet.
        is_new: True for MQTT 5, False for 3.1.1, which has no properties.

    """
    flags = packet[0]
    if flags & QOS_BITS:
        return Refusal.MALFORMED if flags & QOS_BITS == QOS_BITS else Refusal.PROTOCOL_ERROR
    try:
        return _decode(packet, bool(flags & RETAIN_BIT), is_new)
    except _RefusedError as error:
        return error.refusal
    except (IndexError, UnicodeDecodeError):
        return Refusal.MALFORMED


def _decode(packet: bytes, is_retained: bool, is_new: bool) -> Message:
    at = 2
    while packet[at - 1] & 0x80:
        at += 1
    end = at + 2 + (packet[at] << 8 | packet[at + 1])
    topic = packet[at + 2 : end].decode()
    if end > len(packet) or "\0" in topic or "+" in topic or "#" in topic:
        raise _RefusedError
    pairs: tuple[tuple[str, str], ...] = ()
    others: dict[int, Any] = {}
    if is_new:
        length, begin = _number(packet, end)
        end = begin + length
        if end > len(packet):
            raise _RefusedError
        pairs, others = _properties(packet, begin, end)
    if not topic:
        raise _RefusedError(Refusal.PROTOCOL_ERROR)
    return Message(topic, packet[end:], is_retained, pairs, others.get(EXPIRES), others.get(CONTENT_TYPE))


def _properties(packet: bytes, at: int, end: int) -> tuple[tuple[tuple[str, str], ...], dict[int, Any]]:
    """Return the user properties in their order, and the other properties by their identifiers."""
    pairs: list[tuple[str, str]] = []
    others: dict[int, Any] = {}
    while at < end:
        kind = packet[at]
        if kind == USER_PROPERTY:
            # Most properties of a telegram are these; without a call, they take half the time.
            middle = at + 3 + (packet[at + 1] << 8 | packet[at + 2])
            stop = middle + 2 + (packet[middle] << 8 | packet[middle + 1])
            pair = packet[at + 3 : middle].decode(), packet[middle + 2 : stop].decode()
            if "\0" in pair[0] or "\0" in pair[1]:
                raise _RefusedError
            pairs.append(pair)
            at = stop
            continue
        if kind in others:
            raise _RefusedError(Refusal.PROTOCOL_ERROR)
        value, at = _value(packet, kind, at + 1)
        if kind != SUBSCRIPTION:  # one for each subscription that the message fits
            others[kind] = value
    if at > end:
        raise _RefusedError
    return tuple(pairs), others


def _value(packet: bytes, kind: int, at: int) -> tuple[Any, int]:
    """Return the value of a property other than a user property, and the position behind it."""
    if kind == EXPIRES:
        return int.from_bytes(packet[at : at + 4], "big"), at + 4
    if kind in (CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION):
        stop = at + 2 + (packet[at] << 8 | packet[at + 1])
        text = "" if kind == CORRELATION else packet[at + 2 : stop].decode()
        if "\0" not in text:
            return text, stop
    elif kind == SUBSCRIPTION:
        number, stop = _number(packet, at)
        if not number:
            raise _RefusedError(Refusal.PROTOCOL_ERROR)
        return number, stop
    elif kind == FORMAT and packet[at] <= 1:
        return packet[at], at + 1
    raise _RefusedError(Refusal.INVALID_ALIAS if kind == ALIAS else Refusal.MALFORMED)


def _number(packet: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length, the lowest seven bits first, and the position behind it."""
    number = 0
    for index in range(MAX_NUMBER_BYTES):
        byte = packet[at + index]
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, at + index + 1
    raise _RefusedError
