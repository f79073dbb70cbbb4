"""The log of a running gateway: written by a thread of its own, cleaned, and bounded.

A record becomes a line in a bounded queue, and the code that logs goes on. A thread writes the lines to a file
descriptor. When nobody reads that (a full pipe, a terminal that is stopped), the queue fills; further lines are dropped
and counted, and the first line that can be written again reports how many. The event loop never waits for the log.

A source that changes its state each second would still fill a disk. Each node therefore has a `LineBudget`.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from gateway.protocol.p1.redaction import mask_identifiers
from gateway.runtime.clock import now
from gateway.runtime.threads import Thread

MAX_WAITING_LINES: Final = 1000
MAX_LINE_CHARACTERS: Final = 2000
"""A longer line is cut and ends with an ellipsis."""
FLUSH_TIMEOUT_S: Final = 0.2
"""Longest time that the end of the process waits for the last lines."""

BURST_LINES: Final = 20
"""Number of lines that a node may log at any time, such as at its start."""
SECONDS_PER_LINE: Final = 20.0
"""Time after which a node that has logged its burst may log one more line."""

_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_ESCAPED |= {code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_ESCAPED |= {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}


def clean(text: str) -> str:
    """Return `text` with control characters as escapes, so that it cannot steer a terminal or forge a line.

    Texts of meters and clients reach the log: identifiers, certificates' names, paths.
    """
    return text.translate(_ESCAPED)


class LineBudget:
    """Bounds the lines of one source: a burst, and after it a few per minute, whatever happens.

    "Once per change of state" is not a bound where a state changes each second.
    """

    __slots__ = ("_at", "_burst", "_left", "_seconds_per_line", "left_out")

    def __init__(self, moment: float, burst: int = BURST_LINES, seconds_per_line: float = SECONDS_PER_LINE) -> None:
        """Begin with a whole burst at `moment`, in seconds of a monotonic clock."""
        self._burst, self._seconds_per_line = burst, seconds_per_line
        self._left, self._at = float(burst), moment
        self.left_out = 0
        """Number of lines since the last one that was allowed."""

    def allows(self, moment: float) -> bool:
        """Return whether a line may be logged at `moment`, and count it."""
        self._left = min(float(self._burst), self._left + max(0.0, moment - self._at) / self._seconds_per_line)
        self._at = moment
        if self._left < 1:
            self.left_out += 1
            return False
        self._left -= 1
        return True


class CleanFormatter(logging.Formatter):
    """Formats one line per record: message and exception cleaned, each line of a traceback on its own.

    Long runs of digits are masked, because a text of a meter may hold its identifiers.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or for an exception the lines."""
        lines = [clean(mask_identifiers(line)) for line in super().format(record).split("\n")]
        if not record.exc_info and not record.stack_info:
            lines = ["\\n".join(lines)]
        return "\n".join(shorten(line, MAX_LINE_CHARACTERS) for line in lines)


class JsonFormatter(logging.Formatter):
    """Formats each record as a line of JSON in ASCII, cleaned and masked as `CleanFormatter` does.

    A line has `time` in UTC, `level`, `message`, for a line of a node `node`, and for an error that nobody expected
    `exception`, the lines of its traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = {"time": moment.replace("+00:00", "Z"), "level": record.levelname}
        if node := getattr(record, "node", None):
            fields["node"] = _one_line(node)
        fields["message"] = _one_line(getattr(record, "text", None) or record.getMessage())
        if record.exc_info:
            lines = self.formatException(record.exc_info).split("\n")
            fields["exception"] = [shorten(clean(mask_identifiers(line)), MAX_LINE_CHARACTERS) for line in lines]
        return json.dumps(fields)


def _one_line(text: str) -> str:
    return shorten(clean(mask_identifiers(text)), MAX_LINE_CHARACTERS)


def make_formatter(form: str) -> logging.Formatter:
    """Return the formatter of lines of `text` or of `json`."""
    return JsonFormatter() if form == "json" else CleanFormatter("%(asctime)s %(levelname)s %(message)s")


def shorten(text: str, most: int) -> str:
    """Return a text of at most `most` characters; one that is cut ends with an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


class QueuedHandler(logging.Handler):
    """Hands records to a thread that writes them to a file descriptor."""

    def __init__(self, descriptor: int, capacity: int = MAX_WAITING_LINES) -> None:
        """Start the thread.

        Args:
            descriptor: what to write to; may block as long as it likes.
            capacity: most lines that wait.

        Raises:
            RuntimeError: no thread can be started.

        """
        super().__init__()
        self._descriptor = descriptor
        self._lines: queue.Queue[str | threading.Event | None] = queue.Queue(capacity)
        self.dropped = 0
        """Lines that found the queue full, since the last one that reported it."""
        self.dropped_total = 0
        self._is_torn = False
        """True while the last line is written in part only."""
        Thread(self._write).wait_until_begun()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line; count it as dropped where there is no room."""
        try:
            line = self.format(record)
            if self.dropped:
                self._lines.put_nowait(self.format(_warning(self.dropped_report())))
                self.dropped = 0
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1
            self.dropped_total += 1
        except Exception:
            self.handleError(record)

    def stop(self) -> None:
        """Write the waiting lines, and end the thread; with a full queue it goes on."""
        self.flush()
        with suppress(queue.Full):
            self._lines.put_nowait(None)

    def dropped_report(self) -> str:
        """Return the text that reports the dropped lines."""
        return f"{self.dropped} log lines were dropped because nobody read the log"

    def write_failed(self, error: OSError) -> None:
        """Do nothing about a line that cannot be written: nobody will ever read the descriptor of a log."""

    def flush(self) -> None:
        """Wait until the waiting lines are written, `FLUSH_TIMEOUT_S` at the most."""
        written, deadline = threading.Event(), now() + FLUSH_TIMEOUT_S
        try:
            self._lines.put(written, timeout=FLUSH_TIMEOUT_S)
        except queue.Full:
            return
        written.wait(deadline - now())

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            if line is None:
                return
            if isinstance(line, threading.Event):
                line.set()
                continue
            self._write_line(f"{line}\n".encode(errors="backslashreplace"))

    def _write_line(self, data: bytes) -> bool:
        if self._is_torn:
            data = b"\n" + data
        length = len(data)
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                # A descriptor that another process has made non-blocking.
                threading.Event().wait(0.05)
            except OSError as error:
                self._is_torn = self._is_torn or len(data) < length
                self.write_failed(error)
                return False
        self._is_torn = False
        return True


def _warning(text: str) -> logging.LogRecord:
    return logging.LogRecord("gateway", logging.WARNING, "", 0, text, None, None)
