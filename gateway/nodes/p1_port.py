"""P1 port: opens the line of a meter, keeps it open, and reports what is wrong with it.

Out: bytes with their moment of arrival.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import cycle

from gateway.lines.line import Line, closing_problem
from gateway.problems.problem import Problem, ProblemError, problem_of
from gateway.problems.system import device_problem
from gateway.protocol.freshness import PAUSE_S, ArrivalClock
from gateway.protocol.p1.diagnosis import ENCRYPTED, explain
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.raw_stream import CIPHERED_TAG, PAUSE_BETWEEN_TELEGRAMS_S
from gateway.protocol.p1.variants import SerialSettings
from gateway.runtime.clock import now
from gateway.runtime.flapping import Flapping
from gateway.runtime.flow import Backoff, Details, Node
from gateway.runtime.output import ByteSink, Output
from gateway.runtime.status import CONDITION_CODES, Colour, Mark, label_of
from gateway.runtime.ticking import look_each

Lines = list[tuple[str, Line]]
"""Lines to open, each with its label."""

SEARCH_DWELL_S = 15.0
"""Time for which each of several settings is tried: longer than the ten seconds between two telegrams."""
TICK_S = 0.25
SHOWN_EVERY_S = 1.0
"""Time after which the status is compared with how telegrams come in; with thousands of meters it takes time."""
PAUSE_LOOKS = 2
MANY_CLOSED = 3
"""Number of connections in a row that the other end closes after their telegram, before this counts as normal."""
PACE = 0.9
"""Share of the meter's cadence after which the next connection opens, if the other end closes after each telegram.

