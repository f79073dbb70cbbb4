"""RTU framing: unit id, PDU and CRC-16 (Modbus over Serial Line V1.02, 2.5.1), on a serial line or over TCP.

A frame on a line ends with silence, which neither TCP nor a busy computer shows reliably. So the length of a
request is told by its function code; one whose function code does not tell it is answered on a line only, when
it has stood alone between two silences.
"""

from __future__ import annotations

from gateway.protocol.modbus.monitor import CountedClient
from gateway.protocol.modbus.tcp import Buffer, Responder, Responses
from gateway.protocol.p1.telegram import crc16

CRC_START = 0xFFFF
MAX_FRAME_BYTES = 256
MAX_NOISE_BYTES = 16 * MAX_FRAME_BYTES
"""What is summed up in vain before the rest is passed over: noise must not take the time of those who ask."""
_MIN_FRAME_BYTES = 4
_FIXED_LENGTHS = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, 8: 8, 11: 4, 12: 4, 17: 4, 22: 10, 24: 6, 43: 7}
"""Function code → bytes of a whole request."""
_COUNTED_LENGTHS = {15: (6, 9), 16: (6, 9), 20: (2, 5), 21: (2, 5), 23: (10, 13)}
"""Function code → where its byte count stands, and the bytes of a request besides those counted."""


def append_crc(frame: bytes) -> bytes:
    """The frame with its CRC, low byte first."""
    return frame + crc16(frame, CRC_START).to_bytes(2, "little")


def answer_rtu(buffer: Buffer, responder: Responder, now: float, client: CountedClient) -> Responses:
    """Answer every whole request in `buffer`; bytes that begin none are passed over one by one."""
    answers: list[bytes] = []
    position, end = 0, len(buffer)
    in_vain = 0
    while end - position >= _MIN_FRAME_BYTES:
        length = _length(buffer, position)
        if length > end - position:
            break
        frame = bytes(buffer[position : position + length])
        if length and crc16(frame, CRC_START) == 0:
            answer = _answer(frame, responder, now, client)
            if answer:
                answers.append(answer)
            position += length
        else:
            position += 1
            in_vain += length
            if in_vain > MAX_NOISE_BYTES:
                position = end
    client.answers += len(answers)
    client.at = now
    return b"".join(answers), position, True


def answer_after_silence(frame: bytes, responder: Responder, now: float, client: CountedClient) -> bytes:
    """Answer what stood between two silences, if it is a frame that `answer_rtu` could not tell the length of."""
    if not _MIN_FRAME_BYTES <= len(frame) <= MAX_FRAME_BYTES or crc16(frame, CRC_START) != 0:
        return b""
    if _length(frame, 0) == len(frame):
        return b""  # which was dealt with as it came
    answer = _answer(frame, responder, now, client)
    client.answers += bool(answer)
    return answer


def _length(buffer: Buffer, position: int) -> int:
    """Bytes of the request that may begin at `position`; 0 when its function code does not tell."""
    function_code = buffer[position + 1]
    fixed = _FIXED_LENGTHS.get(function_code)
    if fixed:
        return fixed
    counted = _COUNTED_LENGTHS.get(function_code)
    if counted is None:
        return 0
    count_at = position + counted[0]
    return counted[1] + (buffer[count_at] if count_at < len(buffer) else 0)


def _answer(frame: bytes, responder: Responder, now: float, client: CountedClient) -> bytes:
    unit_id = frame[0]
    pdu = responder.answer(frame[1:-2], unit_id, now, client)
    return append_crc(bytes((unit_id,)) + pdu) if pdu is not None else b""
