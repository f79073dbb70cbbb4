"""RTU framing: unit id, PDU and CRC-16 (Modbus over Serial Line V1.02, 2.5.1), on a serial line or over TCP.

In the specification, silence ends a frame. But TCP and a busy computer do not show silence reliably, so the function
code of a request gives its length. Some function codes do not give a length. Such a request gets a response only on a
serial line, and only if it came alone between two silences.

On a serial line the responses of other units arrive too, and some adapters return what is sent. To respond to a
response would keep the line busy for ever. Therefore these get no response: the function code of an exception response,
a frame of another length than a request with its function code, and the frame that was just sent.

A client over RTU sends the next request when it has the response to the one before, or has given that one up (V1.02,
2.4.1). A response has no transaction id: the client would take the response to a request that it gave up for the
response to the next one, which is about another register. So of several requests that were received together, or while
one is held back, only the last one gets a response.
"""

from __future__ import annotations

from gateway.protocol.crc16 import crc16
from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.pdu import EXCEPTION_BIT
from gateway.protocol.modbus.responder import Responder
from gateway.protocol.modbus.tcp import Buffer, Responses

CRC_START = 0xFFFF
MAX_FRAME_BYTES = 256
MAX_NOISE_BYTES = 16 * MAX_FRAME_BYTES
"""Largest number of bytes that are checked for a frame. The rest is skipped, so that other clients do not wait."""
ECHO_S = 0.2
"""Time within which a frame that is equal to the response just sent is its echo, and not the same request again."""
_MIN_FRAME_BYTES = 4
_FIXED_LENGTHS = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, 8: 8, 11: 4, 12: 4, 17: 4, 22: 10, 24: 6, 43: 7}
"""Function code → bytes of a whole request."""
_COUNTED_LENGTHS = {15: (6, 9), 16: (6, 9), 20: (2, 5), 21: (2, 5), 23: (10, 13)}
"""Function code → position of the byte count, and the bytes of a request besides those counted."""


def append_crc(frame: bytes) -> bytes:
    """Return the frame followed by its CRC, low byte first."""
    return frame + crc16(frame, CRC_START).to_bytes(2, "little")


def respond_rtu(buffer: Buffer, responder: Responder, now: float, client: CountedClient) -> Responses:
    """Respond to the last whole request in `buffer`; if that is held back (`client.held`), its bytes are not used.

    Bytes at which no request begins are skipped, one by one.
    """
    begin, newest = 0, b""
    position, end = 0, len(buffer)
    in_vain = 0
    while end - position >= _MIN_FRAME_BYTES:
        length = _length(buffer, position)
        if length > end - position:
            break
        frame = bytes(buffer[position : position + length])
        if length and crc16(frame, CRC_START) == 0:
            if newest:
                _count_ignored(newest, responder)
            begin, newest = position, frame
            position += length
        else:
            position += 1
            in_vain += length
            if in_vain > MAX_NOISE_BYTES:
                position = end
    response = _respond(newest, responder, now, client) if newest else b""
    client.responses += bool(response)
    client.at = now
    return response, begin if client.held else position, True


def respond_after_silence(frame: bytes, responder: Responder, now: float, client: CountedClient) -> bytes:
    """Respond to bytes between two silences, if they are a frame whose length `respond_rtu` could not know."""
    if not _MIN_FRAME_BYTES <= len(frame) <= MAX_FRAME_BYTES or crc16(frame, CRC_START) != 0:
        return b""
    if _length(frame, 0):
        return b""  # `respond_rtu` has handled it, or it is a response
    response = _respond(frame, responder, now, client)
    client.responses += bool(response)
    return response


def _length(buffer: Buffer, position: int) -> int:
    """Return the bytes of the request that may begin at `position`; 0 if its function code gives no length."""
    function_code = buffer[position + 1]
    fixed = _FIXED_LENGTHS.get(function_code)
    if fixed:
        return fixed
    counted = _COUNTED_LENGTHS.get(function_code)
    if counted is None:
        return 0
    count_at = position + counted[0]
    return counted[1] + (buffer[count_at] if count_at < len(buffer) else 0)


def _respond(frame: bytes, responder: Responder, now: float, client: CountedClient) -> bytes:
    unit_id = frame[0]
    if frame[1] & EXCEPTION_BIT or (frame == client.echo and now - client.at <= ECHO_S):
        client.echo = b""
        _count_ignored(frame, responder)
        return b""
    pdu = responder.respond(frame[1:-2], unit_id, now, client)
    response = append_crc(bytes((unit_id,)) + pdu) if pdu is not None else b""
    client.echo = response
    return response


def _count_ignored(frame: bytes, responder: Responder) -> None:
    """Count a frame without a response, unless it is for a unit of another device on the line."""
    responder.monitor.ignored += responder.units.by_id[frame[0]] is not None
