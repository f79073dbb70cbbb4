"""The reasons why a serial device cannot be opened, and the process that holds it."""

from __future__ import annotations

import errno
import grp
import os
import stat
from contextlib import suppress
from pathlib import Path

_NO_LINE = "no serial device. Look in /dev/serial/by-id"
_NOT_ALLOWED = (
    "kept from this service, whatever its user may do; allow it with DeviceAllow= in systemd's unit, or under"
    " devices: of the container"
)
"""Not the rights of its file, which are EACCES, but a list of devices."""
_GROUP_MAY = stat.S_IRGRP | stat.S_IWGRP
_LOCKS = "/run/lock"


def explain(error: OSError, device: str) -> OSError:
    """Return the error with advice about what to do."""
    group = _group_of(device)
    hints = {
        errno.ENOENT: "no such device; is the cable plugged in? Look in /dev/serial/by-id",
        errno.EACCES: (
            f"no right to open it; add the user to the group {group} (usermod -aG {group} USER), then log in again."
            f" For a service of systemd it is SupplementaryGroups={group}"
        ),
        errno.EPERM: _NOT_ALLOWED,
        errno.ENOTTY: _NO_LINE,
        errno.EISDIR: _NO_LINE,
    }
    if error.errno in (errno.EBUSY, errno.EAGAIN):
        hint = f"in use by {holder_of(device) or 'another process'}"
    else:
        hint = hints.get(error.errno or 0, error.strerror or str(error))
    return OSError(error.errno, hint)


def holder_of(device: str) -> str | None:
    """`name (process id)` of another process that has `device` open, if that can be seen, or has it locked."""
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
