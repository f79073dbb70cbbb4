"""Threads whose start never keeps the event loop waiting, also with no memory left.

`threading.Thread.start` waits until the new thread runs. A thread that gets no memory for its first step ends before
that, and the start waits for ever (https://github.com/python/cpython/issues/140746, open in 2026). In the event loop,
nothing would be served any more. So the event loop gets all its threads before anything runs, and any other thread is a
`Thread`, whose start does not wait.
"""

from __future__ import annotations

from _thread import start_new_thread
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

BEGIN_LIMIT_S = 5.0
"""Time after which a thread that has not begun never will."""
LOOP_THREADS = 8
"""Number of threads for what blocks: devices, files, and names (`gateway.transport.connecting`)."""


class Thread:
    """A thread, started at once. The end of the process does not wait for it."""

    def __init__(self, run: Callable[[], object]) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the system refuses.

        """
        self._run = run
        self.begun = Event()
        """Set by the first step of the thread; one without memory for it never begins."""
        self.over = Event()
        self.ident = start_new_thread(self._work, ())

    def wait_until_begun(self) -> None:
        """Wait until the thread runs.

        Raises:
            RuntimeError: it never will.

        """
        if not self.begun.wait(BEGIN_LIMIT_S):
            raise RuntimeError("no thread can be started")

    def _work(self) -> None:
        self.begun.set()
        try:
            self._run()
        finally:
            self.over.set()


def ready_executor(threads: int = LOOP_THREADS) -> ThreadPoolExecutor:
    """Return an executor of which all threads run, so that it never starts one later.

    Raises:
        RuntimeError: a thread cannot be started.

    """
    executor = ThreadPoolExecutor(threads, thread_name_prefix="asyncio")
    all_run = Barrier(threads + 1, timeout=BEGIN_LIMIT_S)

    def start() -> None:
        for _ in range(threads):
            executor.submit(all_run.wait)

    Thread(start)  # the executor uses `threading.Thread`, whose start may wait for ever
    all_run.wait()
    return executor
