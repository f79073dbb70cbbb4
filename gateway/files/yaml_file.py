"""Strict YAML with line numbers: a file becomes plain data, or a list of problems with their places.

Duplicate keys, anchors, aliases, tags and several documents in one file are errors too: with each of them a
configuration may mean something else than its reader thinks.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Loc = tuple[str | int, ...]
"""Path to a value: keys as text, positions in lists as int."""

MAX_FILE_BYTES = 1_000_000
MAX_DEPTH = 20

_WAYS_OUT = {
    errno.ENOENT: "Is the name right, and from the folder in which the command is given?",
    errno.EISDIR: "Give a file in it",
    errno.EACCES: "The user who gives the command may not read it: see ls -l, and chmod or chown",
}
_INDENT = "Indent it like the lines that it belongs with, and put a text with a colon in quotes"
_SYNTAX_HINTS = {
    "mapping values are not allowed": _INDENT,
    "did not find expected key": _INDENT,
    "did not find expected '-'": _INDENT,
    "could not find expected ':'": "Write a colon and a space after a key",
    "did not find expected ','": "The bracket of line {opened} is not closed before this",
    "unexpected end of stream": "The quote of line {opened} is not closed",
    "node content": "A value is missing, or the bracket that closes",
    "cannot start any token": "Put the text in quotes",
    "another document": "Leave out the line ---",
}
"""Message of the parser → probable cause."""
_MAY_HOLD_ANCHOR_OR_TAG = re.compile(r"(?:^|[\s\[{,:\ufeff])[&*!]", re.MULTILINE)
_READ_OTHERWISE = re.compile(r"[-+]?(?:0[0-7_]+|[0-9][0-9_]*(?::[0-5]?[0-9])+)")
"""Text that YAML 1.1 reads as a number in base 8 or 60: 0100 is 64, 1:30 is 90."""
_BEGINS_LEVEL = re.compile(r"[\[{?-]")
_MANY_LEVELS = 1000
"""Number of nested levels below which the recursive parser in C cannot run out of stack."""
_TOO_DEEP = "nested too deeply"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to mend in a file: `file:line:column: path: what. hint`."""

    file: str
    line: int
    column: int
    path: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: " if self.line else f"{self.file}: "
        path = f"{self.path}: " if self.path else ""
        return f"{where}{path}{self.what}" + (f". {self.hint}" if self.hint else "")


