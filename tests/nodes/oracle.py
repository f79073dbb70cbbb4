"""What a Modbus/TCP server must answer, worked out once more from the documents and independently of the gateway.

For the server of `tests.nodes.transports`: registers that hold their own address, units 1 and 9, read only.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.nodes.transports import IDENTIFICATION, mbap

WIRED = {0, 1, 9, 255}
PRESENT = frozenset((*range(130), 200, 65534, 65535))


class Expected(NamedTuple):
    """What becomes of a stream of bytes."""

    answers: bytes
    is_closed: bool
    rest: int
    """How many bytes at its end are no whole request."""


def expect(stream: bytes) -> Expected:
    """The answers to a client that sends `stream`."""
    answers, position = b"", 0
    while len(stream) - position >= 6:
        transaction, protocol, length = (
            int.from_bytes(stream[position + at : position + at + 2], "big") for at in (0, 2, 4)
        )
        if protocol != 0 or not 2 <= length <= 254:
            return Expected(answers, True, len(stream) - position)
        if len(stream) - position < 6 + length:
            break
        unit_id, pdu = stream[position + 6], stream[position + 7 : position + 6 + length]
        answers += mbap(transaction, unit_id, expect_pdu(unit_id, pdu))
        position += 6 + length
    return Expected(answers, False, len(stream) - position)


def expect_pdu(unit_id: int, pdu: bytes) -> bytes:
    """The answer to one request."""
    if unit_id not in WIRED:
        return refused(pdu, 10)
    if pdu[0] in (3, 4):
        return _expect_read(pdu)
    if pdu[0] == 43:
        return _expect_identification(pdu)
    return refused(pdu, 1)


def refused(pdu: bytes, code: int) -> bytes:
    """An exception."""
    return bytes((pdu[0] | 0x80, code))


def _expect_read(pdu: bytes) -> bytes:
    if len(pdu) != 5:
        return refused(pdu, 3)
    address, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
    if count < 1 or count > 125:
        return refused(pdu, 3)
    addresses = range(address, address + count)
    if not PRESENT.issuperset(addresses):
        return refused(pdu, 2)
    return bytes((pdu[0], 2 * count)) + b"".join((a % 60000).to_bytes(2, "big") for a in addresses)


def _expect_identification(pdu: bytes) -> bytes:
    if len(pdu) > 1 and pdu[1] != 14:
        return refused(pdu, 1)
    if len(pdu) != 4 or pdu[2] not in (1, 2, 3, 4):
        return refused(pdu, 3)
    values = _objects()
    if pdu[2] == 4:
        if pdu[3] >= len(values):
            return refused(pdu, 2)
        chosen = [pdu[3]]
    else:
        of_category = range(3 if pdu[2] == 1 else 7)
        chosen = [i for i in of_category if i >= (pdu[3] if pdu[3] in of_category else 0)]
    body = b"".join(bytes((i, len(values[i]))) + values[i] for i in chosen)
    return bytes((43, 14, pdu[2], 0x82, 0, 0, len(chosen))) + body


def _objects() -> list[bytes]:
    names = IDENTIFICATION
    texts = (names.vendor_name, names.product_code, names.revision, names.vendor_url)
    return [text.encode() for text in (*texts, names.product_name, names.model_name, names.user_application_name)]
