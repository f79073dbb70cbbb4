"""An event loop in virtual time: it never waits, and it gives the same order of events for the same seed.

Time moves only when nothing is left to do at the present moment; then it jumps to the next timer. There are no
sockets: connections go through a `Network` (network.py). Work for threads is done at once, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

START_S = 1_000.0
"""Virtual time at the start of a loop, in seconds."""
RESOLUTION_S = 1e-6
"""Timers closer than this run in the same turn."""


class NothingToDoError(RuntimeError):
    """Nothing will ever happen again in this loop, but somebody still waits."""


class _NoSelector:
    """Stands where a loop has its selector: moves the time on instead of waiting."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise NothingToDoError
        self._loop.moment += timeout
        return []

    def close(self) -> None:
        """Hold nothing."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose clock is `moment`."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = START_S
        self._selector = _NoSelector(self)
        self._clock_resolution = RESOLUTION_S
        self.network: Any = None
        """The `Network` through which connections go."""

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self.moment

    def stand_still(self, seconds: float) -> None:
        """Let time pass without running anything, as for a stopped process or a sleeping machine."""
        self.moment += seconds

    def _process_events(self, event_list: list[Any]) -> None:
        """Do nothing: no selector reports anything."""

    def _write_to_self(self) -> None:
        """Do nothing: no thread has to wake this loop."""

    def run_in_executor(  # type: ignore[override]
        self, _executor: object, function: Callable[..., Any], *arguments: Any
    ) -> asyncio.Future[Any]:
        """Call `function` now and return a future with its result."""
        future = self.create_future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    async def getaddrinfo(self, host: str, port: int, **_options: Any) -> list[tuple[Any, ...]]:  # type: ignore[override]
        """Look up a host of the network."""
        return self.network.look_up(host, port)  # type: ignore[no-any-return]

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Connect a socket; `create_connection` takes the connection over."""
        await self.network.connect(sock, address)

    async def create_connection(  # type: ignore[override]
        self, factory: Callable[[], Any], host: Any = None, port: Any = None, *, sock: Any = None, **_options: Any
    ) -> tuple[Any, Any]:
        """Give a connection its protocol."""
        return await self.network.adopt(factory, sock, host, port)  # type: ignore[no-any-return]

    async def create_server(
        self, factory: Callable[[], Any], host: Any = None, port: Any = None, **_options: Any
    ) -> Any:  # type: ignore[override]
        """Listen on a port of the present host."""
        return self.network.listen(factory, host, port)

    async def create_unix_server(self, factory: Callable[[], Any], path: Any = None, **_options: Any) -> Any:  # type: ignore[override]
        """Listen on a path where nobody connects."""
        return self.network.listen(factory, "unix", str(path))

    async def create_unix_connection(self, *_arguments: Any, **_options: Any) -> Any:  # type: ignore[override]
        """Refuse: nobody listens."""
        raise ConnectionRefusedError
