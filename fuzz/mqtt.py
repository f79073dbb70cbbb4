"""Fuzzes the stream and the topics of an MQTT broker: `python -m fuzz.mqtt [OPTION...] fuzz/corpus/mqtt`."""

from __future__ import annotations

from fuzz.harness import Source, fuzz
from gateway.protocol.fleet.ticks import decode_tick, encode_tick, tick_of, tick_text
from gateway.protocol.fleet.topics import (
    MAX_LEVEL_CHARACTERS,
    StatusTopic,
    TelegramTopic,
    TickTopic,
    is_valid_id,
    level_of,
    name_of,
    parse,
    status_topic,
    telegram_topic,
    tick_topic,
)
from gateway.transport.mqtt_packets import MAX_LENGTH_BYTES, MAX_PACKET_BYTES, PUBLISH, NotMqttError, Packets

PREFIX = "dsmr"
NOT_MQTT = "not MQTT"

Found = list[bytes | int | str]


def check(data: bytes) -> None:
    """Check that any bytes in any segments are cut into the packets of MQTT 5.0, 2.1, or are no MQTT at the same byte.

    A topic that is understood is the one that its parts make, each name is one level of a topic and comes back, and a
    tick comes back from both of its forms.
    """
    source = Source(data)
    kind = source.number(255)
    if kind & 3 == 0:
        check_topic(source.rest().decode("utf-8", "surrogateescape"))
    elif kind & 3 == 1:
        check_tick(source.take(source.number(80)).decode("latin-1"), source.rest())
    else:
        segments = source.segments()
        stream = b"".join(segments)
        expected = reference(stream)
        assert packets_in([stream]) == expected
        assert packets_in(segments) == expected
        assert packets_in([bytes([byte]) for byte in stream]) == expected


def packets_in(segments: list[bytes]) -> Found:
    """Return the packets in these segments, or the lengths of those that are skipped."""
    packets, found = Packets(), Found()
    try:
        for segment in segments:
            found += packets.feed(segment)
            assert len(packets._stream) <= MAX_PACKET_BYTES  # noqa: SLF001 - nothing else shows its memory
    except NotMqttError:
        found.append(NOT_MQTT)
    return found


def reference(stream: bytes) -> Found:
    """Return what `packets_in` has to return, from the whole stream."""
    found, at = Found(), 0
    while at < len(stream):
        header = stream[at + 1 : at + 1 + MAX_LENGTH_BYTES]
        size = next((count for count, byte in enumerate(header, start=1) if byte < 0x80), 0)
        if not size:
            return [*found, NOT_MQTT] if len(header) == MAX_LENGTH_BYTES else found
        length = 1 + size + sum((byte & 0x7F) * 128**place for place, byte in enumerate(header[:size]))
        if length > MAX_PACKET_BYTES:
            if stream[at] >> 4 != PUBLISH >> 4:
                return [*found, NOT_MQTT]
            found.append(length)
        elif at + length > len(stream):
            return found
        else:
            found.append(stream[at : at + length])
        at += length
    return found


def check_topic(text: str) -> None:
    """Check a text as a topic below the prefix, and as the name of a meter."""
    topic = f"{PREFIX}/{text}"
    parts = parse(PREFIX, topic)
    match parts:
        case TelegramTopic(edge, meter):
            assert telegram_topic(PREFIX, edge, meter) == topic
        case StatusTopic(edge):
            assert status_topic(PREFIX, edge) == topic
        case TickTopic(gateway):
            assert tick_topic(PREFIX, gateway) == topic
    level = level_of(text)
    assert not set(level) & set("/+#$\0")
    if text:
        assert name_of(level) == text
    if text and len(level) <= MAX_LEVEL_CHARACTERS:
        assert parse(PREFIX, telegram_topic(PREFIX, "edge", text)) == TelegramTopic("edge", text)


def check_tick(text: str, payload: bytes) -> None:
    """Check a text and a payload that may be ticks."""
    for tick in (tick_of(text), decode_tick("gateway", payload)):
        if tick is not None:
            assert decode_tick(tick.gateway, encode_tick(tick)) == tick
            assert not is_valid_id(tick.gateway) or tick_of(tick_text(tick)) == tick


if __name__ == "__main__":
    fuzz(__file__)
