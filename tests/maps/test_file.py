"""A map file is read without the entries that have faults, so that the others are still checked."""

from __future__ import annotations

import pytest

from gateway.files.yaml_file import parse
from gateway.maps.file import MAX_INCLUDES, MAX_REGISTERS, Part, read_part

GOOD = "{address: 0, name: good, type: uint16, value: 1}"
BAD = "{address: 0, name: bad, typ: uint16, value: 1}"


def read(text: str) -> tuple[Part, list[str]]:
    part, faults = read_part(parse(text, "map.yaml"))
    return part, [str(fault) for fault in faults]


def test_an_entry_with_faults_is_left_out_and_the_others_keep_their_positions() -> None:
    part, faults = read(f"registers:\n  - {BAD}\n  - {GOOD}\n  - {BAD.replace('bad', 'worse')}\n  - {GOOD}\n")
    assert [entry.name for entry in part.file.registers] == ["good", "good"]
    assert part.positions == [1, 3]
    assert part.lost == {"bad", "worse"}
    assert {fault.split(":")[1] for fault in faults} == {"2", "4"}


def test_a_setting_with_faults_is_left_out_by_its_key() -> None:
    part, faults = read(f"word_order: middle\ngaps: zero\nregisters:\n  - {GOOD}\n")
    assert (part.file.word_order, part.file.gaps) == (None, "zero")
    assert part.lost == {"word_order"}
    assert len(faults) == 1


@pytest.mark.parametrize("text", ["", "title: only a title\n", "registers:\n"])
def test_a_file_without_registers_has_no_positions(text: str) -> None:
    part, _ = read(text)
    assert part.file.registers == []
    assert part.positions == []


def test_lists_are_limited() -> None:
    _, faults = read(f"include: [{', '.join('a' * (MAX_INCLUDES + 1))}]\nregisters:\n  - {GOOD}\n")
    assert len(faults) == 1
    many = "".join(f"  - {GOOD}\n" for _ in range(MAX_REGISTERS + 1))
    assert len(read(f"registers:\n{many}")[1]) == 1
