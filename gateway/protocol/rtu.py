"""RTU framing: unit id, PDU and CRC-16 (Modbus over Serial Line V1.02, 2.5.1), on a serial line or over TCP.

A frame on a line ends with silence. Over TCP there is none to be seen, so the length of a request is told by
its function code; one whose function code does not tell it is answered only after silence.
"""

from __future__ import annotations

from gateway.protocol.modbus import Answers, Responder
from gateway.protocol.telegram import crc16

CRC_START = 0xFFFF
MAX_FRAME_BYTES = 256
_MIN_FRAME_BYTES = 4
_FIXED_LENGTHS = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, 8: 8, 11: 4, 12: 4, 17: 4, 22: 10, 24: 6, 43: 7}
"""Function code → bytes of a whole request."""
_COUNTED_LENGTHS = {15: (6, 9), 16: (6, 9), 20: (2, 5), 21: (2, 5), 23: (10, 13)}
"""Function code → where its byte count stands, and the bytes of a request besides those counted."""


def append_crc(frame: bytes) -> bytes:
    """The frame with its CRC, low byte first."""
    return frame + crc16(frame, CRC_START).to_bytes(2, "little")


def answer_rtu(buffer: bytes | bytearray | memoryview, responder: Responder, now: float, client: str) -> Answers:
    """Answer every whole request in `buffer`; bytes that are no frame are passed over one by one."""
    answers: list[bytes] = []
    position, end = 0, len(buffer)
    while end - position >= _MIN_FRAME_BYTES:
        length = _length(buffer[position:])
        if length is None or position + length > end:
            break
        frame = bytes(buffer[position : position + length])
        if crc16(frame, CRC_START) == 0:
            answer = _answer(frame, responder, now, client)
            if answer:
                answers.append(answer)
            position += length
        else:
            position += 1
    # What is longer than any request can only be noise.
    if end - position >= MAX_FRAME_BYTES:
        position = end
    return b"".join(answers), position, True


def answer_after_silence(frame: bytes, responder: Responder, now: float, client: str) -> bytes:
    """Answer what stood between two silences, if it is a frame."""
    if not _MIN_FRAME_BYTES <= len(frame) <= MAX_FRAME_BYTES or crc16(frame, CRC_START) != 0:
        return b""
    return _answer(frame, responder, now, client)


def _length(buffer: bytes | bytearray | memoryview) -> int | None:
    """Bytes of the request that begins `buffer`; None when they are not, or not yet, told."""
    function_code = buffer[1]
    fixed = _FIXED_LENGTHS.get(function_code)
    if fixed:
        return fixed
    counted = _COUNTED_LENGTHS.get(function_code)
    if counted is None or len(buffer) <= counted[0]:
        return None
    return counted[1] + buffer[counted[0]]


def _answer(frame: bytes, responder: Responder, now: float, client: str) -> bytes:
    unit_id = frame[0]
    pdu = responder.answer(frame[1:-2], unit_id, now, client)
    return append_crc(bytes((unit_id,)) + pdu) if pdu is not None else b""
