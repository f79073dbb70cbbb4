"""Strict YAML with line numbers: a file becomes plain data, or a list of problems with their places.

Keys given twice, anchors, aliases, tags and several documents in one file are problems, although YAML has them: each
of them lets a configuration mean something else than a reader sees.
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from gateway.files.document import Document, FileError, Loc, dotted
from gateway.files.pydantic_errors import KEYS_EXPECTED
from gateway.files.regular_file import accessing, read_regular_file
from gateway.files.yaml_errors import TOO_DEEP, TOO_DEEP_TEXT, syntax_problem
from gateway.problems.problem import MAX_PROBLEMS, Place, in_order, problem_of
from gateway.problems.quoting import cut_path, quoted
from gateway.problems.system import file_problem

MAX_FILE_BYTES = 1_000_000
"""Largest size of a file."""
MAX_DEPTH = 20
"""Largest number of levels."""
MAX_NODES = 100_000
"""Largest number of keys and values in a file."""
MAX_NUMBER_CHARACTERS = 40
"""Largest number of characters of a number: Python works on a longer one for a long time, or refuses it."""

_MAY_HOLD_ANCHOR_OR_TAG = re.compile(r"(?:^|[\s\[{,:\ufeff])[&*!]", re.MULTILINE)
_BEGIN_NODES = ("\n", ",", ":", "[", "{", "?", "-")
"""Characters of which one is before each key and value but the first."""
_READ_OTHERWISE = re.compile(r"[-+]?(?:0[0-7_]+|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)")
"""A text that YAML 1.1 reads as a number in base 8 or 60: 0100 as 64, 1:30 as 90, 1:30.5 as 90.5."""
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_NO_CHARACTER = re.compile("[\0\ud800-\udfff]")
"""A zero byte, which no path, name or address can have, and half a character, which cannot be written as UTF-8."""
_BEGINS_LEVEL = re.compile(r"[\[{?-]")
_MANY_LEVELS = 1000
"""Number of beginnings of levels below which the recursive parser in C cannot run out of stack."""


def is_there(path: Path) -> bool:
    """Return whether a file exists; for a file that must not be accessed return True, so that `load` reports why."""
    try:
        with accessing(path):
            path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def read_file(path: Path, limit: int = MAX_FILE_BYTES) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    Raises:
        FileError: it cannot be read.

    """
    name = str(path)
    try:
        return read_regular_file(path, limit)
    except OSError as error:
        place = Place(cut_path(name) if error.errno == errno.ENAMETOOLONG else name)
        raise FileError([file_problem(error, place)]) from None
    except ValueError:  # a path with a character that no path can have
        raise FileError([problem_of("no-such-file", "this cannot be the name of a file", place=Place(name))]) from None


def load(path: Path, limit: int = MAX_FILE_BYTES) -> Document:
    """Read a YAML file that has keys with values; nothing of another file is quoted.

    Args:
        path: the file.
        limit: largest size, in bytes.

    Raises:
        FileError: it cannot be read or has problems.

    """
    name, content = str(path), read_file(path, limit)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        place = Place(name, before.count("\n") + 1, len(before) - before.rfind("\n"))
        what = f"the byte 0x{content[error.start]:02X} is not UTF-8"
        raise FileError([problem_of("not-utf-8", what, "Save the file as UTF-8", place=place)]) from None
    document = parse(text, name, needs_keys=True)
    document.digest = hashlib.sha256(content).digest()
    return document


def parse(text: str, name: str, *, needs_keys: bool = False) -> Document:
    """Read YAML from a text, as `load` does from a file; with `needs_keys` only keys with values are valid."""
    document = Document(name, size=len(text))
    is_whole = False
    try:
        # The parser in C is many times faster and returns the same nodes with the same marks.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        if _needs_check(text):
            _check_events(document, yaml.parse(text, loader))
        if not document.problems:
            node = yaml.compose(text, loader)
            if node and needs_keys and not isinstance(node, yaml.MappingNode):
                document.problems.append(document.problem((), *KEYS_EXPECTED))
            else:
                document.data = _plain(document, node, (), loader("")) if node else None
                is_whole = True
    except yaml.YAMLError as error:
        document.problems.append(syntax_problem(name, text, error))
    except UnicodeEncodeError as error:
        what = f"not UTF-8 text (character {error.start})"
        document.problems.append(problem_of("not-utf-8", what, place=Place(name)))
    except RecursionError:
        document.problems.append(problem_of(TOO_DEEP, TOO_DEEP_TEXT, place=Place(name)))
    if document.problems:
        raise FileError(in_order(document.problems), document if is_whole else None)
    return document


