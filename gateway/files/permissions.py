"""The problem of a file that this program may not read: with its user, and the command that gives the right."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from pathlib import Path

from gateway.problems.problem import Problem, problem_of


def permission_problem(path: Path) -> Problem:
    """Return the problem of a file that the system does not let this program read."""
    path = path.absolute()
    closed = next((folder for folder in reversed(path.parents) if not _has_right(folder, os.X_OK)), None)
    what = f"the user of this program ({user_name()}) may not read it"
    if closed:
        what += f", because it may not enter the folder {closed}"
    hint = f"As root, run: {opening(closed or path, 'x' if closed else 'r')}"
    return problem_of("file-not-permitted", what, hint, short="no permission to read it")


def opening(path: Path, right: str) -> str:
    """Return the command with which this program gets a right (`r` or `x`) to a file or folder, and nobody else."""
    quoted, user, group = shlex.quote(str(path)), os.geteuid(), os.getegid()
    try:
        found = path.stat()
    except OSError:
        return f"chgrp {group_name()} {quoted} && chmod g+{right} {quoted}"
    if found.st_uid == user:
        return f"chmod u+{right} {quoted}"
    if found.st_gid in (group, *os.getgroups()):
        return f"chmod g+{right} {quoted}"
    return f"chgrp {group_name()} {quoted} && chmod g+{right}{_closing(found.st_mode)} {quoted}"


def user_name() -> str:
    """Return the name of the user that this program runs as, or its id where it has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user id {os.geteuid()}"


def group_name() -> str:
    """Return the name of the group that this program runs as, or its id where it has no name."""
    try:
        return grp.getgrgid(os.getegid()).gr_name
    except KeyError:
        return str(os.getegid())


def _closing(mode: int) -> str:
    """Return the change that keeps the new group from writing."""
    return ",g-w" if stat.S_ISREG(mode) and mode & stat.S_IWGRP else ""


def _has_right(path: Path, right: int) -> bool:
    return os.access(path, right, effective_ids=os.access in os.supports_effective_ids)
