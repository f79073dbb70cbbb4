"""Reports the state of the gateway to systemd, by sd_notify(3): datagrams to the socket named by `$NOTIFY_SOCKET`."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from gateway.problems.listing import MAX_LISTED, listed
from gateway.protocol.p1.meter import MeterState
from gateway.runtime.clock import monotonic_us
from gateway.runtime.flow import Node
from gateway.runtime.status import Colour

STATUS_EVERY_S = 10.0


class ServiceManager:
    """systemd, or another program that listens on its socket. Without such a socket every call does nothing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Read the variables that the service manager has set in the environment."""
        path = environment.get("NOTIFY_SOCKET", "")
        # A name that begins with @ is not in the file system; for the kernel it begins with a zero byte.
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        is_meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog_us = int(environment.get("WATCHDOG_USEC", 0)) if is_meant else 0
        self._beat = ["WATCHDOG=1"] if watchdog_us else []
        self._period_s = min(STATUS_EVERY_S, watchdog_us / 2e6 or STATUS_EVERY_S)
        self._state = "READY=1"

    @property
    def is_there(self) -> bool:
        """Return whether a service manager listens."""
        return bool(self._address)

    async def report(self, status: Callable[[], str]) -> None:
        """Report that the gateway is ready, and then its state at regular intervals, until cancelled.

        The watchdog sees by these reports that the event loop runs. A meter that is offline is not a reason to
        restart the gateway.
        """
        while True:
            # Each report repeats the state, in case a datagram is lost.
            self._tell(self._state, f"STATUS={status()}", *self._beat)
            await asyncio.sleep(self._period_s)

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Report the beginning and the end of a reload."""
        self._enter("RELOADING=1", f"MONOTONIC_USEC={monotonic_us()}")
        try:
            yield
        finally:
            if self._state == "RELOADING=1":
                self._enter("READY=1")

    def stopping(self) -> None:
        """Report that the gateway stops."""
        self._enter("STOPPING=1", "STATUS=stopping")

    def _enter(self, state: str, *fields: str) -> None:
        self._state = state
        self._tell(state, *fields)

    def _tell(self, *fields: str) -> None:
        if not self._address:
            return
        # A socket that is full or missing must not block the gateway.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto("\n".join(fields).encode(), self._address)


def status_line(meters: Collection[MeterState], nodes: Iterable[Node], moment: float) -> str:
    """Return one line: each meter with the age of its newest telegram, then the nodes with a red mark.

    Of many meters, it has the number of fresh ones and the first of the others: systemd ignores a long message.
    """
    many, shown = "", meters
    if len(meters) > MAX_LISTED:
        shown = [meter for meter in meters if not meter.is_fresh(moment)]
        many = f"{len(meters) - len(shown)} of {len(meters)} meters fresh"
    red = [f"{node.name}: {node.status.text}" for node in nodes if node.status.colour is Colour.RED]
    texts = [f"{meter.name}: {_meter_part(meter, moment)}" for meter in shown]
    parts = [many, listed(texts, between="; "), listed(red, between="; ")]
    return "; ".join(filter(None, parts)).replace("\n", " ")


def _meter_part(meter: MeterState, moment: float) -> str:
    if meter.newest is None:
        return "no telegram yet"
    if meter.served is None:
        return "no readings served yet"
    age = f"newest telegram {moment - meter.served.measured:.1f} s old"
    return age if meter.is_fresh(moment) else f"stale, {age}"