class FileError(Exception):
    """A file with problems; carries all of them."""

    def __init__(self, faults: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = list(faults)


@dataclass
class Document:
    """A YAML file as plain data, with the place of every key and value."""

    file: str
    data: Any = None
    places: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    faults: list[Problem] = field(default_factory=list)
    variables: dict[Loc, str] = field(default_factory=dict)
    """Values that come from an environment variable and not from the file, with the variable's name."""

    def place(self, loc: Loc) -> tuple[int, int]:
        """Return line and column of `loc`, or of its nearest parent in the file."""
        while loc and loc not in self.places:
            loc = loc[:-1]
        return self.places.get(loc, (1, 1))

    def fault(self, loc: Loc, what: str, hint: str = "") -> Problem:
        """Return a problem at `loc`."""
        for overridden, variable in self.variables.items():
            is_within = loc[: len(overridden)] == overridden
            is_around = overridden[: len(loc)] == loc and loc not in self.places
            if is_within or is_around:
                return Problem(variable, 0, 0, dotted(loc), what, hint)
        line, column = self.place(loc)
        return Problem(self.file, line, column, dotted(loc), what, hint)


def dotted(loc: Loc) -> str:
    """Return a path as text: `modbus[0].units.1`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def is_there(path: Path) -> bool:
    """Return whether a file exists; for a file that must not be accessed return True, so that `load` reports why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def load(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        FileError: when it cannot be read or has problems.

    """
    name = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        text = content.decode("utf-8")
    except OSError as error:
        what, hint = error.strerror or str(error), _WAYS_OUT.get(error.errno or 0, "")
        raise FileError([Problem(name, 0, 0, "", what, hint)]) from None
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        row, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        what = f"the byte 0x{content[error.start]:02X} is not UTF-8"
        raise FileError([Problem(name, row, column, "", what, "Save the file as UTF-8")]) from None
    if len(content) > MAX_FILE_BYTES:
        raise FileError([Problem(name, 0, 0, "", f"larger than {MAX_FILE_BYTES} bytes")])
    return parse(text, name)


def parse(text: str, name: str) -> Document:
    """Read YAML from a text, as `load` does from a file."""
    document = Document(name)
    try:
        # The parser in C is many times faster and returns the same nodes with the same marks.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        if _MAY_HOLD_ANCHOR_OR_TAG.search(text) or len(_BEGINS_LEVEL.findall(text)) > _MANY_LEVELS:
            _check_events(document, yaml.parse(text, loader))
        if not document.faults:
            node = yaml.compose(text, loader)
            document.data = _plain(document, node, (), loader("")) if node else None
    except yaml.YAMLError as error:
        document.faults.append(_syntax_fault(name, text, error))
    except UnicodeEncodeError as error:
        document.faults.append(Problem(name, 0, 0, "", f"not UTF-8 text (character {error.start})"))
    except RecursionError:
        document.faults.append(Problem(name, 0, 0, "", _TOO_DEEP))
    if document.faults:
        raise FileError(document.faults)
    return document


def _check_events(document: Document, events: Iterable[yaml.Event]) -> None:
    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            document.faults.append(Problem(document.file, *_place(event.start_mark), "", _TOO_DEEP))
            return
        _check_event(document, event)


def _place(mark: Any) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _check_event(document: Document, event: yaml.Event) -> None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        what, hint = "anchors and aliases are not allowed", "Write the value out"
    elif isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None):
        what, hint = f"the tag {getattr(event, 'tag', '')} is not allowed", "Leave it out"
    else:
        return
    document.faults.append(Problem(document.file, *_place(event.start_mark), "", what, hint))


def _syntax_fault(name: str, text: str, error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    if isinstance(error, yaml.reader.ReaderError):
        # It stands nowhere else, and the parser in C counts bytes.
        at = text.find(chr(error.character))
        row, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        return Problem(name, row, column, "", f"the character {chr(error.character)!r} is not allowed")
    if mark is None:
        return Problem(name, 1, 1, "", problem)
    if "nesting depth" in problem:  # newer parsers in C have a limit of their own
        problem = _TOO_DEEP
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        hint = "Indent with blanks, not with tabs"
    else:
        opened = getattr(error, "context_mark", None) or mark
        hint = next((words for said, words in _SYNTAX_HINTS.items() if said in problem), "")
        hint = hint.format(opened=opened.line + 1)
    return Problem(name, mark.line + 1, mark.column + 1, "", problem.removeprefix("but found "), hint)


def _plain(document: Document, node: yaml.Node, loc: Loc, loader: Any) -> Any:
    document.places[loc] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if len(loc) > MAX_DEPTH:
        document.faults.append(document.fault(loc, _TOO_DEEP))
        return None
    if isinstance(node, yaml.SequenceNode):
        return [_plain(document, item, (*loc, index), loader) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _plain_mapping(document, node, loc, loader)
    if node.tag == "tag:yaml.org,2002:timestamp":
        return node.value
    if node.tag == "tag:yaml.org,2002:int" and _READ_OTHERWISE.fullmatch(node.value):
        what = f"{node.value} is another number in YAML than it seems"
        document.faults.append(document.fault(loc, what, "Write it without leading zeros and colons, or in quotes"))
        return None
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        document.faults.append(document.fault(loc, getattr(error, "problem", None) or str(error)))
        return None


def _key(node: yaml.ScalarNode, loader: Any) -> int | str:
    if node.tag == "tag:yaml.org,2002:int" and not _READ_OTHERWISE.fullmatch(node.value):
        with suppress(ValueError):
            return int(loader.construct_object(node))
    return str(node.value)


def _plain_mapping(document: Document, node: yaml.MappingNode, loc: Loc, loader: Any) -> dict[Any, Any]:
    plain: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            mark = key_node.start_mark
            fault = Problem(
                document.file, mark.line + 1, mark.column + 1, dotted(loc), "a key must be a word or number"
            )
            document.faults.append(fault)
            continue
        key = _key(key_node, loader)
        here = (*loc, str(key))
        if here in document.places:
            first = document.places[here][0]
            mark = key_node.start_mark
            what = f"the key is given twice, first on line {first}"
            document.faults.append(Problem(document.file, mark.line + 1, mark.column + 1, dotted(here), what))
            continue
        plain[key] = _plain(document, value_node, here, loader)
        document.places[here] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
    return plain
