"""The stream of an MQTT connection, cut into packets of a limited size.

A packet begins with a byte for its kind, and the length of the rest in one to four bytes of seven bits each, the lowest
first (MQTT 5.0, 2.1).
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.transport.mqtt_message import PUBLISH

MAX_PACKET_BYTES = 65_536
"""Largest packet that is read; a longer message is skipped."""
MAX_LENGTH_BYTES = 4


class NotMqttError(ValueError):
    """Bytes that are not packets of an MQTT broker."""


class Packets:
    """Cuts a stream into packets, however its bytes are grouped."""

    def __init__(self) -> None:
        self._stream = bytearray()
        self._to_skip = 0

    def feed(self, data: bytes | memoryview) -> Iterator[bytes | int]:
        """Read the next bytes, and generate the packets that end in them, or the length of one that is skipped.

        Raises:
            NotMqttError: the bytes are not packets.

        """
        self._stream += data
        while self._stream:
            if self._to_skip:
                skipped = min(self._to_skip, len(self._stream))
                del self._stream[:skipped]
                self._to_skip -= skipped
                continue
            length = self._length()
            if length > MAX_PACKET_BYTES:
                if self._stream[0] & 0xF0 != PUBLISH:
                    raise NotMqttError
                self._to_skip = length
                yield length
                continue
            if not length or len(self._stream) < length:
                return
            packet = bytes(self._stream[:length])
            del self._stream[:length]
            yield packet

    def _length(self) -> int:
        """Return the length of the first packet with its header; 0 while it is not known."""
        length = 0
        for index, byte in enumerate(self._stream[1 : 1 + MAX_LENGTH_BYTES]):
            length |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                return 2 + index + length
        if len(self._stream) > MAX_LENGTH_BYTES:
            raise NotMqttError
        return 0
