"""Look up many host names at once, within one time limit."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from gateway.problems.system import reason_of
from gateway.runtime.clock import now

RESOLVE_LIMIT_S = 5.0
"""Longest time that all names together are waited for."""
MAX_THREADS = 32
"""Largest number of names that are looked up at the same time."""


def unresolved(hosts: Iterable[str]) -> Mapping[str, str]:
    """Return the names that have no address, each with the reason."""
    names = [host for host in dict.fromkeys(hosts) if not _is_address(host)]
    reasons = dict.fromkeys(names, f"no answer within {RESOLVE_LIMIT_S:.0f} s")
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in names:
        waiting.put(name)

    def look_up() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                socket.getaddrinfo(name, None)
            except OSError as error:
                reasons[name] = reason_of(error)
            else:
                reasons[name] = ""

    # A name server that does not answer blocks threads, but not the end of the program.
    threads = [threading.Thread(target=look_up, daemon=True) for _ in names[:MAX_THREADS]]
    for thread in threads:
        thread.start()
    deadline = now() + RESOLVE_LIMIT_S
    for thread in threads:
        thread.join(max(0.0, deadline - now()))
    return {name: reason for name, reason in reasons.copy().items() if reason}


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
