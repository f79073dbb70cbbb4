"""Compile a merged map file: build its registers and blocks, and check that they fit together.

What concerns a single entry is in `gateway.maps.register`. Here are the checks between entries: overlaps, registers
across the border of a block, and readings in the wrong kind of block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from gateway.files.document import Document, FileError
from gateway.files.validation import suggest
from gateway.maps.blocks import blocks_of, join, start_of
from gateway.maps.codes import code_hint
from gateway.maps.constants import UNIT_ID, Constants
from gateway.maps.file import MapFile, PlacedEntry, RegisterEntry
from gateway.maps.register import READINGS_HINT, RegisterBuilder
from gateway.maps.remarks import Pair, remarks_of
from gateway.problems.problem import Problem
from gateway.problems.quoting import cut
from gateway.protocol.modbus.pdu import READ_FUNCTION_CODES
from gateway.protocol.p1.identifiers import describe, identifies
from gateway.protocol.p1.names import GATEWAY_PREFIX, NAMES
from gateway.protocol.registers.expression import Expression, ExpressionError, compile_expression, conditions_of
from gateway.protocol.registers.register import TABLE, Block, Register
from gateway.protocol.registers.register_map import RegisterMap

MAX_EXPRESSIONS_LENGTH = 200_000
"""Largest length of all expressions of a map together, in characters: they are evaluated for each telegram."""


def compile_map(
    whole: MapFile,
    placed: Sequence[PlacedEntry],
    without: frozenset[str],
    documents: Mapping[str, Document],
    *,
    knows_blocks: bool = True,
) -> tuple[RegisterMap, list[Problem]]:
    """Compile a map.

    Args:
        whole: the keys of the map, completed by those of the maps that it extends, with the settings of the unit.
        placed: all registers.
        without: the names of registers that keep their address and are always absent.
        documents: the file that sets each key of the map, for the places of problems.
        knows_blocks: False when blocks were left out for their problems; then registers are not checked against them.

    """
    problems: list[Problem] = []
    registers = _registers(whole, placed, without, problems)
    blocks = blocks_of(whole, [register for register, _ in registers], documents["blocks"], problems)
    _check_places(registers, blocks if knows_blocks else None, whole, problems)
    requires = _requires(whole, documents["requires"], problems)
    compiled = RegisterMap(
        name=whole.name or "",
        title=whole.title,
        source=whole.source,
        function_codes=frozenset(whole.function_codes or READ_FUNCTION_CODES),
        description=whole.description,
        clients=tuple(whole.clients),
        unit_id=whole.unit_id,
        accept_writes=frozenset(whole.accept_writes or ()),
        requires={text: expression.evaluate for text, expression in requires.items()},
        conditions=_conditions(requires, registers) | _keeps(whole, documents["keeps"], problems),
        settings=_settings(whole.settings, placed),
        remarks=tuple(remarks_of(registers, has_blocks=whole.blocks is not None)),
        blocks=tuple(join(blocks)),
        registers=tuple(register for register, _ in registers),
    )
    return compiled, problems


def compile_again(
    before: RegisterMap, whole: MapFile, varying: Sequence[PlacedEntry], without: frozenset[str]
) -> tuple[RegisterMap, list[Problem]]:
    """Compile a map with other settings.

    Args:
        before: the map, compiled with some settings.
        whole: the keys of the map, with the new settings.
        varying: the registers that depend on the settings; only these are compiled.
        without: as for `compile_map`.

    """
    problems: list[Problem] = []
    compiled = {register.name: register for register, _ in _registers(whole, varying, without, problems)}
    # No address or length depends on a setting, so that the registers fit together as before.
    registers = tuple(compiled.get(register.name, register) for register in before.registers)
    settings = {name: whole.settings[name] for name in before.settings}
    return replace(before, settings=settings, registers=registers), problems


def check_length(placed: Sequence[PlacedEntry], document: Document) -> None:
    """Check the length of all expressions of a map.

    Raises:
        FileError: they are too long to be evaluated for each telegram.

    """
    length = sum(len(text) for item in placed for text in _expressions(item))
    if length > MAX_EXPRESSIONS_LENGTH:
        what = f"the expressions of this map have more than {MAX_EXPRESSIONS_LENGTH} characters together"
        hint = "All of them are evaluated for each telegram: write shorter ones"
        raise FileError([document.problem(("registers",), "expressions-too-long", what, hint)])


def _expressions(item: PlacedEntry) -> Iterator[str]:
    yield str(item.entry.value)
    yield from (item.entry.bits or {}).values()


def _registers(
    whole: MapFile, placed: Sequence[PlacedEntry], without: frozenset[str], problems: list[Problem]
) -> list[Pair]:
    """Return the registers that have no problems, in order of address, each with its entry."""
    registers = []
    for item in placed:
        builder = RegisterBuilder(item, whole, problems)
        is_absent = item.entry.name in without
        register = builder.build(is_absent=is_absent)
        if register is not None:
            registers.append((register if is_absent else _mark_identifiers(register, item.entry), item))
    return sorted(registers, key=lambda pair: (pair[0].address, pair[0].place))


def _settings(constants: Constants, placed: Sequence[PlacedEntry]) -> dict[str, int | float]:
    """Return the settings of a map; the unit id only if a register shows it, since maps then differ by unit."""
    texts = " ".join(f"{item.entry.value} {item.entry.scale}" for item in placed)
    shows_unit_id = re.search(rf"\b{UNIT_ID}\b", texts)
    return {name: number for name, number in constants.items() if name != UNIT_ID or shows_unit_id}


def _mark_identifiers(register: Register, entry: RegisterEntry) -> Register:
    """Return a register that says whether its value may identify a meter or its user, and what clients get then."""
    if not any(map(identifies, register.uses)):
        return register
    description = describe(register.description, has_pseudonym=entry.pseudonym)
    return replace(register, description=description, identifies=True, has_pseudonym=entry.pseudonym)


def _requires(whole: MapFile, document: Document, problems: list[Problem]) -> dict[str, Expression]:
    """Return the conditions of a map that a telegram has to meet, by their text."""
    requires = {}
    for index, text in enumerate(whole.requires or []):
        try:
            expression = compile_expression(text)
        except ExpressionError as error:
            problems.append(document.problem(("requires", index), "invalid-expression", str(error), code_hint(text)))
            continue
        problems += [_unknown(name, document, "requires", index) for name in sorted(expression.names - NAMES.keys())]
        requires[text] = expression
    return requires


def _keeps(whole: MapFile, document: Document, problems: list[Problem]) -> frozenset[frozenset[str]]:
    """Return the readings that a meter has to go on sending, each as a condition of its own."""
    names = whole.keeps or []
    problems += [_unknown(name, document, "keeps", at) for at, name in enumerate(names) if name not in NAMES]
    return frozenset(frozenset({name}) for name in names)


def _unknown(name: str, document: Document, key: str, index: int) -> Problem:
    what, hint = f"no reading is called {cut(name)}", suggest(name, list(NAMES)) or READINGS_HINT
    return document.problem((key, index), "unknown-reading", what, hint, name=cut(name))


def _conditions(requires: Mapping[str, Expression], registers: Sequence[Pair]) -> frozenset[frozenset[str]]:
    """Return the readings of each `unless()`."""
    found = frozenset(names for expression in requires.values() for names in conditions_of(expression.tree))
    return found.union(*(register.conditions for register, _ in registers))


def _check_places(
    registers: Sequence[Pair], blocks: Sequence[Block] | None, whole: MapFile, problems: list[Problem]
) -> None:
    """Check that no register overlaps another one or leaves its block; None for blocks that are not known."""
    _check_overlaps(registers, problems)
    if blocks is not None:
        _check_blocks(registers, blocks, whole, problems)


def _check_overlaps(registers: Sequence[Pair], problems: list[Problem]) -> None:
    """Check that a read finds one register at each address; values that are served alone may cover others."""
    found: dict[str, Problem] = {}
    for code in READ_FUNCTION_CODES:
        _check_overlap([pair for pair in registers if pair[0].is_read_by(code) and not pair[0].is_alone], found)
    for own in (None, *READ_FUNCTION_CODES):
        _check_overlap([pair for pair in registers if pair[0].is_alone and pair[0].function_code == own], found)
    problems += found.values()


def _check_overlap(registers: Sequence[Pair], found: dict[str, Problem]) -> None:
    """Add the problem of each register that begins inside another one of the same table, by its name."""
    farthest: Register | None = None
    for register, item in registers:
        if farthest and register.address < farthest.end:
            owner = f"{cut(farthest.name)}, which has {_span(farthest)}"
            what = f"{cut(register.name)}: address {register.address} belongs to {owner}"
            found[register.name] = item.document.problem((*item.loc, "address"), "registers-overlap", what)
        if farthest is None or register.end > farthest.end:
            farthest = register


def _span(register: Register) -> str:
    last = register.end - 1
    return str(last) if register.length == 1 else f"{register.address} to {last}"


def _check_blocks(registers: Sequence[Pair], blocks: Sequence[Block], whole: MapFile, problems: list[Problem]) -> None:
    starts = [start_of(entry) for entry in whole.blocks or []]
    for register, item in registers:
        for start in starts:
            if register.place < start < register.place + register.length:
                what = f"{cut(register.name)}: {_span(register)} crosses the beginning of the block at {start % TABLE}"
                problems.append(item.document.problem((*item.loc, "address"), "register-crosses-block", what))
        block = next((block for block in blocks if block.address <= register.place < block.end), None)
        if block is None:
            continue
        if register.place + register.length > block.end:
            what = f"{cut(register.name)}: {_span(register)} crosses the end of the block at {block.address % TABLE}"
            problems.append(item.document.problem((*item.loc, "address"), "register-crosses-block", what))
        misplaced = [name for name in register.uses if name.startswith(GATEWAY_PREFIX) != block.is_status]
        if misplaced:
            where = "in a status block" if block.is_status else "outside a status block"
            what = f"{cut(register.name)}: {misplaced[0]} cannot be {where}"
            hint = "A block with status: true holds only the gateway's own values"
            problems.append(item.document.problem((*item.loc, "value"), "reading-in-wrong-block", what, hint))
