"""Tells systemd how the gateway fares, by sd_notify(3): datagrams to the socket that `$NOTIFY_SOCKET` names."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from gateway.protocol.p1.meter import MeterState
from gateway.runtime.clock import monotonic_us
from gateway.runtime.flow import Node
from gateway.runtime.status import Colour

STATUS_EVERY_S = 10.0


class ServiceManager:
    """systemd, or anything else that listens on its socket; where nothing does, every call does nothing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Take from the environment what the service manager put there."""
        path = environment.get("NOTIFY_SOCKET", "")
        # A name that begins with @ is not in the file system, which the kernel says with a zero byte.
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        is_meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog_us = int(environment.get("WATCHDOG_USEC", 0)) if is_meant else 0
        self._beat = ["WATCHDOG=1"] if watchdog_us else []
        self._period_s = min(STATUS_EVERY_S, watchdog_us / 2e6 or STATUS_EVERY_S)
        self._state = "READY=1"

    @property
    def is_there(self) -> bool:
        """Whether anybody wants to be told."""
        return bool(self._address)

    async def report(self, status: Callable[[], str]) -> None:
        """Say that the gateway is ready, and from then on how it fares, until cancelled.

        That the event loop gets here is what the watchdog watches. A silent meter is no reason to be started anew.
        """
        while True:
            # The state goes along each time, so that a lost datagram does no harm.
            self._tell(self._state, f"STATUS={status()}", *self._beat)
            await asyncio.sleep(self._period_s)

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Say that the configuration is read anew, and at the end that it is done."""
        self._enter("RELOADING=1", f"MONOTONIC_USEC={monotonic_us()}")
        try:
            yield
        finally:
            if self._state == "RELOADING=1":
                self._enter("READY=1")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._enter("STOPPING=1", "STATUS=stopping")

    def _enter(self, state: str, *fields: str) -> None:
        self._state = state
        self._tell(state, *fields)

    def _tell(self, *fields: str) -> None:
        if not self._address:
            return
        # Neither a full socket nor a missing one may hold up the gateway.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto("\n".join(fields).encode(), self._address)


def status_words(meters: Iterable[MeterState], nodes: Iterable[Node], moment: float) -> str:
    """One line: each meter with the age of its newest telegram, then the nodes that are in trouble."""
    words = [f"{meter.name}: {_meter_words(meter, moment)}" for meter in meters]
    words += [f"{node.name}: {node.status.text}" for node in nodes if node.status.colour is Colour.RED]
    return "; ".join(words).replace("\n", " ")


def _meter_words(meter: MeterState, moment: float) -> str:
    if meter.newest is None:
        return "no telegram yet"
    age = f"newest telegram {moment - meter.newest.arrived:.1f} s old"
    return age if meter.is_fresh(moment) else f"stale, {age}"
