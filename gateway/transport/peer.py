"""The program at the other end of a local socket, as the kernel knows it."""

from __future__ import annotations

import os
import socket
import stat
import struct
from pathlib import Path
from typing import Any, NamedTuple

_CREDENTIALS = struct.Struct("3i")
"""Process, user and group (struct ucred, unix(7))."""
ROOT = 0


class Peer(NamedTuple):
    """The program at the other end of a local socket."""

    process: int
    """Its process id; 0 if the system does not report it."""
    user: int
    """The id of its user."""


def peer_of(connected: Any) -> Peer:
    """Return the program at the other end of a socket; one of this user on a system without SO_PEERCRED."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return Peer(0, os.geteuid())
    return Peer(*_CREDENTIALS.unpack(connected.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))[:2])


def is_trusted_owner(user: int, path: Path) -> bool:
    """Return whether to trust a socket at `path` that a program of `user` serves.

    Trusted are this user and root. Root also trusts the owner of the folder, unless anyone could have made that folder.
    """
    if user in (ROOT, os.geteuid()):
        return True
    folder, around = path.parent.stat(), path.parent.parent.stat()
    is_protected = around.st_uid == ROOT and not around.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return os.geteuid() == ROOT and is_protected and user == folder.st_uid
