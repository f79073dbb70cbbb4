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
from gateway.problems.problem import Problem, ProblemError, problem_of
from gateway.problems.system import device_problem
from gateway.protocol.p1.diagnosis import NOISE, diagnose, explain
from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import RefusedTelegram, TelegramReader
from gateway.runtime.clock import now
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

_DEVICES = Path("/dev")
_BY_ID = "serial/by-id/*"
_BY_NAME = ("ttyUSB*", "ttyACM*", "ttyAMA*")


def serial_ports(devices: Path = _DEVICES) -> list[str]:
    """Return the ports in `devices` that a P1 cable may be on, by names that stay when a cable is plugged in again."""
    by_id = sorted(map(str, devices.glob(_BY_ID)))
    return by_id or sorted(str(path) for pattern in _BY_NAME for path in devices.glob(pattern))


@dataclass(slots=True)
class ProbeResult:
    """The telegrams received with one setting of a line, or the reason why there are none."""

    label: str
    """Device and setting, or host and port."""
    received: list[Received] = field(default_factory=list)
    refused: list[RefusedTelegram] = field(default_factory=list)
    problem: Problem | None = None
    """Reason for there being no telegram, or None where there is one."""

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


async def probe(settings: Sequence[tuple[str, Line]], listen_s: float = LISTEN_S) -> list[ProbeResult]:
    """Try each setting until one gives telegrams; return the results of all that were tried."""
    findings = []
    for label, line in settings:
        findings.append(await _listen(label, line, listen_s))
        if findings[-1].received:
            break
    return findings


async def _listen(label: str, line: Line, listen_s: float) -> ProbeResult:
    finding = ProbeResult(label)
    meter, reader, sample = MeterState("probe", None, needs_two=False), TelegramReader(), bytearray()
    enough = asyncio.Event()

    def receive(data: bytes) -> None:
        sample.extend(data[: MAX_SAMPLE_BYTES - len(sample)])
        for item in reader.feed(data):
            result = meter.take(item, now(), 0)
            if isinstance(result, RefusedTelegram):
                finding.refused.append(result)
            else:
                finding.received.append(result)
        is_noise = len(sample) >= ENOUGH_NOISE_BYTES and not finding.received and diagnose(bytes(sample)) is not None
        if is_noise or len(finding.received) >= TELEGRAMS_WANTED:
            enough.set()

    try:
        await _check_holder(line)
        closed = await line.open(receive)
    except OSError as error:
        finding.problem = error.problem if isinstance(error, ProblemError) else device_problem(error)
        return finding
    try:
        closed.add_done_callback(lambda _closed: enough.set())
        with suppress(TimeoutError):
            await asyncio.wait_for(enough.wait(), listen_s)
        is_closed = closed.done()
    finally:
        line.close()
        # Wait for the close, so that the port is free for the next setting or program.
        await asyncio.wait([closed], timeout=CLOSE_S)
    if not finding.received:
        finding.problem = _problem(bytes(sample), finding.refused, is_closed=is_closed, listen_s=listen_s)
    return finding


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


def _problem(sample: bytes, refused: Sequence[RefusedTelegram], *, is_closed: bool, listen_s: float) -> Problem:
    explained = explain(sample, refused[-1] if refused else None, is_closed=is_closed)
    if explained:
        return explained
    if is_closed:
        return problem_of("line-closed", "the other end closed the connection", short="the other end closed")
    seconds = round(listen_s)
    hint = (
        "Is the cable in the P1 port, and does it drive the data request pin? In Belgium and Sweden the port is closed"
        " until the grid operator opens it"
    )
    return problem_of("no-bytes", f"no bytes for {seconds} s", hint, short=f"no bytes for {seconds} s", seconds=seconds)
