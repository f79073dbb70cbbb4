"""Small register maps and units, put together without a map file, and the Modbus/TCP frames to ask them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache

from gateway.protocol.modbus.device_identification import Identification
from gateway.protocol.modbus.monitor import CountedClient, Monitor
from gateway.protocol.modbus.responder import Responder, UnitTable
from gateway.protocol.modbus.tcp import respond_tcp
from gateway.protocol.modbus.unit import FOREVER, OnStale, StatusValues, Unit
from gateway.protocol.p1.obis import Value
from gateway.protocol.registers.data_type import TYPES, Order, encode_text, number_packer, reorder
from gateway.protocol.registers.expression import compile_expression
from gateway.protocol.registers.register import GAP_FILL, Block, Register, bits_encoding, number_encoding, text_encoding
from gateway.protocol.registers.register_map import RegisterMap

EXCEPTION_FILL = b"\xff\xff"
"""Of a block without gaps: its fill is never seen."""
IDENTIFICATION = Identification("Vendor", "CODE", "1.2")
CLIENT = CountedClient("192.0.2.1:50000", 0.0)


def number(
    address: int,
    value: str = "a",
    type_name: str = "uint16",
    *,
    name: str = "",
    per_unit: str = "1",
    offset: str = "0",
    word_order: Order = "big",
    byte_order: Order = "big",
    absent: bytes | None = None,
) -> Register:
    """A register of a number."""
    data_type, expression = TYPES[type_name], compile_expression(value)
    code = reorder(data_type.absent() if absent is None else absent, word_order, byte_order)
    shown = address if data_type.highest is None else min(address, data_type.highest)
    return Register(
        address=address,
        length=data_type.registers,
        name=name or f"r{address}",
        evaluate=expression.evaluate,
        encode=number_encoding(data_type, Decimal(per_unit), Decimal(offset), word_order, byte_order, absent=code),
        absent=code,
        pattern=number_packer(data_type, word_order, byte_order)(shown),
        uses=expression.names,
        type_name=type_name,
    )


def text(address: int, value: str, length: int, *, name: str = "") -> Register:
    """A register of a text; `value` is the name of a reading."""
    return Register(
        address=address,
        length=length,
        name=name or f"r{address}",
        evaluate=compile_expression(value).evaluate,
        encode=text_encoding(length),
        absent=b"\0\0" * length,
        pattern=encode_text(str(address), length),
        uses=frozenset({value}),
        type_name="string",
    )


def bits(address: int, value: str, length: int = 1, word_order: Order = "big", byte_order: Order = "big") -> Register:
    """A register of bits; `value` is a whole number."""
    return Register(
        address=address,
        length=length,
        name=f"r{address}",
        evaluate=compile_expression(value).evaluate,
        encode=bits_encoding(length, word_order, byte_order),
        absent=b"\0\0" * length,
        pattern=reorder(address.to_bytes(2 * length, "big"), word_order, byte_order),
        uses=frozenset({value}),
        type_name="bitfield",
    )


def block(address: int, end: int, gaps: str = "exception", *, is_status: bool = False) -> Block:
    """A block that can be read in one piece; `exception` where no gap is in it."""
    return Block(address, end, GAP_FILL.get(gaps, EXCEPTION_FILL) * (end - address), is_status)


def register_map(
    blocks: Sequence[Block],
    registers: Sequence[Register],
    *,
    function_codes: Iterable[int] = (3, 4),
    accept_writes: Iterable[int] = (),
) -> RegisterMap:
    """A map."""
    return RegisterMap(
        "small",
        "A small map",
        "tests",
        frozenset(function_codes),
        tuple(blocks),
        tuple(registers),
        accept_writes=frozenset(accept_writes),
    )


@cache
def small_map(function_codes: tuple[int, ...] = (3, 4), accept_writes: tuple[int, ...] = ()) -> RegisterMap:
    """Registers 0 to 129, each `a` more than its own address; and at 1000 and 1001 the state of the gateway."""
    return register_map(
        [block(0, 130), block(1000, 1002, is_status=True)],
        [
            *(number(address, f"a + {address}") for address in range(130)),
            number(1000, "gateway_fresh"),
            number(1001, "gateway_simulated"),
        ],
        function_codes=function_codes,
        accept_writes=accept_writes,
    )


def no_status(_now: float) -> Mapping[str, Value]:
    """A gateway that has nothing to say of itself."""
    return {}


def small_unit(
    compiled: RegisterMap | None = None,
    on_stale: OnStale = OnStale.EXCEPTION,
    *,
    a: int | None = 0,
    fresh_until: float = FOREVER,
    status_values: StatusValues = no_status,
    shows_test_pattern: bool = False,
) -> Unit:
    """A unit that has received `a`, or nothing yet."""
    compiled = compiled or small_map()
    unit = Unit(compiled, on_stale, status_values, shows_test_pattern=shows_test_pattern)
    if a is not None:
        unit.publish(compiled.readings.encode({"a": a}), fresh_until)
    return unit


def responder_of(wired: Mapping[int, Unit], other: Unit | None = None, *, is_serial: bool = False) -> Responder:
    """A responder for some units."""
    return Responder(UnitTable(wired, other), IDENTIFICATION, Monitor(), is_serial=is_serial)


def read_pdu(address: int, count: int, function_code: int = 3) -> bytes:
    """A request to read registers."""
    return bytes((function_code,)) + address.to_bytes(2, "big") + count.to_bytes(2, "big")


def words(*numbers: int, function_code: int = 3) -> bytes:
    """Return the response with those registers."""
    return bytes((function_code, 2 * len(numbers))) + b"".join(n.to_bytes(2, "big") for n in numbers)


def mbap(transaction_id: int, pdu: bytes, unit_id: int = 1) -> bytes:
    """A Modbus/TCP frame."""
    return transaction_id.to_bytes(2, "big") + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + bytes((unit_id,)) + pdu


def ask(buffer: bytes, responder: Responder, now: float = 0.0) -> bytes:
    """Return the responses to whole requests over TCP."""
    answers, used, is_modbus = respond_tcp(buffer, responder, now, CLIENT)
    assert (used, is_modbus) == (len(buffer), True)
    return answers
