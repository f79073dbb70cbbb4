"""Read files in a thread, and give up after a time: a file on a network drive that is gone may never arrive.

A thread cannot be ended. One that does not finish is left behind, and its result is dropped. Until it ends, which shows
that the file can be read again, every other attempt to read the same file is refused at once. So one attempt at most
waits for a file, and a configuration that no longer names the file is read as usual. The threads of the event loop are
not used: a few that wait for ever would stop the look-up of names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from gateway.files.regular_file import give_up
from gateway.problems.problem import Place, Problem, ProblemError, problem_of
from gateway.runtime.threads import BEGIN_LIMIT_S, Thread

READ_LIMIT_S = 10.0
"""Longest time in which a few small files are read."""
MAX_LEFT_BEHIND = 32
"""Largest number of threads that still wait for a file."""
TEMPORARY = frozenset({"file-does-not-respond", "reading-takes-too-long", "reading-still-waits", "no-thread"})
"""Codes of problems that may be over when the files are read again, without a change to any of them."""

_NO_THREAD = problem_of(
    "no-thread",
    "the files cannot be read: the system starts no thread for it",
    "Free memory, or allow the gateway more memory and tasks (MemoryMax and TasksMax in systemd)",
)
_left_behind: list[Thread] = []

T = TypeVar("T")


async def read_in_time(read: Callable[..., T], *arguments: Any, limit_s: float = READ_LIMIT_S) -> T:
    """Return what a function that reads files returns, and raise what it raises, within a time limit.

    Args:
        read: called in a thread of its own.
        arguments: what it is called with.
        limit_s: the time limit, in seconds.

    Raises:
        ProblemError: it takes too long, too many attempts before it still wait, or there is no memory for a thread.

    """
    _left_behind[:] = [thread for thread in _left_behind if not thread.over.is_set()]
    if len(_left_behind) >= MAX_LEFT_BEHIND:
        what = f"{MAX_LEFT_BEHIND} attempts before this one still wait for files that do not respond"
        raise ProblemError(problem_of("reading-still-waits", what, "Restart the gateway when the files can be read"))
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()
    try:
        thread = Thread(partial(_run, partial(read, *arguments), loop, result))
    except RuntimeError:
        raise ProblemError(_NO_THREAD) from None
    doubt = loop.call_later(BEGIN_LIMIT_S, _end_without_thread, thread, result)
    try:
        async with asyncio.timeout(limit_s):
            return await result
    except TimeoutError:
        raise ProblemError(_too_slow(thread, limit_s)) from None
    finally:
        doubt.cancel()
        if thread.begun.is_set() and not thread.over.is_set():
            _left_behind.append(thread)


def _end_without_thread(thread: Thread, result: asyncio.Future[Any]) -> None:
    """Give up at once where the thread had no memory to begin with; its result would never come."""
    if not thread.begun.is_set() and not result.done():
        result.set_exception(ProblemError(_NO_THREAD))


def _too_slow(thread: Thread, limit_s: float) -> Problem:
    path = give_up(thread.ident)
    if path is None:
        what = f"reading the files takes longer than {limit_s:g} s"
        return problem_of("reading-takes-too-long", what, "Is this machine busy, or a file on a slow network drive?")
    what = f"the file does not respond: it was not read within {limit_s:g} s"
    hint = "Is it on a network drive that is gone? Bring the drive back, or write the path of another file"
    return problem_of("file-does-not-respond", what, hint, place=Place(str(path)))


def _run(read: Callable[[], T], loop: asyncio.AbstractEventLoop, result: asyncio.Future[T]) -> None:
    error: BaseException | None = None
    value: Any = None
    try:
        value = read()
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
