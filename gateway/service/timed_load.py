"""Read the configuration in a thread, and give up after a time: a file on a dead network drive may never arrive.

A thread cannot be ended. One that does not finish is left behind with its result, and the next attempt gets a thread of
its own. The threads of the event loop are not used for it: a few that wait for ever would stop the look-up of names.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gateway.files.yaml_file import FileError
from gateway.problems.problem import problem_of

if TYPE_CHECKING:
    from gateway.service.broken_configuration import Load

LOAD_LIMIT_S = 30.0
"""Longest time in which the configuration and its maps are read; the largest ones take some seconds."""
MAX_LEFT_BEHIND = 4
"""Largest number of threads that still wait for a file."""


class TimedLoad:
    """Reads with a function, without blocking the event loop and within a time limit."""

    def __init__(self, load: Load, limit_s: float = LOAD_LIMIT_S) -> None:
        self._load, self._limit_s = load, limit_s
        self._left_behind: list[threading.Thread] = []

    async def __call__(self) -> Any:
        """Return what the function returns, and raise what it raises.

        Raises:
            FileError: it takes too long, or too many attempts before it still wait.

        """
        self._left_behind = [thread for thread in self._left_behind if thread.is_alive()]
        if len(self._left_behind) >= MAX_LEFT_BEHIND:
            what = f"{MAX_LEFT_BEHIND} attempts before this one still wait for a file"
            raise FileError([problem_of("reading-still-waits", what, "Restart the gateway when the file can be read")])
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Any] = loop.create_future()
        thread = threading.Thread(target=self._run, args=(loop, result), name="load", daemon=True)
        thread.start()
        try:
            async with asyncio.timeout(self._limit_s):
                return await result
        except TimeoutError:
            self._left_behind.append(thread)
            what = f"the configuration and its maps were not read within {self._limit_s:g} s"
            hint = "Is a file on a network drive that does not respond?"
            raise FileError([problem_of("reading-takes-too-long", what, hint)]) from None

    def _run(self, loop: asyncio.AbstractEventLoop, result: asyncio.Future[Any]) -> None:
        error: BaseException | None = None
        value: Any = None
        try:
            value = self._load()
        except BaseException as raised:
            error = raised

        def report() -> None:
            if result.done():  # it is cancelled when the time is over
                return
            if error:
                result.set_exception(error)
            else:
                result.set_result(value)

        with suppress(RuntimeError):  # the event loop has ended meanwhile
            loop.call_soon_threadsafe(report)
