"""Messages are made and read as paho-mqtt does it, however the stream is cut; what cannot be used is a reason code."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import _packet
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.problems.problem import ProblemError
from gateway.transport.mqtt_connection import Connection, PahoClient, Takers
from gateway.transport.mqtt_message import (
    ALIAS,
    PUBLISH,
    USER_PROPERTY,
    Message,
    Refusal,
    decode,
    decode_acknowledgement,
    encode,
)
from gateway.transport.mqtt_packets import NotMqttError, Packets

VERSIONS = {True: MQTTProtocolVersion.MQTTv5, False: MQTTProtocolVersion.MQTTv311}


class Encoder(Client):
    """Keeps the packets that paho would send."""

    def __init__(self, *, is_new: bool) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, "x", protocol=VERSIONS[is_new])
        self._sock: Any = Mock()
        self.packets: list[bytes] = []
        self.max_inflight_messages_set(0)

    def _packet_queue(self, _command: int, packet: Any, *_: Any, **__: Any) -> Any:
        self.packets.append(bytes(packet))
        self._out_messages.clear()
        return 0


ENCODERS = {is_new: Encoder(is_new=is_new) for is_new in (True, False)}


def encoded(message: Message, others: dict[str, Any], qos: int = 0, *, is_new: bool = True) -> bytes:
    """Return the packet that paho sends for a message; its number is that of `ENCODERS` then."""
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if message.properties:
        properties.UserProperty = list(message.properties)
    if message.expires_s is not None:
        properties.MessageExpiryInterval = message.expires_s
    if message.content_type is not None:
        properties.ContentType = message.content_type
    for name, value in others.items():
        setattr(properties, name, value)
    client = ENCODERS[is_new]
    client.publish(message.topic, message.payload, qos, message.is_retained, properties if is_new else None)
    return client.packets.pop()


def decoded_by_paho(packet: bytes, *, is_new: bool) -> Message | None:
    """Return the message as paho decodes it; None if it refuses the packet."""
    at = 2
    while packet[at - 1] & 0x80:
        at += 1
    try:
        found = _packet.decode_publish(packet[0], packet[at:], VERSIONS[is_new])
        topic = found.topic.decode()
    except (MalformedPacket, UnicodeDecodeError):
        return None
    return Message(
        topic,
        bytes(found.payload),
        found.retain,
        tuple(getattr(found.properties, "UserProperty", ())),
        getattr(found.properties, "MessageExpiryInterval", None),
        getattr(found.properties, "ContentType", None),
    )


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
TOPIC = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0+#"), min_size=1, max_size=200)
MESSAGES = st.builds(
    Message,
    TOPIC,
    st.binary(max_size=300),
    st.booleans(),
    st.lists(st.tuples(TEXT, TEXT), max_size=9).map(tuple),
    st.none() | st.integers(0, 2**32 - 1),
    st.none() | TEXT,
)
OTHERS = st.fixed_dictionaries(
    {},
    optional={
        "PayloadFormatIndicator": st.integers(0, 1),
        "ResponseTopic": TEXT,
        "CorrelationData": st.binary(max_size=20),
        "SubscriptionIdentifier": st.lists(st.integers(1, 268_435_455), min_size=1, max_size=3),
    },
)


@given(MESSAGES, OTHERS)
def test_a_message_of_mqtt_5_is_read_as_paho_writes_it(message: Message, others: dict[str, Any]) -> None:
    assert decode(encoded(message, others), is_new=True) == message


@given(MESSAGES)
def test_a_message_of_mqtt_3_1_1_is_read_as_paho_writes_it(message: Message) -> None:
    plain = Message(message.topic, message.payload, message.is_retained)
    assert decode(encoded(message, {}, is_new=False), is_new=False) == plain


def test_a_long_message_is_read_and_made() -> None:
    message = Message("t" * 65_535, b"p" * 100_000, properties=(("n" * 65_535, "v" * 65_535),))
    assert decode(encoded(message, {}), is_new=True) == message
    assert encode(message, None, is_new=True, is_stored=False) == encoded(message, {})
    with pytest.raises(OverflowError):
        encode(Message("t" * 65_536, b""), None, is_new=True, is_stored=False)


@given(MESSAGES, st.booleans(), st.booleans())
def test_a_message_is_made_as_paho_makes_it(message: Message, is_new: bool, is_acknowledged: bool) -> None:
    message = message._replace(expires_s=message.expires_s or None)
    theirs = encoded(message, {}, int(is_acknowledged), is_new=is_new)
    number = ENCODERS[is_new]._last_mid if is_acknowledged else None
    assert encode(message, number, is_new=is_new, is_stored=message.is_retained) == theirs


def test_an_expiry_of_0_is_never_sent() -> None:
    """Some brokers take it for never, others for at once."""
    soon = Message("t", b"", expires_s=1)
    packet = encode(soon._replace(expires_s=0), None, is_new=True, is_stored=False)
    assert packet == encode(soon, None, is_new=True, is_stored=False)


@pytest.mark.parametrize(
    ("packet", "found"),
    [
        (b"\x40\x02\x80\x07", (0x8007, 0)),
        (b"\x40\x03\x00\x07\x10", (7, 0x10)),
        (b"\x40\x04\x00\x07\x87\x00", (7, 0x87)),
        (b"\x40\x86\x01\x00\x07\x97" + b"\x82\x01\x1f\x00\x7f" + b"x" * 127, (7, 0x97)),
        (b"\x40\x00", Refusal.MALFORMED),
        (b"\x40\x01\x00", Refusal.MALFORMED),
        (b"\x40\x82\x00", Refusal.MALFORMED),
        (b"\x40\x80", Refusal.MALFORMED),
    ],
)
def test_an_acknowledgement_has_the_number_and_the_reason_code(packet: bytes, found: object) -> None:
    assert decode_acknowledgement(packet, is_new=True) == found


def test_an_acknowledgement_of_mqtt_3_1_1_has_no_reason_code() -> None:
    assert decode_acknowledgement(b"\x40\x02\x00\x07", is_new=False) == (7, 0)


@given(st.lists(MESSAGES, max_size=4), st.lists(st.integers(1, 60), min_size=1))
def test_messages_are_read_however_the_stream_is_cut(messages: list[Message], sizes: list[int]) -> None:
    stream = b"".join(encoded(message, {}) for message in messages)
    packets, found, at = Packets(), [], 0
    while at < len(stream):
        size = sizes[at % len(sizes)]
        found += [decode(packet, is_new=True) for packet in packets.feed(stream[at : at + size])]  # type: ignore[arg-type]
        at += size
    assert found == messages


CHANGES = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=4)


@given(MESSAGES, OTHERS, CHANGES, st.booleans())
def test_a_damaged_message_is_what_paho_reads_or_refused(
    message: Message, others: dict[str, Any], changes: Sequence[tuple[int, int]], is_new: bool
) -> None:
    damaged = bytearray(encoded(message, others, is_new=is_new))
    for at, value in changes:
        damaged[1 + at % (len(damaged) - 1)] = value
    try:
        packets = [packet for packet in Packets().feed(bytes(damaged)) if isinstance(packet, bytes)]
    except NotMqttError:
        return
    for packet in packets:
        if packet[0] & 0xF0 == PUBLISH:
            check(packet, is_new=is_new)


@given(st.binary(max_size=80), st.booleans())
def test_garbage_is_what_paho_reads_or_refused(garbage: bytes, is_new: bool) -> None:
    check(b"\x30" + bytes([len(garbage)]) + garbage, is_new=is_new)


def check(packet: bytes, *, is_new: bool) -> None:
    """Check that a packet is refused, or read as paho does it."""
    ours = decode(packet, is_new=is_new)
    if isinstance(ours, Message):
        assert ours == decoded_by_paho(packet, is_new=is_new)


def with_properties(properties: bytes, topic: bytes = b"\x00\x01t") -> bytes:
    rest = topic + bytes([len(properties)]) + properties
    return b"\x30" + bytes([len(rest)]) + rest


@pytest.mark.parametrize(
    ("packet", "refusal"),
    [
        (b"\x30\x00", Refusal.MALFORMED),
        (b"\x30\x02\x00\x50", Refusal.MALFORMED),
        (b"\x30\x05\x00\x01t\xff\xff", Refusal.MALFORMED),
        (b"\x30\x04\x00\x01\xff\x00", Refusal.MALFORMED),
        (b"\x30\x04\x00\x01\x00\x00", Refusal.MALFORMED),
        (b"\x30\x04\x00\x01#\x00", Refusal.MALFORMED),
        (b"\x30\x04\x00\x01+\x00", Refusal.MALFORMED),
        (b"\x30\x03\x00\x00\x00", Refusal.PROTOCOL_ERROR),
        (b"\x30\x04\x00\x01t\x01", Refusal.MALFORMED),
        (b"\x32\x06\x00\x01t\x00\x01\x00", Refusal.PROTOCOL_ERROR),
        (b"\x34\x06\x00\x01t\x00\x01\x00", Refusal.PROTOCOL_ERROR),
        (b"\x36\x06\x00\x01t\x00\x01\x00", Refusal.MALFORMED),
        (with_properties(b"\x01\x02"), Refusal.MALFORMED),
        (with_properties(b"\x01\x01\x01\x01"), Refusal.PROTOCOL_ERROR),
        (with_properties(b"\x02\x00\x00\x00"), Refusal.MALFORMED),
        (with_properties(b"\x02\x00\x00\x00\x05" * 2), Refusal.PROTOCOL_ERROR),
        (with_properties(b"\x03\x00\x01\x00"), Refusal.MALFORMED),
        (with_properties(b"\x03\x00\x02a"), Refusal.MALFORMED),
        (with_properties(b"\x0b\x00"), Refusal.PROTOCOL_ERROR),
        (with_properties(b"\x0b\x80\x80\x80\x80\x01"), Refusal.MALFORMED),
        (with_properties(b"\x11\x00\x00\x00\x05"), Refusal.MALFORMED),
        (with_properties(bytes([ALIAS, 0, 1])), Refusal.INVALID_ALIAS),
        (with_properties(bytes([ALIAS, 0, 1]), b"\x00\x00"), Refusal.INVALID_ALIAS),
        (with_properties(bytes([USER_PROPERTY]) + b"\x00\x01a\x00\x05b"), Refusal.MALFORMED),
        (with_properties(bytes([USER_PROPERTY]) + b"\x00\x09a\x00\x01b"), Refusal.MALFORMED),
        (with_properties(bytes([USER_PROPERTY]) + b"\x00\x01\x00\x00\x01b"), Refusal.MALFORMED),
        (with_properties(bytes([USER_PROPERTY]) + b"\x00\x01a\x00\x01\xff"), Refusal.MALFORMED),
    ],
)
def test_a_packet_that_breaks_a_rule_has_the_reason_code_of_the_specification(packet: bytes, refusal: Refusal) -> None:
    assert decode(packet, is_new=True) is refusal


def test_the_flag_of_a_repeated_packet_is_ignored() -> None:
    assert decode(b"\x38\x05\x00\x01t\x00p", is_new=True) == Message("t", b"p")


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        self.written.append(b"")


@given(st.lists(st.binary(max_size=40) | MESSAGES.map(lambda each: encoded(each, {})), max_size=6))
def test_no_bytes_of_a_broker_raise_an_exception(pieces: list[bytes]) -> None:
    """Garbage after a login is ignored as far as it looks like packets, or ends the connection with a reason code."""

    async def receive() -> None:
        connection, transport = Connection(Mock(Takers), 1000), Transport()
        connection._transport, connection._socket = transport, Mock()
        paho = PahoClient(CallbackAPIVersion.VERSION2, "x", protocol=MQTTProtocolVersion.MQTTv5)
        paho.on_connect = lambda *_: connection.login.done() or connection.login.set_result(None)
        connection.begin(paho, "h", 1)
        for piece in (b"\x20\x03\x00\x00\x00", *pieces):
            connection.get_buffer(-1)[: len(piece)] = piece
            connection.buffer_updated(len(piece))
            if connection.closed.done():
                error = connection.closed.result()
                assert isinstance(error, ProblemError)
                # A packet that names a great length counts as the messages that would fill it.
                assert error.problem.code in {"mqtt-malformed", "mqtt-flood"}
                *_, last, aborted = transport.written
                assert last[:2] == b"\xe0\x01", "disconnect with a reason code"
                assert last[2] in [*Refusal]
                assert aborted == b""
                return

    asyncio.run(receive())
