"""Read a file without waiting: only a regular file is read, and only so much of it.

Opening a pipe that nobody writes to waits for ever, and opening a device can change its state. The kind is therefore
checked before the file is opened, and again on the open file, which may be another one by then.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gateway.problems.problem import ProblemError, problem_of

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_DO_NOT_WAIT = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK_BYTES = 65_536


def read_regular_file(path: Path, limit: int) -> bytes:
    """Return the content of a regular file.

    Args:
        path: the file.
        limit: largest size, in bytes.

    Raises:
        OSError: it cannot be read, is another kind of file, is larger than `limit`, or changes while it is read.

    """
    check_kind(path.stat())
    descriptor = os.open(path, os.O_RDONLY | _DO_NOT_WAIT)
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
