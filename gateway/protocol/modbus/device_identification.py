"""Read Device Identification: function code 43 with MEI type 14 (Modbus V1.1b3, 6.21).

The identification is a list of texts, the objects. A client reads one object, or a stream of objects that begins
at an object of its choice. If the stream does not fit in one response, the response gives the object to go on with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.protocol.modbus.pdu import MAX_PDU_BYTES, ExceptionCode

FUNCTION_CODE = 43
MEI_TYPE = 14

BASIC, INDIVIDUAL = 1, 4
"""First and last read device id code; 2 and 3 read the regular and extended objects."""
LAST_BASIC_OBJECT, LAST_REGULAR_OBJECT = 2, 6
CONFORMITY = 0x82
"""Conformity level: regular identification, as a stream and one object at a time."""

_HEADER_BYTES = 7
MAX_OBJECT_BYTES = MAX_PDU_BYTES - _HEADER_BYTES - 2


@dataclass(frozen=True, slots=True)
class Identification:
    """The identification of a server: objects 0 to 6, in order."""

    vendor_name: str
    product_code: str
    revision: str
    vendor_url: str = ""
    product_name: str = ""
    model_name: str = ""
    user_application_name: str = ""

    def objects(self) -> Sequence[bytes]:
        """Return the values by object id, each short enough for one response."""
        values = (
            self.vendor_name,
            self.product_code,
            self.revision,
            self.vendor_url,
            self.product_name,
            self.model_name,
            self.user_application_name,
        )
        return [value.encode("ascii", "replace")[:MAX_OBJECT_BYTES] for value in values]


def respond_identification(pdu: bytes, identification: Identification) -> bytes | ExceptionCode:
    """Return the response to a request with function code 43."""
    if len(pdu) >= 2 and pdu[1] != MEI_TYPE:
        return ExceptionCode.ILLEGAL_FUNCTION
    if len(pdu) != 4 or not BASIC <= pdu[2] <= INDIVIDUAL:
        return ExceptionCode.ILLEGAL_DATA_VALUE
    read_code, object_id = pdu[2], pdu[3]
    objects = identification.objects()
    if read_code == INDIVIDUAL:
        if object_id >= len(objects):
            return ExceptionCode.ILLEGAL_DATA_ADDRESS
        return _response(read_code, objects, [object_id], following=0)
    last = LAST_BASIC_OBJECT if read_code == BASIC else LAST_REGULAR_OBJECT
    # A stream from an object outside the category begins at its first object (V1.1b3, 6.21).
    first = object_id if object_id <= last else 0
    chosen: list[int] = []
    room = MAX_PDU_BYTES - _HEADER_BYTES
    for candidate in range(first, last + 1):
        room -= 2 + len(objects[candidate])
        if room < 0:
            return _response(read_code, objects, chosen, following=candidate)
        chosen.append(candidate)
    return _response(read_code, objects, chosen, following=0)


def _response(read_code: int, objects: Sequence[bytes], chosen: Sequence[int], following: int) -> bytes:
    more_follows = 0xFF if following else 0
    head = bytes((FUNCTION_CODE, MEI_TYPE, read_code, CONFORMITY, more_follows, following, len(chosen)))
    return head + b"".join(bytes((index, len(objects[index]))) + objects[index] for index in chosen)
