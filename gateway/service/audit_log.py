"""Targets of the audit log: a file, or the journal of systemd by its native protocol (datagrams to its socket)."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from gateway.config import Config, read_document
from gateway.files.document import FileError
from gateway.files.regular_file import accessing, check_kind
from gateway.problems.problem import Problem, ProblemError, problem_of
from gateway.problems.system import file_problem
from gateway.runtime.audit import ACCEPTED, AuditFormatter, Event, fields_of, record
from gateway.runtime.clock import now
from gateway.runtime.log import QueuedHandler

JOURNAL = "journal"
JOURNAL_SOCKET = "/run/systemd/journal/socket"
MODE = 0o640
FAILURES_LOGGED_EVERY_S = 600.0
_LOC = ("audit",)

_log = logging.getLogger("gateway")
_audit = logging.getLogger("gateway.audit")


class FileHandler(QueuedHandler):
    """Appends the lines to a file, from the thread of the log. A full disk costs lines, and nothing else."""

    def __init__(self, path: Path, file: FileIO) -> None:
        """Write to `file`, which is open."""
        self.path = path
        self._lost, self._failure = 0, ""
        self._failed_at = float("-inf")
        self._file = file
        self._newer: FileIO | None = None
        super().__init__(file.fileno())
        self.setFormatter(AuditFormatter())

    def reopen(self, file: FileIO) -> None:
        """Write the next line to `file`, which a rotation of logs has put in the place of the old."""
        self._newer = file

    def _write(self) -> None:
        super()._write()
        for file in (self._file, self._newer):
            if file:
                file.close()

    def _write_line(self, data: bytes) -> bool:
        """Write a line, after the number of those that could not be written before."""
        newer, self._newer = self._newer, None
        if newer:
            self._file.close()  # in this thread: the old file may be on a network drive that is gone
            self._file, self._descriptor = newer, newer.fileno()
        if self._lost:
            text = f"{self._lost} lines could not be written: {self._failure}"
            report = logging.LogRecord("gateway.audit", logging.WARNING, "", 0, text, None, None)
            self._lost = 0 if super()._write_line(f"{self.format(report)}\n".encode()) else self._lost
        is_written = super()._write_line(data)
        self._lost += not is_written
        return is_written

    def write_failed(self, error: OSError) -> None:
        """Log the reason now and then."""
        self._failure = error.strerror or str(error)
        if now() - self._failed_at > FAILURES_LOGGED_EVERY_S:
            self._failed_at = now()
            _log.error(
                "audit: %s cannot be written: %s. The gateway goes on without these lines", self.path, self._failure
            )

    def dropped_report(self) -> str:
        """Return the text that reports the dropped lines."""
        return f"{self.dropped} lines could not be written: too many at once"


class JournalHandler(logging.Handler):
    """Sends each event to the journal, with its values as fields such as DSMR_EVENT."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._failed_at = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        """Send one datagram, and never wait for the journal."""
        values = fields_of(record)
        text = " ".join(f"{name}={value}" for name, value in values.items())
        lines = [f"MESSAGE={text}", f"PRIORITY={4 if record.levelno >= logging.WARNING else 6}"]
        lines += ["SYSLOG_IDENTIFIER=dsmr-gateway", *(f"DSMR_{name.upper()}={value}" for name, value in values.items())]
        try:
            self._socket.sendto("\n".join((*lines, "")).encode(errors="backslashreplace"), self._address)
        except OSError as error:
            if now() - self._failed_at > FAILURES_LOGGED_EVERY_S:
                self._failed_at = now()
                _log.error("audit: the journal cannot be written: %s. The gateway goes on without these lines", error)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


def open_file(path: Path) -> FileIO:
    """Open a file to append to it, and make it with the rights 0640 if it is not there.

    Raises:
        OSError: it cannot be opened, or is not a regular file.

    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
    with accessing(path):
        try:
            descriptor = os.open(path, flags, MODE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a pipe that nobody reads, or a socket
                check_kind(path.stat())
            raise
        try:
            check_kind(os.fstat(descriptor))
        except OSError:
            os.close(descriptor)
            raise
    return FileIO(descriptor, "a")


def audit_problem(target: str, folder: Path, journal: str | None = None) -> Problem | None:
    """Return why the audit log cannot be written to `target`; nothing is opened or made."""
    if target == JOURNAL:
        journal = journal or JOURNAL_SOCKET
        if Path(journal).exists():
            return None
        what = f"there is no journal on this machine ({journal})"
        return problem_of("no-journal", what, "Write the path of a file instead")
    path = folder / target
    try:
        if path.exists():
            check_kind(path.stat())
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, "")
    except OSError as error:
        return _file_problem(path, error)
    return None


def _file_problem(path: Path, error: OSError) -> Problem:
    if error.errno == errno.ENOENT:
        return problem_of("no-such-folder", f"there is no folder {path.parent}", f"Run: mkdir -p {path.parent}")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        what = f"the user of this program may not write {path}"
        hint = "Allow it with chmod or chown; for a systemd service, set LogsDirectory= and use its folder"
        return problem_of("file-not-writable", what, hint)
    return file_problem(error)


@dataclass(frozen=True, slots=True)
class Opened:
    """An audit log that is open and not in use yet."""

    target: str | None
    """The value of `audit:`."""
    file: FileIO | None = None


class AuditLog:
    """The audit log of the configuration at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._target: str | None = None
        self._handler: FileHandler | JournalHandler | None = None
        self.warnings: Sequence[Problem] = ()
        """The problem that prevents writing."""

    def open(self, config: Config) -> Opened:
        """Open the log of a configuration; a file that is open already is opened again.

        Raises:
            FileError: it cannot be opened.

        """
        target = config.audit
        try:
            if target == JOURNAL and (problem := audit_problem(target, self._path.parent)):
                raise ProblemError(problem)
            return Opened(target, open_file(self._path.parent / target) if target and target != JOURNAL else None)
        except OSError as error:
            problem = _file_problem(self._path.parent / (target or ""), error)
            raise FileError([problem.at(read_document(self._path).place(_LOC))]) from None

    def take(self, opened: Opened) -> None:
        """Write to the log that was opened, and end the one before."""
        handler, target = self._handler, opened.target
        self.warnings = ()
        if opened.file and target == self._target and isinstance(handler, FileHandler):
            handler.reopen(opened.file)
            return
        if handler and target != self._target:
            record(Event.CONFIGURATION, ACCEPTED, detail=f"the audit log goes on in {target or 'no file'}")
        self._target, self._handler = target, self._make_handler(opened)
        if self._handler:
            _audit.addHandler(self._handler)
        if handler:
            _end(handler)

    def refuse(self, problems: Sequence[Problem]) -> None:
        """Run without the log, because it cannot be opened, and report that."""
        self.warnings = problems
        for problem in problems:
            _log.error("audit: %s", problem)

    def _make_handler(self, opened: Opened) -> FileHandler | JournalHandler | None:
        if opened.file:
            return FileHandler(self._path.parent / (opened.target or ""), opened.file)
        return JournalHandler(JOURNAL_SOCKET) if opened.target == JOURNAL else None

    def close(self) -> None:
        """Write what waits, and stop."""
        if self._handler:
            _end(self._handler)
            self._handler = self._target = None


def _end(handler: FileHandler | JournalHandler) -> None:
    _audit.removeHandler(handler)
    if isinstance(handler, FileHandler):
        handler.stop()
    handler.close()