def _needs_check(text: str) -> bool:
    """Return whether a text may contain an anchor or a tag, or too many levels or nodes."""
    may_be_deep = len(_BEGINS_LEVEL.findall(text)) > _MANY_LEVELS
    return bool(may_be_deep or _MAY_HOLD_ANCHOR_OR_TAG.search(text) or sum(map(text.count, _BEGIN_NODES)) >= MAX_NODES)


def _check_events(document: Document, events: Iterable[yaml.Event]) -> None:
    depth = nodes = 0
    for event in events:
        nodes += isinstance(event, yaml.NodeEvent)
        if nodes > MAX_NODES:
            what = f"more than {MAX_NODES} keys and values"
            place = _place(document, event.start_mark)
            document.problems.append(problem_of("too-many-values", what, "Split the file, or shorten it", place=place))
            return
        if len(document.problems) > MAX_PROBLEMS:
            return
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            place = _place(document, event.start_mark)
            document.problems.append(problem_of(TOO_DEEP, TOO_DEEP_TEXT, place=place))
            return
        _check_event(document, event)


def _place(document: Document, mark: Any, loc: Loc = ()) -> Place:
    """Return the place of a mark of the parser."""
    return Place(document.file, mark.line + 1, mark.column + 1, dotted(loc))


def _check_event(document: Document, event: yaml.Event) -> None:
    place = _place(document, event.start_mark)
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        what = "anchors and aliases are not allowed"
        document.problems.append(problem_of("anchor-or-alias", what, "Write the value itself", place=place))
    elif isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None):
        what = "a tag (a word that begins with !) is not allowed"
        document.problems.append(problem_of("tag-not-allowed", what, "Remove it", place=place))


def _plain(document: Document, node: yaml.Node, loc: Loc, loader: Any) -> Any:
    document.places[loc] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if len(loc) > MAX_DEPTH:
        document.problems.append(document.problem(loc, TOO_DEEP, TOO_DEEP_TEXT))
        return None
    if isinstance(node, yaml.SequenceNode):
        return [_plain(document, item, (*loc, index), loader) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _plain_mapping(document, node, loc, loader)
    if not _is_text(document, node, loc):
        return _NO_CHARACTER.sub("", node.value)  # so that nothing else is said to be missing
    if node.tag == "tag:yaml.org,2002:timestamp":
        return node.value
    if node.tag in _NUMBERS and not _is_clear_number(document, node.value, loc):
        return None
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError):
        what = f"YAML cannot read {quoted(node.value)}"
        document.problems.append(document.problem(loc, "unreadable-value", what, "Put it in quotes"))
        return None


def _is_text(document: Document, node: yaml.Node, loc: Loc) -> bool:
    """Return whether a key or value has only characters that a text can have; add the problem where it does not."""
    found = _NO_CHARACTER.search(node.value)
    if found:
        what = f"{quoted(found[0])} cannot be part of a text"
        problem = problem_of(
            "invisible-character", what, "Type the text again", place=_place(document, node.start_mark, loc)
        )
        document.problems.append(problem)
    return found is None


def _is_clear_number(document: Document, text: str, loc: Loc) -> bool:
    """Return whether a number is short and means what a reader sees; add the problem where it does not."""
    if len(text) > MAX_NUMBER_CHARACTERS:
        what = f"a number has at most {MAX_NUMBER_CHARACTERS} characters"
        document.problems.append(document.problem(loc, "number-too-long", what, "Shorten it, or put it in quotes"))
        return False
    if _READ_OTHERWISE.fullmatch(text):
        what = f"YAML reads {text} as another number than it seems"
        hint = "Write it without leading zeros and colons, or in quotes"
        document.problems.append(document.problem(loc, "ambiguous-number", what, hint))
        return False
    return True


def _key(node: yaml.ScalarNode, loader: Any) -> int | str:
    is_short = len(node.value) <= MAX_NUMBER_CHARACTERS
    if node.tag == "tag:yaml.org,2002:int" and is_short and not _READ_OTHERWISE.fullmatch(node.value):
        with suppress(ValueError):
            return int(loader.construct_object(node))
    return str(node.value)


def _plain_mapping(document: Document, node: yaml.MappingNode, loc: Loc, loader: Any) -> dict[Any, Any]:
    plain: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            place = _place(document, key_node.start_mark, loc)
            what = "a key must be a word or a number"
            document.problems.append(problem_of("key-not-plain", what, place=place))
            continue
        if not _is_text(document, key_node, loc):
            continue
        key = _key(key_node, loader)
        here = (*loc, str(key))
        if here in document.places:
            first = document.places[here][0]
            what = f"the key is given twice, first on line {first}"
            place = _place(document, key_node.start_mark, here)
            document.problems.append(problem_of("duplicate-key", what, "Remove one of them", place=place, line=first))
            continue
        plain[key] = _plain(document, value_node, here, loader)
        document.places[here] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
    return plain
