"""Read Device Identification: function code 43 with MEI type 14 (Modbus V1.1b3, 6.21)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.protocol.modbus.unit import ExceptionCode

FUNCTION_CODE = 43
MEI_TYPE = 14

BASIC, REGULAR, EXTENDED, INDIVIDUAL = 1, 2, 3, 4
LAST_BASIC_OBJECT, LAST_REGULAR_OBJECT = 2, 6
CONFORMITY = 0x82
"""Regular identification, by stream and one by one."""

MAX_PDU_BYTES = 253
_HEADER_BYTES = 7
MAX_OBJECT_BYTES = MAX_PDU_BYTES - _HEADER_BYTES - 2


@dataclass(frozen=True, slots=True)
class Identification:
    """What a server says it is; objects 0 to 6 in order."""

    vendor_name: str
    product_code: str
    revision: str
    vendor_url: str = ""
    product_name: str = ""
    model_name: str = ""
    user_application_name: str = ""

    def objects(self) -> Sequence[bytes]:
        """The values by object id, each short enough for an answer of its own."""
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


def answer_identification(pdu: bytes, identification: Identification) -> bytes | ExceptionCode:
    """The answer to a request with function code 43."""
    if len(pdu) >= 2 and pdu[1] != MEI_TYPE:
        return ExceptionCode.ILLEGAL_FUNCTION
    if len(pdu) != 4 or not BASIC <= pdu[2] <= INDIVIDUAL:
        return ExceptionCode.ILLEGAL_DATA_VALUE
    read_code, object_id = pdu[2], pdu[3]
    objects = identification.objects()
    if read_code == INDIVIDUAL:
        if object_id >= len(objects):
            return ExceptionCode.ILLEGAL_DATA_ADDRESS
        return _answer(read_code, objects, [object_id], following=0)
    last = LAST_BASIC_OBJECT if read_code == BASIC else LAST_REGULAR_OBJECT
    # An object that this category does not have begins it anew.
    first = object_id if object_id <= last else 0
    chosen: list[int] = []
    room = MAX_PDU_BYTES - _HEADER_BYTES
    for candidate in range(first, last + 1):
        room -= 2 + len(objects[candidate])
        if room < 0:
            return _answer(read_code, objects, chosen, following=candidate)
        chosen.append(candidate)
    return _answer(read_code, objects, chosen, following=0)


def _answer(read_code: int, objects: Sequence[bytes], chosen: Sequence[int], following: int) -> bytes:
    more_follows = 0xFF if following else 0
    head = bytes((FUNCTION_CODE, MEI_TYPE, read_code, CONFORMITY, more_follows, following, len(chosen)))
    return head + b"".join(bytes((index, len(objects[index]))) + objects[index] for index in chosen)
