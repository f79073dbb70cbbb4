"""Make the blocks of a map: the ranges that one request may read, declared or following from the registers.

The places of all tables are counted on (`gateway.protocol.registers.register.table_of`), so a block lies in one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gateway.files.document import Document
from gateway.maps.file import BlockEntry, MapFile
from gateway.problems.problem import Problem
from gateway.protocol.modbus.pdu import ADDRESSES
from gateway.protocol.registers.register import GAP_FILL, TABLE, Block, Gaps, Register, table_of


def blocks_of(
    whole: MapFile, registers: Sequence[Register], document: Document, problems: list[Problem]
) -> list[Block]:
    """Return the declared blocks, and for the other registers one block, or one for each run without gaps.

    Args:
        whole: the settings of the map.
        registers: the registers, in any order.
        document: the file that has the blocks, for the places of problems.
        problems: the list to which the problems of the blocks are added.

    """
    gaps = whole.gaps or "exception"
    declared = sorted(((start_of(entry), index, entry) for index, entry in enumerate(whole.blocks or [])))
    blocks = [
        Block(start, start + entry.length, GAP_FILL[entry.gaps] * entry.length, entry.status)
        for start, _, entry in declared
    ]
    _check(declared, blocks, document, problems)
    outside = [each for each in registers if not any(block.address <= each.place < block.end for block in blocks)]
    return sorted([*blocks, *_runs(outside, "exception" if blocks else gaps, gaps)], key=lambda block: block.address)


def start_of(entry: BlockEntry) -> int:
    """Return the first place of a declared block."""
    return table_of(entry.function_code) * TABLE + entry.address


def _check(
    declared: Sequence[tuple[int, int, BlockEntry]],
    blocks: Sequence[Block],
    document: Document,
    problems: list[Problem],
) -> None:
    for _, index, entry in declared:
        if entry.address + entry.length > ADDRESSES:
            what = f"{entry.address} and {entry.length} registers go beyond address {ADDRESSES - 1}"
            problems.append(
                document.problem(("blocks", index, "length"), "address-too-large", what, "Choose a lower address")
            )
    for (_, index, entry), (before, block) in zip(declared[1:], pairwise(blocks), strict=True):
        if block.address < before.end and before.address // TABLE == block.address // TABLE:
            what = f"the block at {entry.address} begins inside the one at {before.address % TABLE}"
            problems.append(document.problem(("blocks", index), "blocks-overlap", what))


def _runs(registers: Sequence[Register], gaps: Gaps, fill: Gaps) -> list[Block]:
    """Return blocks for registers that no declared block has; without `gaps`, a block ends at each gap."""
    runs: list[Block] = []
    for register in sorted(registers, key=lambda register: register.place):
        start, end = register.place, register.place + register.length
        last = runs[-1] if runs else None
        is_same_table = last and last.address // TABLE == start // TABLE
        if last and is_same_table and (last.end == start or gaps != "exception"):
            start = last.address
            runs.pop()
        runs.append(Block(start, end, GAP_FILL.get(fill, b"\xff\xff") * (end - start)))
    return runs


def join(blocks: Sequence[Block]) -> list[Block]:
    """Join blocks that touch, so that a read may cross from one into the next."""
    joined: list[Block] = []
    for block in blocks:
        last = joined[-1] if joined else None
        if last and last.end == block.address and last.is_status == block.is_status:
            joined[-1] = Block(last.address, block.end, last.fill + block.fill, block.is_status)
        else:
            joined.append(block)
    return joined
