"""All registers are read, in as few requests as the map and the specification allow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.modbus.pdu import MAX_READ_REGISTERS
from gateway.protocol.modbus.read_plan import read_plan
from gateway.protocol.registers.register import Block, Register
from gateway.protocol.registers.register_map import RegisterMap
from tests.protocol.modbus.small_units import block, number, register_map


def map_of(blocks: list[Block], addresses: list[int]) -> RegisterMap:
    """A map with a register of one or two registers at each address."""
    registers = [number(address, "a", "uint32" if address % 2 == 0 else "uint16") for address in addresses]
    return register_map(blocks, registers)


def spans(plan: list[list[Register]]) -> list[tuple[int, int]]:
    """First address and end of each request."""
    return [(request[0].address, request[-1].end) for request in plan]


def test_one_request_reads_a_block_that_fits() -> None:
    small = map_of([block(0, 125)], [0, 50, 123])
    assert spans(read_plan(small, small.registers)) == [(0, 124)]


def test_a_request_ends_before_a_register_that_would_make_it_too_long() -> None:
    long = map_of([block(0, 300)], [0, 124, 126, 250])
    assert spans(read_plan(long, long.registers)) == [(0, 2), (124, 128), (250, 252)]


def test_a_request_does_not_cross_from_one_block_into_the_next() -> None:
    two = map_of([block(0, 10), block(20, 30)], [8, 20, 22])
    assert spans(read_plan(two, two.registers)) == [(8, 10), (20, 24)]
    beside = map_of([block(0, 10), block(10, 20)], [8, 10, 12])
    assert spans(read_plan(beside, beside.registers)) == [(8, 10), (10, 14)]


def test_only_the_wanted_registers_are_read() -> None:
    two = map_of([block(0, 10), block(20, 30)], [8, 20, 22])
    assert read_plan(two, two.registers[2:]) == [[two.registers[2]]]
    assert read_plan(two, []) == []


@given(st.sets(st.integers(0, 398), max_size=60), st.integers(1, 399))
def test_every_register_is_read_once_within_the_limits(addresses: set[int], border: int) -> None:
    apart = [address for address in sorted(addresses) if address % 2 == 0 and address + 1 != border]
    blocks = [block(0, border), block(border, 400)]
    plan = read_plan(map_of(blocks, apart), map_of(blocks, apart).registers)
    assert [register.address for request in plan for register in request] == apart
    for first, end in spans(plan):
        assert end - first <= MAX_READ_REGISTERS
        assert (first < border) == (end <= border)


def test_a_request_may_have_exactly_as_many_registers_as_the_specification_allows() -> None:
    exact = map_of([block(0, 300)], [1, 124])
    assert spans(read_plan(exact, exact.registers)) == [(1, 1 + MAX_READ_REGISTERS)]
