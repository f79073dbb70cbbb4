"""Find the file of a register map, check all of it, and compile it.

A map can extend another one: then it has only the entries that differ. `docs/register-maps.md` describes the language.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from gateway.files.document import Document, FileError, Loc
from gateway.files.validation import suggest
from gateway.files.yaml_file import MAX_FILE_BYTES, is_there, load
from gateway.maps.compile import check_length, compile_again, compile_map
from gateway.maps.constants import UNIT_ID, check_settings
from gateway.maps.file import MAX_REGISTERS, MapFile, Part, PlacedEntry, read_part
from gateway.problems.problem import Problem, in_order, problem_of
from gateway.problems.quoting import cut, cut_path, quoted
from gateway.protocol.registers.register_map import RegisterMap

MAX_CHAIN = 20
"""Largest number of files that make up one map."""
MAX_MAP_CHARACTERS = MAX_FILE_BYTES
"""Largest size of the files that make up one map, together."""

_HERE = Path(__file__).parent.parent
FOLDERS = (_HERE / "register_maps", _HERE.parent / "register_maps")
"""Folders of the built-in maps: inside the installed package, or beside it in a checkout."""
PARTS = "parts"
"""Folder of the fragments that maps include; they are not maps themselves."""


def map_names() -> dict[str, Path]:
    """Return the files of the built-in maps, by name."""
    return {path.stem: path for path in _shipped() if path.parent.name != PARTS}


def _shipped() -> list[Path]:
    return [path for folder in FOLDERS if folder.is_dir() for path in sorted(folder.glob("*/*.yaml"))]


class UnknownMapError(LookupError):
    """There is no map of a name, with the problem that says so."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def find_map(name: str, beside: Path, start: str = "the folder of gateway.yaml") -> Path:
    """Return the file of a map.

    Args:
        name: the name of a built-in map, or a path relative to `beside`.
        beside: the folder at which relative paths begin.
        start: this folder, as users know it.

    Raises:
        UnknownMapError: there is no such map or file; the problem names the most similar map.

    """
    known = map_names()
    if name in known:
        return known[name]
    path = beside / name
    if is_there(path) and not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir may raise
        return path
    if name.endswith((".yaml", ".yml")):
        searched = str((beside / cut_path(name)).absolute())
        hint = "Check the path" if os.path.isabs(name) else f"Relative paths begin at {start}"  # noqa: PTH117 - any text
        raise UnknownMapError(problem_of("missing-map-file", f"there is no file {searched}", hint, file=searched))
    hint = suggest(name, list(known)) or "`dsmr-gateway maps` lists them; or write the path of a YAML file"
    raise UnknownMapError(problem_of("unknown-map", f"there is no register map {quoted(name)}", hint, name=cut(name)))


_INHERITED = (
    "function_codes", "word_order", "byte_order", "gaps", "blocks", "absent", "accept_writes", "unit_id", "requires",
    "keeps",
)  # fmt: skip
"""Settings that a map takes over from the maps it extends or includes, unless it has its own."""


def load_map(path: Path) -> RegisterMap:
    """Read, check and compile the map in a file, with the numbers that it has for its settings.

    Raises:
        FileError: the map has problems; it carries all of them, each with file, line and column.

    """
    return MapSource(path).compile()


class MapSource:
    """The files of a map, read once: each unit may have a map with settings of its own."""

    def __init__(self, path: Path) -> None:
        """Read the files of the map at `path`.

        Raises:
            FileError: the map cannot be read, or no map can be compiled from its files.

        """
        self._stem = path.stem
        self._chain, self._problems, self._is_whole = _read_chain(path)
        self._placed, self._without, more = _merge(self._chain, is_whole=self._is_whole)
        self._problems += [*more, *check_settings(self._chain)]
        check_length(self._placed, self._chain[0].document)
        self._settings: dict[str, int | float] = {}
        for part in reversed(self._chain):
            self._settings |= part.file.settings
        self._compiled: RegisterMap | None = None

    def compile(self, settings: Mapping[str, int | float] | None = None) -> RegisterMap:
        """Return the compiled map, with the numbers of a unit for the settings of the map and its `unit_id`.

        Raises:
            FileError: the map has problems; it carries all of them, each with file, line and column.

        """
        if self._compiled is None:
            self._compiled = self._compile_all()
        if not settings:
            return self._compiled
        whole = self._whole({**self._constants(), **settings})
        compiled, problems = compile_again(self._compiled, whole, self._varying, self._without)
        if problems:
            raise FileError(in_order(problems))
        return compiled

    def _compile_all(self) -> RegisterMap:
        chain, whole = self._chain, self._whole(self._constants())
        documents = {key: _nearest(chain, key).document for key in _INHERITED}
        knows_blocks = self._is_whole and not any("blocks" in part.lost for part in chain)
        compiled, problems = compile_map(whole, self._placed, self._without, documents, knows_blocks=knows_blocks)
        if self._problems or problems:
            raise FileError(in_order([*self._problems, *problems]))
        if not self._placed:
            hint = "Add registers:, or extends: with the name of a map"
            raise FileError([chain[0].document.problem((), "no-registers", "there is no register in this map", hint)])
        compiled.digest = b"".join(part.document.digest for part in chain)
        return compiled

    @cached_property
    def _varying(self) -> list[PlacedEntry]:
        """Return the entries that name a setting."""
        mentions = re.compile(rf"\b(?:{'|'.join(self._constants())})\b")
        return [item for item in self._placed if mentions.search(item.entry.model_dump_json())]

    def _constants(self) -> dict[str, int | float]:
        return {UNIT_ID: _nearest(self._chain, "unit_id").file.unit_id or 1, **self._settings}

    def _whole(self, settings: Mapping[str, int | float]) -> MapFile:
        """Return the keys of the map, completed by those of the maps that it extends."""
        top = self._chain[0].file
        inherited = {key: getattr(_nearest(self._chain, key).file, key) for key in _INHERITED}
        return top.model_copy(update={**inherited, "name": top.name or self._stem, "settings": settings})


