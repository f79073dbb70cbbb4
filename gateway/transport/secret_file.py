"""Files with secrets: their largest size, and the check of who else may read them."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import stat
from contextlib import suppress
from pathlib import Path

from gateway.files.regular_file import accessing, read_regular_file
from gateway.problems.problem import Problem, ProblemError, problem_of

MAX_SECRET_BYTES = 1_000_000
"""Largest size of a file with certificates, a key or a password."""
MIN_TOKEN_CHARACTERS = 16
KEY_DIGITS = 32
"""Number of hexadecimal digits of a key of 128 bits."""
OTHERS = stat.S_IRWXO | stat.S_IWGRP
"""Rights that a secret must not give: all of other users, and writing of its group."""


def read_secret(path: Path) -> bytes:
    """Return the content of a regular file; a pipe or a device would keep the reader waiting.

    Raises:
        OSError: as `read_regular_file` raises it.

    """
    return read_regular_file(path, MAX_SECRET_BYTES)


def read_first_line(path: Path) -> bytes:
    """Return the first line of a file without white space around it; empty for an empty file.

    Raises:
        OSError: as `read_regular_file` raises it.

    """
    lines = read_secret(path).splitlines()
    return lines[0].strip() if lines else b""


def read_login(path: Path) -> bytes:
    """Return the password in a file, as it is sent to a broker.

    Raises:
        OSError: as `read_regular_file` raises it, or the file is empty.

    """
    password = read_secret(path).rstrip(b"\r\n")
    if not password:
        raise ProblemError(problem_of("password-missing", "the file is empty", "Write the password into it"))
    return password


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all. A file that it replaces keeps its owner.

    Raises:
        OSError: it cannot be written.

    """
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            with suppress(FileNotFoundError, PermissionError):
                former = path.stat()
                os.fchown(descriptor, former.st_uid, former.st_gid)
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def read_digest(path: Path, least: int, too_short: Problem) -> bytes:
    """Return the digest of a secret, which is the first line of a file.

    Args:
        path: the file.
        least: smallest number of its characters.
        too_short: the problem of a secret that has fewer.

    Raises:
        OSError: the file cannot be read, is not a regular file or too large, or the secret is too short.

    """
    secret = read_first_line(path)
    if len(secret) < least:
        raise ProblemError(too_short)
    return hashlib.sha256(secret).digest()


def read_token(path: Path) -> bytes:
    """Return the digest of the token in a file, as `read_digest` does."""
    hint = f"Use {MIN_TOKEN_CHARACTERS} characters or more, such as those that `openssl rand -hex 32` prints"
    return read_digest(path, MIN_TOKEN_CHARACTERS, problem_of("token-too-short", "the token is too short", hint))


def read_key(path: Path) -> bytes:
    """Return the key of 128 bits that a file has in hexadecimal digits, with any white space between them.

    Raises:
        OSError: the file cannot be read, is not a regular file or too large, or contains anything else.

    """
    digits = b"".join(read_secret(path).split())
    if not re.fullmatch(rb"[0-9A-Fa-f]{%d}" % KEY_DIGITS, digits):
        hint = "Write the key of the grid operator into the file, and nothing else"
        raise ProblemError(problem_of("not-a-key", f"the file is not a key of {KEY_DIGITS} hexadecimal digits", hint))
    return bytes.fromhex(digits.decode("ascii"))


def rights_problem(path: Path) -> Problem | None:
    """Return a warning about a secret that other users can read or replace, with the command that sets its rights.

    A file that cannot be looked at has no warning here: reading it reports the reason.
    """
    try:
        with accessing(path):
            found = path.stat()
    except OSError:
        return None
    if found.st_mode & OTHERS:
        what = f"other users of this machine can read or change {path} (rights {stat.S_IMODE(found.st_mode):04o})"
        return problem_of("secret-open-to-others", what, f"Run: {_closing(path, found)}")
    if found.st_uid not in (0, os.geteuid()):
        what = f"{path} belongs to another user (user id {found.st_uid}), who can change it"
        return problem_of("secret-of-another-user", what, f"Run: chown {os.geteuid()} {shlex.quote(str(path))}")
    return None


def _closing(path: Path, found: os.stat_result) -> str:
    """Return the command that takes the rights from others, after which this program can still read the file."""
    quoted = shlex.quote(str(path))
    if os.geteuid() in (0, found.st_uid) or found.st_gid in (os.getegid(), *os.getgroups()):
        return f"chmod {'0640' if found.st_mode & stat.S_IRGRP else '0600'} {quoted}"
    return f"chgrp {os.getegid()} {quoted} && chmod 0640 {quoted}"
