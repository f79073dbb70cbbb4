"""Files in which the gateway keeps what it remembers over a restart. Nothing else may depend on them."""

from __future__ import annotations

from pathlib import Path

from gateway.files.regular_file import read_regular_file
from gateway.transport.secret_file import write_secret

BROKEN = ".broken"
"""Ending of the name of a file that was put aside."""


def write_state(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, after a power failure too; only its owner can read it.

    Raises:
        OSError: it cannot be written.

    """
    write_secret(path, content)


def read_state(path: Path, limit: int) -> bytes | None:
    """Return the content of a file of at most `limit` bytes, None if there is no file.

    Raises:
        OSError: it cannot be read, is not a regular file or is larger.

    """
    try:
        return read_regular_file(path, limit)
    except FileNotFoundError:
        return None


def put_aside(path: Path) -> Path:
    """Rename a file that cannot be used, so that the next one does not replace it, and return its new path.

    An older file that was put aside is replaced.

    Raises:
        OSError: it cannot be renamed.

    """
    return path.replace(path.with_name(path.name + BROKEN))
