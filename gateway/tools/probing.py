"""Listens to a P1 port for a while and reports which meter is on it, or why there is none.

Each setting of the line (speed and form of a byte) is tried until telegrams come. Nothing is written to the meter.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.lines.line import Line
from gateway.lines.serial import SerialLine
from gateway.lines.tcp import TcpLine
from gateway.problems.problem import Problem, ProblemError, problem_of
from gateway.problems.system import device_problem
from gateway.protocol.p1.diagnosis import ENCRYPTED, NOISE, diagnose, explain
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import RefusedTelegram, TelegramReader
from gateway.runtime.clock import now
from gateway.tools.keys import Keys, TriedKeys
from gateway.transport.serial_device import holder_of

LISTEN_S = 12.0
"""Time to listen with one setting of the line: longer than the ten seconds between two telegrams of DSMR 2.2."""
TELEGRAMS_WANTED = 2
"""Number of telegrams to receive: two give the cadence."""
CLOSE_S = 1.0
ENOUGH_NOISE_BYTES = 512
"""Bytes of noise after which listening ends: more noise gives no more information."""
MAX_SAMPLE_BYTES = 8192
"""Largest sample kept for the diagnosis: the longest telegram, encrypted or not."""
MAX_BYTES_PER_S = 20_000
"""Largest number of bytes that are read from one line, for each second of listening: more than a P1 port sends."""
MAX_REFUSED = 50
"""Number of refused telegrams after which listening ends."""

_CABLE = (
    "Is the cable in the P1 port, and does it drive the data request pin? In Belgium and Sweden the port is closed"
    " until the grid operator opens it"
)
_ONE_READER = "Many devices serve one reader only: is another program connected to it?"

_DEVICES = Path("/dev")
_BY_ID = "serial/by-id/*"
_BY_NAME = ("ttyUSB*", "ttyACM*", "ttyAMA*")


def serial_ports(devices: Path = _DEVICES) -> list[str]:
    """Return the ports in `devices` that a P1 cable may be on, by names that stay when a cable is plugged in again."""
    by_id = sorted(devices.glob(_BY_ID))
    named = {path.resolve() for path in by_id}
    others = sorted(path for pattern in _BY_NAME for path in devices.glob(pattern))
    return [str(path) for path in (*by_id, *others) if path in by_id or path.resolve() not in named]


@dataclass(slots=True)
class ProbeResult:
    """The telegrams received with one setting of a line, or the reason why there are none."""

    label: str
    """Device and setting, or host and port."""
    received: list[Received] = field(default_factory=list)
    refused: list[RefusedTelegram] = field(default_factory=list)
    problem: Problem | None = None
    """Reason for there being no telegram, or None where there is one."""
    ended: float = 0.0
    """Moment on the monotonic clock at which listening ended."""
    encryption: str = ""
    """Result of trying the keys, such as `the key fits`; empty where no telegram was encrypted."""

    @property
    def newest(self) -> Received | None:
        """Return the last accepted telegram, None where there is none."""
        return self.received[-1] if self.received else None

    @property
    def cadence_s(self) -> float | None:
        """Return the seconds between the last two telegrams, None where there are fewer."""
        if len(self.received) < TELEGRAMS_WANTED:
            return None
        return self.received[-1].arrived - self.received[-2].arrived


async def probe(
    settings: Sequence[tuple[str, Line]], listen_s: float = LISTEN_S, keys: Keys | None = None
) -> list[ProbeResult]:
    """Try each setting until one gives telegrams; return the results of all that were tried.

    Args:
        settings: the lines to try, each with its label.
        listen_s: seconds to listen on each line.
        keys: the keys of a meter that encrypts its telegrams; None to read telegrams in clear text only.

    """
    findings = []
    for label, line in settings:
        findings.append(await _listen(label, line, listen_s, keys))
        if findings[-1].received or findings[-1].encryption:
            break
    return findings


class _Listener:
    """Takes the bytes of one line until they show enough."""

    def __init__(self, label: str, listen_s: float, keys: Keys | None) -> None:
        self.result = ProbeResult(label)
        self.enough = asyncio.Event()
        self.sample = bytearray()
        self.decryption = TriedKeys(keys)
        self._meter = MeterState("probe", None, needs_two=False)
        self._reader, self._clear_text = TelegramReader(), TelegramReader()
        self._listen_s = listen_s
        self._bytes_left = max(MAX_BYTES_PER_S * listen_s, 2 * MAX_SAMPLE_BYTES)

    def receive(self, data: bytes) -> None:
        """Take bytes of the line."""
        if self.enough.is_set():
            return
        self.sample.extend(data[: MAX_SAMPLE_BYTES - len(self.sample)])
        self._bytes_left -= len(data)
        clear_text = self.decryption.feed(data, now())
        for item in (*self._reader.feed(data), *self._clear_text.feed(clear_text)):
            result = self._meter.take(item, now(), 0)
            if isinstance(result, RefusedTelegram):
                self.result.refused.append(result)
            else:
                self.result.received.append(result)
        if self._has_enough():
            self.enough.set()

    def _has_enough(self) -> bool:
        if len(self.result.received) >= TELEGRAMS_WANTED or self.decryption.has_failed:
            return True
        if self._bytes_left <= 0 or len(self.result.refused) >= MAX_REFUSED:
            return True
        if self.result.received or len(self.sample) < ENOUGH_NOISE_BYTES:
            return False
        cause = diagnose(bytes(self.sample))
        return cause is not None and not (cause.code == ENCRYPTED and self.decryption.has_keys)

    def conclude(self, line: Line, *, is_closed: bool) -> None:
        """Set why there is no telegram, and whether the keys fit."""
        self.result.ended = now()
        self.result.encryption = self.decryption.outcome(bytes(self.sample))
        if not self.result.received:
            silence = None if is_closed else line.silence()
            problem = self.decryption.problem(bytes(self.sample)) or silence
            self.result.problem = problem or self._problem(is_tcp=isinstance(line, TcpLine), is_closed=is_closed)

    def _problem(self, *, is_tcp: bool, is_closed: bool) -> Problem:
        refused = self.result.refused
        explained = explain(bytes(self.sample), refused[-1] if refused else None, is_closed=is_closed)
        if explained:
            return explained
        if is_closed:
            hint = _ONE_READER if is_tcp else ""
            return problem_of("line-closed", "the other end closed the connection", hint, short="the other end closed")
        seconds = round(self._listen_s)
        what = f"no bytes for {seconds} s"
        hint = f"{_CABLE}. {_ONE_READER}" if is_tcp else _CABLE
        return problem_of("no-bytes", what, hint, short=what, seconds=seconds)


async def _listen(label: str, line: Line, listen_s: float, keys: Keys | None) -> ProbeResult:
    listener = _Listener(label, listen_s, keys)
    try:
        await _check_holder(line)
        closed = await line.open(listener.receive)
    except OSError as error:
        listener.result.problem = error.problem if isinstance(error, ProblemError) else device_problem(error)
        return listener.result
    try:
        closed.add_done_callback(lambda _closed: listener.enough.set())
        with suppress(TimeoutError):
            await asyncio.wait_for(listener.enough.wait(), listen_s)
        is_closed = closed.done()
    finally:
        line.close()
        # Wait for the close, so that the port is free for the next setting or program.
        await asyncio.wait([closed], timeout=CLOSE_S)
    listener.conclude(line, is_closed=is_closed)
    return listener.result


async def _check_holder(line: Line) -> None:
    """Check that no other program reads the device: some of them lock it in ways that opening it does not detect.

    Raises:
        OSError: another program has the device open.

    """
    holder = await asyncio.to_thread(holder_of, line.device) if isinstance(line, SerialLine) else None
    if holder:
        problem = device_problem(OSError(errno.EBUSY, ""), holder=holder)
        raise ProblemError(replace(problem, hint="Stop that while probing: two readers take bytes from each other"))


def conclude(findings: Sequence[ProbeResult]) -> str:
    """Return what the results of several settings of one line mean together, or an empty text."""
    if len(findings) > 1 and all(finding.problem and finding.problem.code == NOISE for finding in findings):
        return (
            "noise at every speed: the line is most likely inverted. The data line of a P1 port is, and the cable or"
            " adapter must invert it back: use one made for P1, or set RXD to inverted in an FTDI adapter (FT_PROG)"
        )
    return ""
