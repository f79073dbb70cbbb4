"""Load a register map: find its file, read the maps that it extends or includes, merge and compile them.

`docs/register-maps.md` describes the language. A map that extends another one states only the differences. So the
files form a chain, the map itself first, and a nearer file wins. Every step goes on after a fault, so that one run
reports all faults of all files.
"""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path

from gateway.files.validation import suggest
from gateway.files.yaml_file import Document, FileError, Loc, Problem, is_there, load
from gateway.maps.compile import compile_map
from gateway.maps.file import Part, PlacedEntry, read_part
from gateway.protocol.registers.register_map import RegisterMap

MAX_CHAIN = 20
"""Largest number of files that make up one map."""

_HERE = Path(__file__).parent.parent
_FOLDERS = (_HERE / "register_maps", _HERE.parent / "register_maps")
"""Folders of the built-in maps: inside the installed package, or beside it in a checkout."""
PARTS = "parts"
"""Folder of the fragments that maps include; they are not maps themselves."""


def map_names() -> dict[str, Path]:
    """Return the files of the built-in maps, by name."""
    return {path.stem: path for path in _shipped() if path.parent.name != PARTS}


def _shipped() -> list[Path]:
    return [path for folder in _FOLDERS if folder.is_dir() for path in sorted(folder.glob("*/*.yaml"))]


def find_map(name: str, beside: Path) -> Path:
    """Return the file of a map, given the name of a built-in map or a path relative to the folder `beside`.

    Raises:
        LookupError: there is none; the text suggests a name.

    """
    known = map_names()
    if name in known:
        return known[name]
    path = beside / name
    if is_there(path) and not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir may raise
        return path
    if name.endswith((".yaml", ".yml")):
        raise LookupError(f"there is no file {path}")
    hint = suggest(name, list(known)) or f"There are: {', '.join(sorted(known))}; or give a path to a YAML file"
    raise LookupError(f"there is no register map {name!r} | {hint}")


_INHERITED = (
    "function_codes",
    "word_order",
    "byte_order",
    "gaps",
    "blocks",
    "absent",
    "accept_writes",
    "unit_id",
    "requires",
)
"""Settings that a map takes over from the maps it extends or includes, unless it has its own."""


def load_map(path: Path) -> RegisterMap:
    """Read, check and compile a map.

    Raises:
        FileError: the map has faults; it carries all of them, each with file, line and column.

    """
    chain, faults = _read_chain(path)
    placed, without, more = _merge(chain)
    top = chain[0].file
    nearest = {key: _nearest(chain, key) for key in _INHERITED}
    settings = {key: getattr(part.file, key) for key, part in nearest.items()}
    whole = top.model_copy(update=settings | {"name": top.name or path.stem})
    documents = {key: part.document for key, part in nearest.items()}
    knows_blocks = not any("blocks" in part.lost for part in chain)
    compiled, yet_more = compile_map(whole, placed, without, documents, knows_blocks=knows_blocks)
    if faults or more or yet_more:
        raise FileError([*faults, *more, *yet_more])
    if not placed:
        raise FileError([chain[0].document.fault((), "this map has no registers")])
    return compiled


def _nearest(chain: list[Part], key: str) -> Part:
    """Return the nearest file that has `key`, or the map itself."""
    return next((part for part in chain if getattr(part.file, key) is not None), chain[0])


def _merge(chain: list[Part]) -> tuple[list[PlacedEntry], frozenset[str], list[Problem]]:
    """Return all registers, a nearer map's in place of a farther one's; the names in `without`; and the faults."""
    merged: dict[str, PlacedEntry] = {}
    lost: set[str] = set()
    without: set[str] = set()
    faults: list[Problem] = []
    for document, file, positions, left_out in reversed(chain):
        seen: set[str] = set()
        lost |= left_out
        for position, entry in zip(positions, file.registers, strict=False):
            loc = ("registers", position)
            if entry.name in seen:
                faults.append(document.fault((*loc, "name"), f"the name {entry.name} is given twice"))
            # It gets an impossible name, so that its other faults are reported too.
            merged[f"{entry.name} {position}" if entry.name in seen else entry.name] = PlacedEntry(entry, document, loc)
            seen.add(entry.name)
            without.discard(entry.name)
        for index, pattern in enumerate(file.without):
            names = fnmatch.filter(merged, pattern)
            if not names and not fnmatch.filter(lost, pattern):
                hint = suggest(pattern, list(merged))
                faults.append(document.fault(("without", index), f"no register is called {pattern}", hint))
            without.update(names)
    return list(merged.values()), frozenset(without), faults


def _read_chain(path: Path) -> tuple[list[Part], list[Problem]]:
    """Return the map and the files it extends or includes, each followed by what it includes; and the faults of form.

    Raises:
        FileError: a file is missing or cannot be read; it also carries the faults of form found before.

    """
    chain: list[Part] = []
    faults: list[Problem] = []
    try:
        _follow(path, chain, faults)
    except FileError as error:
        raise FileError([*faults, *error.faults]) from None
    return chain, faults


def _follow(path: Path, chain: list[Part], faults: list[Problem]) -> None:
    current: Path | None = path
    while current is not None:
        part = _read_part(current, chain, faults)
        for index, name in enumerate(part.file.include):
            fragments = {file.stem: file for file in _shipped() if file.parent.name == PARTS}
            found = fragments.get(name) or _found(part.document, ("include", index), name, current.parent)
            fragment = _read_part(found, chain, faults)
            for key in ("extends", "include"):
                if getattr(fragment.file, key):
                    raise FileError(
                        [fragment.document.fault((key,), "an included file cannot extend or include another")]
                    )
        if len(chain) > MAX_CHAIN:
            what = f"more than {MAX_CHAIN} maps extend or include each other"
            raise FileError([part.document.fault(("extends",), what)])
        base = part.file.extends
        current = _found(part.document, ("extends",), base, current.parent) if base else None


def _read_part(path: Path, chain: list[Part], faults: list[Problem]) -> Part:
    part, more = read_part(load(path))
    chain.append(part)
    faults += more
    return part


def _found(document: Document, loc: Loc, name: str, beside: Path) -> Path:
    try:
        return find_map(name, beside)
    except LookupError as error:
        what, _, hint = str(error).partition(" | ")
        raise FileError([document.fault(loc, what, hint)]) from None
