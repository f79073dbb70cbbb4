"""Reads each built-in map once: to read them again takes longer than all the rest of a check."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import ClassVar, Self
from unittest.mock import patch

from gateway.config import maps as config_maps
from gateway.files.document import Document
from gateway.files.yaml_file import MAX_FILE_BYTES, load
from gateway.maps import load as map_loader
from gateway.maps.file import Part, read_part
from gateway.problems.problem import Problem

_loaded = cache(load)
_parts: dict[int, tuple[Part, list[Problem]]] = {}


def _is_built_in(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in map_loader.FOLDERS)


class _Source(map_loader.MapSource):
    """The files of a map, which are those of an earlier one for a built-in map."""

    kept: ClassVar[dict[Path, Self]] = {}

    def __new__(cls, path: Path) -> Self:
        return cls.kept.get(path) or super().__new__(cls)

    def __init__(self, path: Path) -> None:
        if path not in self.kept:
            super().__init__(path)
        if _is_built_in(path):
            self.kept[path] = self


def _load(path: Path, limit: int = MAX_FILE_BYTES) -> Document:
    return _loaded(path) if _is_built_in(path) else load(path, limit)


def _read_part(document: Document) -> tuple[Part, list[Problem]]:
    if not _is_built_in(Path(document.file)):
        return read_part(document)
    if id(document) not in _parts:
        _parts[id(document)] = read_part(document)
    return _parts[id(document)]


@contextmanager
def remembered() -> Iterator[None]:
    """Read no built-in map again in here."""
    with (
        patch.object(config_maps, "MapSource", _Source),
        patch.object(map_loader, "load", _load),
        patch.object(map_loader, "read_part", _read_part),
    ):
        yield
