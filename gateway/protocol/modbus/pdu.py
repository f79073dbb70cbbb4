"""The PDU of a request or response: a function code with its data (Application Protocol V1.1b3, 4.1).

The transport adds the unit id and its own framing around a PDU; `tcp` and `rtu` do that. A response
repeats the function code of its request. An exception response does so with the highest bit set, and holds one
exception code.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

ADDRESSES = 0x10000
"""Number of addresses of a table of registers."""
MAX_PDU_BYTES = 253
"""Largest PDU (V1.1b3, 4.1)."""
READ_FUNCTION_CODES = (3, 4)
"""Read Holding Registers and Read Input Registers (V1.1b3, 6.3 and 6.4)."""
MAX_READ_REGISTERS = 125
"""Largest number of registers in one read (V1.1b3, 6.3 and 6.4)."""
EXCEPTION_BIT = 0x80
"""Bit of the function code that makes a response an exception response (V1.1b3, 4.1)."""

READ = struct.Struct(">BHH")
"""PDU of a read request: function code, address, number of registers."""


class ExceptionCode(IntEnum):
    """The reason in an exception response (Modbus V1.1b3, 7)."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    SERVER_DEVICE_FAILURE = 4
    """A value is absent, and its register has no code for that."""
    SERVER_DEVICE_BUSY = 6
    """The client must ask again later."""
    GATEWAY_PATH_UNAVAILABLE = 10
    """No unit is configured on the unit id."""
    GATEWAY_TARGET_FAILED_TO_RESPOND = 11
    """There is no fresh telegram."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A request to read registers; its limits are not checked yet."""

    function_code: int
    address: int
    count: int


def decode_read(pdu: bytes) -> ReadRequest | None:
    """Return the read that a request PDU asks for, or None if it is not a whole read request."""
    if pdu[0] not in READ_FUNCTION_CODES or len(pdu) != READ.size:
        return None
    return ReadRequest(*READ.unpack(pdu))


def exception_in(response: bytes | None) -> int | None:
    """Return the exception code in a response PDU; None for another response, or for no response."""
    return response[1] if response and response[0] & EXCEPTION_BIT else None


def exception_response(function_code: int, code: ExceptionCode) -> bytes:
    """Return the PDU of an exception response (V1.1b3, 7)."""
    return bytes((function_code | EXCEPTION_BIT, code))
