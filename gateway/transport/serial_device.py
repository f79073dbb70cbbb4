"""The reasons why a serial device cannot be opened, and the process that holds it."""

from __future__ import annotations

import errno
import grp
import os
import stat
from contextlib import suppress
from pathlib import Path

from gateway.problems.problem import Problem
from gateway.problems.system import device_problem

_GROUP_MAY = stat.S_IRGRP | stat.S_IWGRP
_LOCKS = "/run/lock"


def why_not_opened(error: OSError, device: str) -> Problem:
    """Return why `device` cannot be opened, with the process that has it open where that can be seen."""
    is_busy = error.errno in (errno.EBUSY, errno.EAGAIN)
    return device_problem(error, group=_group_of(device), holder=holder_of(device) if is_busy else None)


def holder_of(device: str) -> str | None:
    """Return `name (process id)` of another process that has `device` open or locked, if that can be seen."""
    target = os.path.realpath(device)
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            pid = link.parts[2]
            if str(link.readlink()) == target and int(pid) != os.getpid():
                return f"{Path('/proc', pid, 'comm').read_text().strip()} (process {pid})"
    return _locker_of(target)


def _locker_of(device: str) -> str | None:
    """Return the process with a lock file (FHS 3.0, 5.9), as of ser2net, also if another user runs it."""
    with suppress(OSError, ValueError):
        pid = int(Path(_LOCKS, f"LCK..{Path(device).name}").read_text("ascii"))
        if pid != os.getpid():
            return f"{Path('/proc', str(pid), 'comm').read_text().strip()} (process {pid})"
    return None


def _group_of(device: str) -> str:
    """Return the group that may use a device, `dialout` if that is unknown."""
    with suppress(OSError, KeyError):
        found = Path(device).stat()
        if found.st_mode & _GROUP_MAY == _GROUP_MAY:
            return grp.getgrgid(found.st_gid).gr_name
    return "dialout"