def _nearest(chain: list[Part], key: str) -> Part:
    """Return the nearest file that has `key`, or the map itself."""
    return next((part for part in chain if getattr(part.file, key) is not None), chain[0])


def _merge(chain: list[Part], *, is_whole: bool) -> tuple[list[PlacedEntry], frozenset[str], list[Problem]]:
    """Return all registers, a nearer map's in place of a farther one's; the names in `without`; and the problems."""
    merged: dict[str, PlacedEntry] = {}
    lost: set[str] = set()
    without: set[str] = set()
    problems: list[Problem] = []
    for document, file, positions, left_out in reversed(chain):
        seen: set[str] = set()
        lost |= left_out
        for position, entry in zip(positions, file.registers, strict=False):
            loc = ("registers", position)
            if entry.name in seen:
                what = f"the name {cut(entry.name)} is given twice"
                problems.append(document.problem((*loc, "name"), "duplicate-name", what, "Choose another name"))
            # Under a name that no register can have, so that its other problems are reported too.
            merged[f"{entry.name} {position}" if entry.name in seen else entry.name] = PlacedEntry(entry, document, loc)
            seen.add(entry.name)
            without.discard(entry.name)
        for index, pattern in enumerate(file.without):
            names = fnmatch.filter(merged, pattern)
            if is_whole and not names and not fnmatch.filter(lost, pattern):
                hint = suggest(pattern, list(merged))
                what = f"no register is called {cut(pattern)}"
                problems.append(document.problem(("without", index), "unknown-register", what, hint, name=cut(pattern)))
            without.update(names)
    if len(merged) > MAX_REGISTERS:
        what, hint = f"more than {MAX_REGISTERS} registers in this map", "Leave out some of the files that it extends"
        raise FileError([chain[0].document.problem(("extends",), "too-many-registers", what, hint)])
    return list(merged.values()), frozenset(without), problems


def _read_chain(path: Path) -> tuple[list[Part], list[Problem], bool]:
    """Read the map and all that it extends or includes.

    Returns:
        The files, nearest first; their problems; and whether all files could be read.

    Raises:
        FileError: the map itself cannot be read.

    """
    chain: list[Part] = []
    problems: list[Problem] = []
    try:
        is_whole = _follow(path, chain, problems)
    except FileError as error:
        if not chain:
            raise
        return chain, [*problems, *error.problems], False
    return chain, problems, is_whole


def _follow(path: Path, chain: list[Part], problems: list[Problem]) -> bool:
    """Return whether all files that are included could be read; raise FileError where one that is extended cannot."""
    is_whole = True
    allowed = _folders_of(path)
    current: Path | None = path
    while current is not None:
        part = _read_part(current, chain, problems)
        for index, name in enumerate(part.file.include):
            try:
                place = _Place(part.document, ("include", index), current.parent, allowed)
                _include(place, name, chain, problems)
            except FileError as error:
                problems += error.problems
                is_whole = False
        if len(chain) > MAX_CHAIN:
            what = f"more than {MAX_CHAIN} maps extend or include each other"
            raise FileError([part.document.problem(("extends",), "too-many-maps", what, "Does a map extend itself?")])
        base = part.file.extends
        current = _found(_Place(part.document, ("extends",), current.parent, allowed), base) if base else None
    return is_whole


class _Place(NamedTuple):
    """A place that names another file of the map."""

    document: Document
    loc: Loc
    beside: Path
    """The folder at which relative paths begin."""
    allowed: Sequence[Path]
    """The folders that files of the map may be in."""


def _folders_of(path: Path) -> list[Path]:
    """Return the folders that the files of a map may be in: its own, and those of the built-in maps.

    A map that is a link has two folders of its own.
    """
    return [*map(_real, (path.parent, *FOLDERS)), _real(path).parent]


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _include(place: _Place, name: str, chain: list[Part], problems: list[Problem]) -> None:
    fragments = {file.stem: file for file in _shipped() if file.parent.name == PARTS}
    found = fragments.get(name) or _found(place, name)
    fragment = _read_part(found, chain, problems)
    for key in ("extends", "include"):
        if getattr(fragment.file, key):
            what = f"a file that is included cannot have {key}:"
            raise FileError([fragment.document.problem((key,), "nested-include", what, "Remove it")])


def _read_part(path: Path, chain: list[Part], problems: list[Problem]) -> Part:
    left = MAX_MAP_CHARACTERS - sum(part.document.size for part in chain)
    part, more = read_part(load(path, max(left, 0)))
    chain.append(part)
    problems += more
    return part


def _found(place: _Place, name: str) -> Path:
    """Return the file that a map names, unless it is outside of the folders that its files may be in."""
    document, loc, beside, allowed = place
    if name not in map_names() and not any(_real(beside / name).is_relative_to(folder) for folder in allowed):
        what = f"{quoted(cut_path(name))} is outside of the folder of the map"
        hint = "Copy the file into the folder of the map, or name a built-in map"
        raise FileError([document.problem(loc, "file-outside-folder", what, hint)])
    try:
        return find_map(name, beside, "the folder of the map")
    except UnknownMapError as error:
        raise FileError([error.problem.at(document.place(loc))]) from None
