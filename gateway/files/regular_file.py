"""Read a file without waiting: only a regular file is read, and only so much of it.

Opening a pipe that nobody writes to waits for ever, and opening a device can change its state. The kind is therefore
checked before the file is opened, and again on the open file, which may be another one by then.

A file on a network drive that is gone keeps its reader waiting all the same. `accessing` notes which thread waits for
which file, so that the problem can name it.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.files.permissions import permission_problem
from gateway.problems.problem import ProblemError, problem_of

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_DO_NOT_WAIT = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK_BYTES = 65_536

_lock = threading.Lock()
_accessed: dict[int, Path] = {}
"""The file that each thread accesses."""
_given_up: dict[int, Path] = {}
"""Those of them that took too long."""


@contextmanager
def accessing(path: Path) -> Iterator[None]:
    """Note that this thread accesses a file while the block runs.

    Raises:
        ProblemError: another thread has waited too long for the file, and still waits.

    """
    thread = threading.get_ident()
    with _lock:
        if path in _given_up.values():
            what = "the file does not respond: an attempt to read it before this one still waits"
            hint = "Is it on a network drive that is gone? Bring the drive back, or write the path of another file"
            raise ProblemError(problem_of("file-does-not-respond", what, hint))
        _accessed[thread] = path
    try:
        yield
    finally:
        with _lock:
            _accessed.pop(thread, None)
            _given_up.pop(thread, None)


def give_up(thread: int) -> Path | None:
    """Refuse the file that a thread accesses to all others until it ends; return None if it accesses none."""
    with _lock:
        path = _accessed.get(thread)
        if path:
            _given_up[thread] = path
    return path


def read_regular_file(path: Path, limit: int) -> bytes:
    """Return the content of a regular file.

    Args:
        path: the file.
        limit: largest size, in bytes.

    Raises:
        OSError: it cannot be read, is another kind of file, is larger than `limit`, or changes while it is read.

    """
    with accessing(path):
        try:
            check_kind(path.stat())
            descriptor = os.open(path, os.O_RDONLY | _DO_NOT_WAIT)
        except PermissionError as error:
            raise ProblemError(permission_problem(path), error.errno) from error
        try:
            before = os.fstat(descriptor)
            check_kind(before)
            content = _read(descriptor, limit + 1)
        finally:
            os.close(descriptor)
    if max(len(content), before.st_size) > limit:
        raise ProblemError(problem_of("file-too-large", f"larger than {limit} bytes"))
    if len(content) != before.st_size:  # so are also files of the system, such as those in /proc
        what = "the file changes while it is read, or its content is not stored on a disk"
        raise ProblemError(problem_of("file-changes", what, "Write the file completely, then try again"))
    return content


def check_kind(found: os.stat_result) -> None:
    """Raise an OSError, which carries a problem, for anything but a regular file."""
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFDIR:
        raise ProblemError(problem_of("not-a-file", "this is a folder", "Give a file in it"))
    if kind != stat.S_IFREG:
        what = f"this is {_KINDS.get(kind, 'not a file')}"
        raise ProblemError(problem_of("not-a-regular-file", what, "Give the path of a file"))


def _read(descriptor: int, limit: int) -> bytes:
    content = bytearray()
    while chunk := os.read(descriptor, min(_CHUNK_BYTES, limit - len(content))):
        content += chunk
    return bytes(content)
