"""The part that all targets share: starting one under atheris, and making choices from the bytes of an input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from gateway.files.document import FileError
    from gateway.problems.problem import Problem

CORPUS = Path(__file__).parent / "corpus"
"""Folder of the corpora, one folder for each target."""
TARGETS = (
    *("framing", "readings", "timeline", "encrypted"),
    *("modbus", "telnet", "mqtt", "broker", "fleet", "push", "http", "websocket"),
    *("config", "meters_file", "maps", "ser2net"),
)
INSTRUMENTED = ("gateway", "aiohttp._websocket", "dsmr_parser", "h11", "paho")
"""Packages whose coverage counts: the gateway, and what reads bytes for it."""
MAX_SEGMENTS = 4
MAX_TEXT_CHARACTERS = 2000
"""Largest length of a problem with its place and its hint."""

Item = TypeVar("Item")


class Source:
    """The bytes of an input, read from the front: first the choices, then the rest."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, most: int) -> int:
        """Return a number from 0 to `most`; 0 where the bytes have ended."""
        size = (most.bit_length() + 7) // 8
        return int.from_bytes(self.take(size), "big") % (most + 1)

    def pick(self, choices: Sequence[Item]) -> Item:
        """Return one of the choices."""
        return choices[self.number(len(choices) - 1)]

    def take(self, count: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        taken = self._data[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def rest(self) -> bytes:
        """Return all other bytes."""
        return self.take(len(self._data))

    def segments(self) -> list[bytes]:
        """Return all other bytes, cut into a few segments; the choices come first, as parts of 65,536."""
        shares = sorted(self.number(0xFFFF) for _ in range(MAX_SEGMENTS - 1))
        stream = self.rest()
        places = [0, *(share * len(stream) // 0xFFFF for share in shares), len(stream)]
        return [stream[begin:end] for begin, end in pairwise(places)]

    @property
    def is_empty(self) -> bool:
        """Return whether no bytes are left."""
        return self._at >= len(self._data)


def pieces(stream: bytes, size: int) -> list[bytes]:
    """Return a stream in pieces of `size` bytes."""
    return [stream[at : at + size] for at in range(0, len(stream), size)]


def check_error(error: FileError, texts: Mapping[str, bytes]) -> None:
    """Check that an error has problems, and check these."""
    assert error.problems
    check_problems(error.problems, texts)


def check_problems(problems: Iterable[Problem], texts: Mapping[str, bytes]) -> None:
    """Check that problems have places, in files with these contents where they are in one, and a line of text each."""
    for problem in problems:
        place, text = problem.place, str(problem)
        assert place.file, text
        assert problem.what, text
        assert text.isprintable(), text
        assert len(text) <= MAX_TEXT_CHARACTERS, text
        if place.file in texts and place.line:
            lines = texts[place.file].decode("utf-8", "replace").splitlines()
            assert place.line <= len(lines) + 1, text


def fuzz(file: str) -> None:
    """Fuzz the target in this file, with the options of the command line. It is imported again, with counters."""
    os.execv(sys.executable, [sys.executable, "-m", "fuzz.harness", Path(file).stem, *sys.argv[1:]])  # noqa: S606


def main() -> None:
    """Fuzz the target that the first argument names."""
    import atheris  # noqa: PLC0415 - the checks run without it

    target, *options = sys.argv[1:]
    os.environ["AIOHTTP_NO_EXTENSIONS"] = "1"
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        check = import_module(f"fuzz.{target}").check
    # libFuzzer starts this command again to merge corpora, through a shell.
    atheris.Setup([f"{sys.executable} -m fuzz.harness {target}", *options], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
