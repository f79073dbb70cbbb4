"""Fuzzes the configuration and its environment variables: `python -m fuzz.config [OPTION...] fuzz/corpus/config`."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz.built_in import remembered
from fuzz.harness import check_error, check_problems, fuzz
from gateway.config import CheckedConfig, check_config
from gateway.config.environment import PREFIX, SEPARATOR
from gateway.files.document import FileError

END = b"\x1e"
"""Byte between the file and each variable of an input."""
MAX_VARIABLES = 8
_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")
FILE = Path(_FOLDER.name) / "gateway.yaml"
NOT_THERE = Path(_FOLDER.name) / "none.yaml"
_PLAIN_KEY = re.compile(r"[a-z]+(?:_[a-z]+)*")


def check(data: bytes) -> None:
    """Check that any file and variables are a configuration, or problems that each have a place and one line.

    The same settings, given by variables alone, are the same configuration.
    """
    with remembered():
        check_files(data)


def check_files(data: bytes) -> None:
    """Check a file and variables."""
    content, *variables = data.split(END)
    FILE.write_bytes(content)
    environment = dict(_variable(each) for each in variables[:MAX_VARIABLES])
    try:
        checked = check_config(FILE, environment)
    except FileError as error:
        check_error(error, {str(FILE): content})
        return
    check_problems(checked.problems, {str(FILE): content})
    if not checked.problems and not environment:
        check_variables(checked)


def _variable(text: bytes) -> tuple[str, str]:
    name, _, value = text.decode("utf-8", "replace").replace("\0", "").partition("=")
    return PREFIX + name, value


def check_variables(checked: CheckedConfig) -> None:
    """Check that a valid configuration is the same one where each of its values comes from a variable."""
    variables = dict(_leaves(checked.document.data, ()))
    if None in variables or not variables:
        return
    environment = {
        PREFIX + SEPARATOR.join(map(str, loc)).upper(): json.dumps(value) for loc, value in variables.items()
    }
    again = check_config(NOT_THERE, environment)
    assert again.problems == []
    assert again.config == checked.config


def _leaves(data: Any, loc: tuple[Any, ...] | None) -> Iterator[tuple[tuple[Any, ...] | None, Any]]:
    """Yield the values with their keys; None for the keys of one that no variable can set."""
    if isinstance(data, dict | list) and data and loc is not None:
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            is_plain = isinstance(key, int) or _PLAIN_KEY.fullmatch(key)
            yield from _leaves(value, (*loc, key) if is_plain else None)
    elif loc != ():
        yield loc, data


if __name__ == "__main__":
    fuzz(__file__)
