"""Fuzzes the packets of an MQTT broker after a login: `python -m fuzz.broker [OPTION...] fuzz/corpus/broker`."""

from __future__ import annotations

import asyncio
from unittest.mock import Mock

from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from fuzz.harness import Source, fuzz
from gateway.problems.problem import ProblemError
from gateway.transport.mqtt_connection import MALFORMED, READ_BYTES, Connection, PahoClient, Takers
from gateway.transport.mqtt_message import Message, Refusal, decode, decode_acknowledgement, encode
from tests.transport.test_mqtt_message import Transport, decoded_by_paho

LOOP = asyncio.new_event_loop()
LOGIN = {True: b"\x20\x03\x00\x00\x00", False: b"\x20\x02\x00\x00"}
"""True for MQTT 5 → the packet with which a broker accepts a login."""
VERSIONS = {True: MQTTProtocolVersion.MQTTv5, False: MQTTProtocolVersion.MQTTv311}
PUBLISH, PUBACK = b"\x30", b"\x40"
MAX_CONTENT_BYTES = 2048
MAX_PACKETS_PER_S = 10_000


def check(data: bytes) -> None:
    """Check that a message is what paho-mqtt reads in its packet, or is refused, and comes back from its own packet.

    Any bytes of a broker are messages, each for its taker, or end the connection with a reason code, and raise nothing.
    """
    source = Source(data)
    kind, is_new = source.number(255), source.number(255) & 1 == 0
    if kind % 3 == 0:
        check_message(_packet(PUBLISH, source.take(MAX_CONTENT_BYTES)), is_new=is_new)
    elif kind % 3 == 1:
        found = decode_acknowledgement(_packet(PUBACK, source.take(MAX_CONTENT_BYTES)), is_new=is_new)
        assert isinstance(found, Refusal) or (found[0] < 1 << 16 and (is_new or found[1] == 0))
    else:
        LOOP.run_until_complete(check_connection(source.segments(), is_new=is_new))


def _packet(kind: bytes, content: bytes) -> bytes:
    size = len(content)
    return kind + (bytes((size & 0x7F | 0x80, size >> 7)) if size > 0x7F else bytes((size,))) + content


def check_message(packet: bytes, *, is_new: bool) -> None:
    """Check a packet with a message."""
    message = decode(packet, is_new=is_new)
    if not isinstance(message, Message):
        assert message in [*Refusal]
        return
    assert message == decoded_by_paho(packet, is_new=is_new)
    check_return(message, is_new=is_new)


def check_return(message: Message, *, is_new: bool) -> None:
    """Check that a message comes back from its packet; an expiry of 0 is sent as 1."""
    expires_s = None if message.expires_s is None else max(1, message.expires_s)
    packet = encode(message, None, is_new=is_new, is_stored=message.is_retained)
    assert decode(packet, is_new=is_new) == message._replace(expires_s=expires_s)


async def check_connection(segments: list[bytes], *, is_new: bool) -> None:
    """Check a connection to a broker that sends these segments after the login."""
    messages: list[Message] = []
    connection, transport = Connection(Takers(messages.append, Mock(), Mock()), MAX_PACKETS_PER_S), Transport()
    connection._transport, connection._socket = transport, Mock()  # noqa: SLF001 - what `connection_made` does
    paho = PahoClient(CallbackAPIVersion.VERSION2, "x", protocol=VERSIONS[is_new])
    paho.on_connect = lambda *_: connection.login.done() or connection.login.set_result(None)
    connection.begin(paho, "h", 1)
    for segment in (LOGIN[is_new], *segments):
        for at in range(0, len(segment), READ_BYTES - 1):
            piece = segment[at : at + READ_BYTES - 1]
            connection.get_buffer(-1)[: len(piece)] = piece
            if not connection.closed.done():
                connection.buffer_updated(len(piece))
    for message in messages:
        check_return(message, is_new=is_new)
    if connection.closed.done():
        error = connection.closed.result()
        assert isinstance(error, ProblemError)
        assert error.problem is MALFORMED
        assert transport.written[-1] == b"", "aborted"
        assert not is_new or (transport.written[-2][:2] == b"\xe0\x01" and transport.written[-2][2] in [*Refusal])


if __name__ == "__main__":
    fuzz(__file__)
