"""The programs of this machine that listen on ports, read once from /proc, however many ports are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

_LISTENS = {"tcp": "0A", "udp": "07"}
"""State of a listening socket in /proc/net, by transport."""


class ListeningPrograms:
    """The sockets that listen when they are first asked for, and the processes that have them."""

    def of(self, port: int, transport: str) -> str | None:
        """Return `name (process id)` of the program that listens on a port, if that can be seen."""
        for inode in self._sockets.get((transport, port), ()):
            pid = self._processes.get(inode)
            with suppress(OSError):
                if pid:
                    return f"{Path('/proc', pid, 'comm').read_text().strip()} (process {pid})"
        return None

    @cached_property
    def _sockets(self) -> Mapping[tuple[str, int], list[str]]:
        """Return the inodes of the sockets that listen, by transport and port."""
        found: dict[tuple[str, int], list[str]] = {}
        for transport, state in _LISTENS.items():
            for table in (transport, f"{transport}6"):
                with suppress(OSError):
                    for line in Path("/proc/net", table).read_text("ascii").splitlines()[1:]:
                        fields = line.split()
                        if fields[3] == state:
                            port = int(fields[1].rpartition(":")[2], 16)
                            found.setdefault((transport, port), []).append(fields[9])
        return found

    @cached_property
    def _processes(self) -> Mapping[str, str]:
        """Return the process id of each open socket that can be seen, by its inode."""
        found: dict[str, str] = {}
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            with suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    found.setdefault(target[len("socket:[") : -1], link.parts[2])
        return found
