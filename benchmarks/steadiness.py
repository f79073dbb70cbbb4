"""Growth of a program that runs for long: its memory, its file descriptors and its log. And a broker for it."""

from __future__ import annotations

import subprocess
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

from benchmarks.p1_line import memory_mb
from benchmarks.running import LOAD_CORE, Program, on_core

MAX_GROWTH_MB = 1.0
MAX_LOG_LINES = 100
"""Largest number of lines of the log for each meter."""


class Steadiness:
    """Memory, file descriptors and log of a running program, since a moment when it has done everything once."""

    def __init__(self, program: Program, meters: int = 1) -> None:
        self._program = program
        self._max_log_lines = meters * MAX_LOG_LINES
        self._memory_mb: list[float] = []
        self._descriptors: list[int] = []

    def begin(self) -> None:
        """Take what it uses now as the first values."""
        self._memory_mb, self._descriptors = [], []
        self.look()

    def look(self) -> None:
        """Look at what it uses."""
        self._memory_mb.append(memory_mb(self._program.pid))
        self._descriptors.append(len(list(Path(f"/proc/{self._program.pid}/fd").iterdir())))

    def __str__(self) -> str:
        return f"{self._memory_mb[-1]:.1f} MB, {self._descriptors[-1]} descriptors, {self._program.log_lines} log lines"

    @property
    def is_kept(self) -> bool:
        """Return whether it runs, and uses no more than at the beginning."""
        is_small = max(self._memory_mb) - self._memory_mb[0] < MAX_GROWTH_MB
        is_flat = max(self._descriptors) <= self._descriptors[0]
        return self._program.is_running and is_small and is_flat and self._program.log_lines <= self._max_log_lines

    def summary(self) -> str:
        """Describe the changes in a line."""
        first, then, most = self._memory_mb[0], self._memory_mb[1], max(self._memory_mb)
        return (
            f"memory: {first:.1f} MB at first, at most {most - first:+.2f} MB, and {most - then:+.2f} MB after the "
            f"second look; descriptors: {self._descriptors[0]} at "
            f"first, {max(self._descriptors)} at most; log: {self._program.log_lines} lines"
        )


def start_mosquitto(stack: ExitStack | AsyncExitStack, folder: Path, port: int) -> None:
    """Start a broker that keeps nothing."""
    path = folder / "mosquitto.conf"
    path.write_text(f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
    with on_core(LOAD_CORE):
        broker = subprocess.Popen(["mosquitto", "-c", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(broker.wait)
    stack.callback(broker.terminate)
