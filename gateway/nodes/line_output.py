"""Port output: writes to a serial line what a meter would send.

In: bytes.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from gateway.lines.line import Port
from gateway.problems.problem import ProblemError
from gateway.problems.system import device_problem
from gateway.runtime.flow import Details, Node
from gateway.runtime.status import Colour, Mark, label_of


class LineOutput(Node):
    """The writer of a line, which is opened again when it is lost."""

    kind = "line output"

    def __init__(self, name: str, label: str, line: Port) -> None:
        """Write to `line`; `label` is its name."""
        super().__init__(name)
        self._label = label
        self._line = line
        self._is_open = False
        self.dropped = 0
        """Number of pieces that the line did not take, because nobody reads at its other end."""

    def details(self) -> Details:
        """Return the line, and how many pieces it did not take."""
        return {"line": self._label, "pieces_dropped": self.dropped}

    async def run(self) -> None:
        """Keep the line open until it is lost or the node is cancelled."""
        try:
            closed = await self._line.open(lambda _data: None)
        except OSError as error:
            problem = error.problem if isinstance(error, ProblemError) else device_problem(error)
            self.show(Colour.RED, Mark.RING, label_of(problem))
            raise ProblemError(replace(problem, what=f"{self._label}: {problem.what}"), error.errno) from error
        self._is_open = True
        self.show(Colour.GREEN, Mark.DOT, "plain", text=self._label)
        self.log(logging.INFO, f"writing to {self._label}")
        self.ready.set()
        try:
            await closed
            raise OSError(f"{self._label} was closed")
        finally:
            self._is_open = False
            self._line.close()

    def receive(self, data: bytes, arrived: float) -> None:  # noqa: ARG002 - a ByteSink takes it
        """Write a piece, or drop it when the line does not take it."""
        if not (self._is_open and self._line.write(data)):
            self.dropped += 1

    def line_lost(self) -> None:
        """Do nothing: what was written cannot be taken back."""