It is below 1, so that the connection is open when the next telegram comes.
"""
SAMPLE_BYTES = 4096
"""Number of bytes of a connection that are kept before its first telegram, to diagnose what is wrong."""

_TELEGRAMS_LATE = problem_of("reconnecting-late-line", "telegrams come late by a constant time")
_CLOSES_EACH_TIME = problem_of("line-per-telegram", "the other end closes the connection after each telegram")


class P1Port(Node):
    """The reader of one meter's line."""

    kind = "P1 port"
    reads_meter = True

    def __init__(
        self, name: str, meter: MeterState, lines: Lines, watchdog_s: float, *, is_decrypted: bool = False
    ) -> None:
        """Read a line.

        Args:
            name: the node's name.
            meter: the state of the meter; this node sets whether its line is open, and sees there whether the
                bytes were accepted telegrams.
            lines: the lines to open, each with its label; several are tried in turn until a telegram comes.
            watchdog_s: longest time in seconds that an open line may go without a valid telegram.
            is_decrypted: True where another node decrypts the telegrams, and shows what is wrong with them.

        """
        super().__init__(name)
        self._meter = meter
        self._lines = cycle(lines)
        self._line_count = len(lines)
        self._current = next(self._lines)
        self.line_bytes: Output[ByteSink] = Output(self)
        self._watchdog_s = watchdog_s
        self._is_decrypted = is_decrypted
        self._patience_s = min(watchdog_s, SEARCH_DWELL_S) if len(lines) > 1 else watchdog_s
        self._backoff = Backoff()
        self._flapping = Flapping()
        self._sample = bytearray()
        self._has_telegram = False
        self._accepted = self._unconfirmed = self._refused = 0
        self._problems: dict[str, Problem] = {}
        self._last_problem: Problem | None = None
        self._opened = 0.0
        self._closed_early = 0
        self._arrivals = ArrivalClock(now())
        self._pause_timer: asyncio.TimerHandle | None = None
        self._deadline = self._show_due = 0.0
        self._last_bytes = 0.0
        self.bytes_received = 0

    def details(self) -> Details:
        """Return the line, and what came over it."""
        return {
            "line": self._current[0],
            "bytes_received": self.bytes_received,
            "interval_s": self._meter.interval_s,
            "last_trouble": str(self._last_problem) if self._last_problem else None,
            **self._current[1].details(),
        }

    @property
    def serial_settings(self) -> SerialSettings | None:
        """Return the speed and the form of a byte of the line that is open or tried; None for one without."""
        return self._current[1].settings

    def write(self, data: bytes) -> bool:
        """Send to the meter; False if the line is not open, takes no more, or is never written to."""
        return self._meter.is_connected and self._current[1].write(data)

    async def run(self) -> None:
        """Open the line, read it until it is lost, and open it again, until cancelled."""
        while True:
            name, line = self._current
            self.show(Colour.YELLOW, Mark.RING, "connecting", line=name)
            self.ready.set()
            try:
                closed = await line.open(self._receive)
            except OSError as error:
                self._meter.note_line(is_open=False)
                problem = error.problem if isinstance(error, ProblemError) else device_problem(error)
            else:
                problem = await self._listen(line, closed)
            await self._pause(name, line, problem)

    async def _listen(self, line: Line, closed: asyncio.Future[Exception | None]) -> Problem:
        """Return why the line is lost, or why it brings no telegram, once that is so."""
        self._begin()

        def look(_: float) -> Problem | None:
            # A pause ends a telegram without a checksum, so that it is accepted when no bytes come.
            self._look_for_telegram()
            if closed.done():
                return closing_problem(closed.result(), self._diagnosis(is_closed=True))
            moment = now()
            if moment >= self._deadline:
                return self._diagnosis(is_closed=False) or line.silence() or self._silence()
            self._arrivals.tick(moment)
            self._watch_for_pause()
            if moment < self._show_due:
                return None
            self._show_due = moment + SHOWN_EVERY_S
            self._show_receiving(moment)
            if self._has_telegram and self._meter.serving.reconnection_is_due:
                # A new connection drops the bytes that wait in the socket of this one.
                self._meter.serving.note_reconnection()
                return _TELEGRAMS_LATE
            return None

        try:
            return await look_each(min(TICK_S, self._patience_s / 4), look, closed)
        finally:
            self._meter.note_line(is_open=False)
            line.close()
            for sink in self.line_bytes.receivers:
                sink.line_lost()

    def _look_for_telegram(self) -> None:
        """Keep the line open if a telegram that came over it was accepted."""
        if self._meter.unconfirmed != self._unconfirmed:
            # A meter without checksum: its next telegram, which may agree, must come over the same line.
            self._unconfirmed = self._meter.unconfirmed
            self._deadline = now() + self._watchdog_s
        if self._meter.accepted == self._accepted:
            return
        self._accepted = self._meter.accepted
        self._deadline = now() + self._watchdog_s
        if not self._has_telegram:
            self._has_telegram = True
            self._sample.clear()
            self._backoff.reset()
            self.show(Colour.GREEN, Mark.DOT, "plain", text=self._current[0])
            if self._closed_early < MANY_CLOSED:
                self._last_problem = None
                self._problems.clear()
                if not self._flapping.is_damped:
                    self.log(logging.INFO, f"telegrams come in over {self._current[0]}", alike="telegrams come in")

    def _begin(self) -> None:
        """Begin with an open line. uvloop may deliver its first bytes before `open` returns."""
        if self._meter.is_connected:
            return
        self._meter.note_line(is_open=True)
        self._has_telegram, self._show_due = False, 0.0
        self._accepted, self._refused = self._meter.accepted, self._meter.refused.total()
        self._opened = now()
        self._sample.clear()
        self._arrivals = ArrivalClock(now())
        self._deadline = now() + self._patience_s
        self.show(Colour.YELLOW, Mark.DOT, "line-open", line=self._current[0])
        self._show_receiving(now())

    def _receive(self, data: bytes) -> None:
        self._begin()
        self.bytes_received += len(data)
        if not self._has_telegram and len(self._sample) < SAMPLE_BYTES:
            self._sample += data[: SAMPLE_BYTES - len(self._sample)]
        moment = now()
        arrived = self._arrivals.date(moment)
        self._watch_for_pause()
        if data.startswith(CIPHERED_TAG) and moment - self._last_bytes > PAUSE_BETWEEN_TELEGRAMS_S:
            # Whoever decrypts them: the line works, and stays open.
            self._deadline = moment + self._watchdog_s
            self._backoff.reset()
            if not (self._is_decrypted and self._has_telegram):
                self.show(Colour.YELLOW, Mark.DOT, "line-encrypted", line=self._current[0])
        self._last_bytes = moment
        for sink in self.line_bytes.receivers:
            sink.receive(data, arrived)
        self._look_for_telegram()

    def _watch_for_pause(self, looks: int = PAUSE_LOOKS) -> None:
        """Find out when all waiting bytes are read, after the process did not run for a while.

        This looks twice, because an event loop that is late may run its timers before it reads the line.
        """
        if self._pause_timer:
            self._pause_timer.cancel()
            self._pause_timer = None
        if not self._arrivals.is_behind:
            return
        if looks:
            loop = asyncio.get_running_loop()
            self._pause_timer = loop.call_later(PAUSE_S / PAUSE_LOOKS, self._watch_for_pause, looks - 1)
        else:
            self._arrivals.pause()

    def _show_receiving(self, moment: float) -> None:
        """Show how telegrams come in, or for how long none has come after those of an earlier connection."""
        meter, name = self._meter, self._current[0]
        silent_s = moment - meter.newest.arrived if meter.newest else 0.0
        if not self._has_telegram:
            if meter.newest and self.status.label.code != "line-encrypted":
                self.show(Colour.YELLOW, Mark.DOT, "line-quiet", seconds=round(silent_s), line=name)
            return
        if text := self._flapping.settle(moment):
            self.log(logging.INFO, f"{name}: {text}", alike=text)
        if meter.other_meter(moment):
            self.show(Colour.YELLOW, Mark.DOT, "two-meters")
        elif silent_s > meter.stale_after_s:
            self.show(Colour.YELLOW, Mark.DOT, "line-quiet", seconds=round(silent_s), line=name)
        elif code := CONDITION_CODES.get(meter.serving.condition):
            self.show(Colour.YELLOW, Mark.DOT, code, seconds=round(meter.serving.delay_s or 0.0))
        elif meter.interval_s is not None:
            self.show(Colour.GREEN, Mark.DOT, "line-receiving", interval_s=round(meter.interval_s, 1), line=name)

    def _diagnosis(self, *, is_closed: bool) -> Problem | None:
        if self._has_telegram:
            return None
        refused = self._meter.newest_refused if self._meter.refused.total() > self._refused else None
        problem = explain(bytes(self._sample), refused, is_closed=is_closed)
        if self._is_decrypted and problem and problem.code == ENCRYPTED:
            hint = "The status of the decryption says why"
            return problem_of("not-decrypted", "encrypted telegrams come, and none can be decrypted", hint)
        return problem

    def _silence(self) -> Problem:
        seconds = round(self._watchdog_s if self._has_telegram else self._patience_s)
        if self._has_telegram:
            what = f"no valid telegram for {seconds} s"
            return problem_of("no-valid-telegram", what, short=what, seconds=seconds)
        what, hint = f"no bytes for {seconds} s", "Is the P1 port open, and the data request line high?"
        return problem_of("no-bytes", what, hint, short=what, seconds=seconds)

    def _wait_for_next(self, problem: Problem) -> float:
        """Return the seconds until the next connection, if the other end closes after each telegram; else 0.

        Some sources send one telegram per connection. A new connection at once would bring the same telegram again.
        """
        moment = now()
        newest = self._meter.newest if self._has_telegram else None
        if newest is None or problem.code != "line-closed" or moment - self._opened > 2 * newest.variant.cadence_s:
            self._closed_early = 0
            return 0.0
        self._closed_early += 1
        return max(0.0, newest.arrived + PACE * newest.variant.cadence_s - moment)

    async def _pause(self, name: str, line: Line, problem: Problem) -> None:
        pause = self._wait_for_next(problem) or self._backoff.next()
        remedy = "trying again until it works"
        if problem is _TELEGRAMS_LATE:
            remedy = "connecting again, in case they wait in this connection"
        if self._closed_early >= MANY_CLOSED:
            problem, remedy = _CLOSES_EACH_TIME, "the gateway connects again for the next one"
            self.show(Colour.GREEN, Mark.RING, "line-per-telegram", line=name)
        else:
            self.show(Colour.RED, Mark.RING, "retrying", problem=label_of(problem), seconds=round(pause))
        if self._line_count > 1 and (line.gives_way or not self._has_telegram):
            self._current = next(self._lines)
        self._last_problem = problem
        is_known = problem in self._problems.values()  # one line per change of state
        self._problems[name] = problem
        note = self._flapping.note_loss(now()) if self._has_telegram else None if self._flapping.is_damped else ""
        if not is_known and note is not None:
            self.log(logging.WARNING, f"{name}: {problem}; {remedy}{note}", alike=f"{problem.short}; {remedy}")
        self._has_telegram = False
        if await line.pause(pause):
            self._backoff.reset()  # a device may need a moment before it can be opened
