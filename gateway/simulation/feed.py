"""What a simulated line brings: pieces of bytes, each with the seconds until the next.

A living household, a capture that is sent again, and either of them over a bad line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count
from random import Random

from gateway.protocol.p1.meter import MeterState, Received
from gateway.protocol.p1.obis_line import parse_timestamp
from gateway.protocol.p1.telegram import TelegramReader
from gateway.simulation.meter import SimulatedMeter

Piece = tuple[bytes, float]
"""Bytes, and the seconds until the next ones."""

SHORTEST_PAUSE_S = 0.1
"""However fast time runs, a reader gets ten telegrams a second at the most."""
LONGEST_PAUSE_S = 60.0
"""Of a capture that has a gap."""
ONE_BAD_IN = 4
NOISE_BYTES = 40

_DIGIT = re.compile(rb"[0-9](?=[0-9.]*\*[a-zA-Z])")
_NEXT_TELEGRAM = re.compile(rb"(?<=\n)(?=/)")
_CLOCK = re.compile(rb"^0-0:1\.0\.0\(([0-9]{12}[SW]?)\)", re.MULTILINE)


def live_telegrams(
    meter: SimulatedMeter, clock: Callable[[], float], cadence_s: float, speed: float = 1
) -> Iterator[Piece]:
    """A household's telegrams by `clock`, in unix seconds, which runs `speed` times as fast as the true one."""
    pause = max(cadence_s / speed, min(SHORTEST_PAUSE_S, cadence_s))
    while True:
        yield meter.telegram(int(clock())), pause


def replay(capture: bytes, speed: float = 1) -> Iterator[Piece]:
    """A capture over and over, at the cadence of its meter's clock, or where it has none, of its version."""
    pieces = _NEXT_TELEGRAM.split(capture)
    usual = _cadence_s(capture)
    moments = [_moment(piece) for piece in pieces]
    while True:
        for piece, moment, following in zip(pieces, moments, [*moments[1:], None], strict=True):
            is_told = moment is not None and following is not None and following > moment
            pause = following - moment if is_told else usual  # type: ignore[operator]
            yield piece, max(min(pause, LONGEST_PAUSE_S) / speed, SHORTEST_PAUSE_S)


def with_faults(pieces: Iterator[Piece], seed: int = 1) -> Iterator[Piece]:
    """The same over a bad line: of some telegrams a digit is wrong, the end is missing, or all; some stand in noise."""
    for number, (data, pause) in zip(count(), pieces, strict=False):
        yield corrupt(data, Random(f"{seed}/{number}").random), pause  # noqa: S311 (noise is no secret)


def corrupt(data: bytes, random: Callable[[], float]) -> bytes:
    """One telegram in `ONE_BAD_IN`, spoilt in one of four ways; the others as they are."""
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
    # As if its last bit but six were lost: without a checksum only what is no digit can be noticed.
    return data[:at] + bytes([data[at] | 0x40]) + data[at + 1 :]


def _moment(piece: bytes) -> int | None:
    clock = _CLOCK.search(piece)
    return parse_timestamp(clock[1].decode("ascii")) if clock else None


def _cadence_s(capture: bytes) -> float:
    meter, reader = MeterState("capture", None), TelegramReader()
    for item in reader.feed(capture):
        received = meter.take(item, 0, 0)
        if isinstance(received, Received):
            return received.variant.cadence_s
    return 1.0
