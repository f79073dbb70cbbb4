"""Register maps: find a file, check it whole, compile it.

The language is described in `docs/register-maps.md`. A map may extend another one, and then states only
what differs.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path

from gateway.map_compiler import compile_map
from gateway.map_file import MapFile, Placed
from gateway.protocol.register_map import RegisterMap
from gateway.validation import suggest, validate
from gateway.yaml_file import Document, Fault, FileError, Loc, load

MAX_CHAIN = 20

_HERE = Path(__file__).parent
_FOLDERS = (_HERE / "register_maps", _HERE.parent / "register_maps")
"""Where the gateway's own maps lie: inside the installed package, or beside it in a checkout."""
PARTS = "parts"
"""The folder of fragments that maps include, which are no maps themselves."""


def map_names() -> dict[str, Path]:
    """The maps that come with the gateway, by name."""
    return {path.stem: path for path in _shipped() if path.parent.name != PARTS}


def _shipped() -> list[Path]:
    return [path for folder in _FOLDERS if folder.is_dir() for path in sorted(folder.glob("*/*.yaml"))]


def find_map(name: str, beside: Path) -> Path:
    """The file of a map: a name among the gateway's own, or a path, relative to the folder `beside`.

    Raises:
        LookupError: when there is none; says what comes near.

    """
    known = map_names()
    if name in known:
        return known[name]
    path = beside / name
    if path.is_file():
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
"""Settings that hold for what extends or includes a map, where that says nothing of them."""


def load_map(path: Path) -> RegisterMap:
    """Read, check and compile a map.

    Raises:
        FileError: with every fault, each with file, line and column.

    """
    chain = _read_chain(path)
    placed, without, faults = _merge(chain)
    document, top = chain[0]
    nearest = {key: _nearest(chain, key) for key in _INHERITED}
    whole = top.model_copy(update=nearest | {"name": top.name or path.stem})
    compiled, more = compile_map(whole, placed, without, document)
    if faults or more:
        raise FileError(faults + more)
    return compiled


def _nearest(chain: list[tuple[Document, MapFile]], key: str) -> object:
    return next((value for _, part in chain if (value := getattr(part, key)) is not None), None)


def _merge(chain: list[tuple[Document, MapFile]]) -> tuple[list[Placed], frozenset[str], list[Fault]]:
    """All registers, a nearer map's in place of a farther one's; the names left without value; faults."""
    merged: dict[str, Placed] = {}
    without: set[str] = set()
    faults: list[Fault] = []
    for document, part in reversed(chain):
        seen: set[str] = set()
        for index, entry in enumerate(part.registers):
            loc = ("registers", index)
            if entry.name in seen:
                faults.append(document.fault((*loc, "name"), f"the name {entry.name} is given twice"))
            seen.add(entry.name)
            merged[entry.name] = Placed(entry, document, loc)
        for index, pattern in enumerate(part.without):
            names = fnmatch.filter(merged, pattern)
            if not names:
                hint = suggest(pattern, list(merged))
                faults.append(document.fault(("without", index), f"no register is called {pattern}", hint))
            without.update(names)
    return list(merged.values()), frozenset(without), faults


def _read_chain(path: Path) -> list[tuple[Document, MapFile]]:
    """The map and all that it extends or includes, itself first and what it includes right behind it."""
    chain: list[tuple[Document, MapFile]] = []
    current: Path | None = path
    while current is not None:
        document = load(current)
        part = validate(document, MapFile)
        chain.append((document, part))
        for index, name in enumerate(part.include):
            fragments = {file.stem: file for file in _shipped() if file.parent.name == PARTS}
            file = fragments.get(name) or _found(document, ("include", index), name, current.parent)
            fragment = load(file)
            chain.append((fragment, validate(fragment, MapFile)))
            for key in ("extends", "include"):
                if getattr(chain[-1][1], key):
                    raise FileError([fragment.fault((key,), "what is included brings no other map along")])
        if len(chain) > MAX_CHAIN:
            raise FileError([document.fault(("extends",), f"more than {MAX_CHAIN} maps extend or include each other")])
        current = _found(document, ("extends",), part.extends, current.parent) if part.extends else None
    return chain


def _found(document: Document, loc: Loc, name: str, beside: Path) -> Path:
    try:
        return find_map(name, beside)
    except LookupError as error:
        what, _, hint = str(error).partition(" | ")
        raise FileError([document.fault(loc, what, hint)]) from None
