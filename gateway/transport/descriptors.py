"""A reserve of file descriptors: clients cannot take the last ones, which the line of a meter needs to open again.

The kernel gives a new socket the lowest free number. A client whose number is close to the process's limit shows that
few are left, and is refused.
"""

from __future__ import annotations

import resource
import socket

RESERVED_DESCRIPTORS = 16
"""Number of descriptors that no client gets: for the lines of meters, a reload, certificates and devices."""
FEW_DESCRIPTORS = (
    "few file descriptors are left: new clients are refused. Allow more (ulimit -n, LimitNOFILE in systemd), or lower"
    " max_clients"
)
"""The line of the log for refused clients."""


def takes_reserve(sock: socket.socket) -> bool:
    """Return whether the socket of a new client has one of the last descriptors that the process may have."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return limit != resource.RLIM_INFINITY and sock.fileno() >= limit - RESERVED_DESCRIPTORS
