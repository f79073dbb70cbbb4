"""The stream of bytes of a simulated P1 line, in pieces with the time until the next one.

There are two sources, a simulated household and a recorded capture, and a filter that adds the errors of a bad line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count
from random import Random

from gateway.protocol.p1.meter import MeterState
from gateway.protocol.p1.obis_line import parse_timestamp
from gateway.protocol.p1.serving import Received
from gateway.protocol.p1.telegram import TelegramReader
from gateway.simulation.meter import SimulatedMeter

Piece = tuple[bytes, float]
"""Bytes, and the seconds until the next piece."""

SHORTEST_PAUSE_S = 0.1
"""Shortest time between two telegrams, however fast the simulated time runs."""
LONGEST_PAUSE_S = 60.0
"""Longest time between two telegrams of a capture, for one with a gap."""
ONE_BAD_IN = 4
"""Number of telegrams of which one is damaged, on average."""
NOISE_BYTES = 40
"""Number of bytes of noise before a telegram."""

_DIGIT = re.compile(rb"[0-9](?=[0-9.]*\*[a-zA-Z])")
_NEXT_TELEGRAM = re.compile(rb"(?<=\n)(?=/)")
_CLOCK = re.compile(rb"^0-0:1\.0\.0\(([0-9]{12}[SW]?)\)", re.MULTILINE)


def live_telegrams(
    meter: SimulatedMeter, clock: Callable[[], float], cadence_s: float, speed: float = 1
) -> Iterator[Piece]:
    """Yield a household's telegrams.

    Args:
        meter: the meter of the household.
        clock: returns the simulated time in unix seconds; it runs `speed` times as fast as real time.
        cadence_s: simulated time between two telegrams.
        speed: see `clock`.

    """
    pause = max(cadence_s / speed, min(SHORTEST_PAUSE_S, cadence_s))
    while True:
        yield meter.telegram(int(clock())), pause


def replay(capture: bytes, speed: float = 1) -> Iterator[Piece]:
    """Yield a capture again and again, at the cadence of its meter's clock, or else of its version."""
    pieces = _NEXT_TELEGRAM.split(capture)
    usual = _cadence_s(capture)
    moments = [_moment(piece) for piece in pieces]
    while True:
        for piece, moment, following in zip(pieces, moments, [*moments[1:], None], strict=True):
            is_known = moment is not None and following is not None and following > moment
            pause = following - moment if is_known else usual  # type: ignore[operator]
            yield piece, max(min(pause, LONGEST_PAUSE_S) / speed, SHORTEST_PAUSE_S)


def with_faults(pieces: Iterator[Piece], seed: int = 1) -> Iterator[Piece]:
    """Yield the pieces as a bad line brings them: some telegrams damaged, incomplete, missing, or after noise."""
    for number, (data, pause) in zip(count(), pieces, strict=False):
        yield corrupt(data, Random(f"{seed}/{number}").random), pause  # noqa: S311 (noise needs no secret)


def corrupt(data: bytes, random: Callable[[], float]) -> bytes:
    """Return a telegram, one in `ONE_BAD_IN` damaged in one of four ways and the others unchanged."""
    way = int(random() * 4 * ONE_BAD_IN)
    if way == 0:
        return _with_wrong_digit(data, random)
    if way == 1:
        return data[: int(random() * (len(data) - 2))]
    if way == 2:
        return bytes(128 + int(random() * 128) for _ in range(NOISE_BYTES)) + data
    return b"" if way == 3 else data


def _with_wrong_digit(data: bytes, random: Callable[[], float]) -> bytes:
    digits = [match.start() for match in _DIGIT.finditer(data)]
    if not digits:
        return data
    at = digits[int(random() * len(digits))]
    # Set bit 6, so that the digit becomes a letter. Without a checksum a wrong digit could not be detected.
    return data[:at] + bytes([data[at] | 0x40]) + data[at + 1 :]


def _moment(piece: bytes) -> int | None:
    clock = _CLOCK.search(piece)
    return parse_timestamp(clock[1].decode("ascii")) if clock else None


def _cadence_s(capture: bytes) -> float:
    meter, reader = MeterState("capture", None, needs_two=False), TelegramReader()
    for item in reader.feed(capture):
        received = meter.take(item, 0, 0)
        if isinstance(received, Received):
            return received.variant.cadence_s
    return 1.0
