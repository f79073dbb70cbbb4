"""The envelope of a telegram: what the gateway at the meter (the edge) knows about it, as user properties of a message.

| property | content |
| --- | --- |
| `edge` | name of the edge |
| `boot` | number of the edge's start, which is counted on disk |
| `seq` | number of the telegram of this meter since that start; its copy at a second broker has the same |
| `held` | milliseconds from the telegram's arrival at the edge until it was sent |
| `delay` | milliseconds by which it came late at the edge, as far as that is known |
| `crc` | `ok`, or `none` for a meter that sends no checksum |
| `tick` | newest tick of a serving gateway that the edge has seen; once for each gateway |

Properties with other names are ignored, so that a later version can add some.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

from gateway.protocol.fleet.ticks import MAX_TICKS, Tick, number_of, tick_of, tick_text
from gateway.protocol.fleet.topics import is_valid_id

CHECKED, UNCHECKED = "ok", "none"
MAX_HELD_MS = 10**10
"""Largest time in milliseconds: 115 days."""
ROUNDING_MS = 1e-6
"""Error of a floating point number that is not rounded up to another millisecond."""
_NUMBERS = ("boot", "seq", "held", "delay")
_ONCE = frozenset({"edge", "crc", *_NUMBERS})


class Envelope(NamedTuple):
    """The knowledge of an edge about a telegram that it sends."""

    edge: str
    boot: int
    seq: int
    held_s: float
    delay_s: float
    is_checked: bool
    ticks: tuple[Tick, ...] = ()


class Bad(NamedTuple):
    """An envelope that cannot be read."""

    reason: str
    """Property that is missing or wrong, in a few words; nothing of its content."""


def encode(envelope: Envelope) -> tuple[tuple[str, str], ...]:
    """Return the user properties of a message with this envelope; times are rounded up."""
    return (
        ("edge", envelope.edge),
        ("boot", str(envelope.boot)),
        ("seq", str(envelope.seq)),
        ("held", _milliseconds(envelope.held_s)),
        ("delay", _milliseconds(envelope.delay_s)),
        ("crc", CHECKED if envelope.is_checked else UNCHECKED),
        *[("tick", tick_text(tick)) for tick in envelope.ticks[:MAX_TICKS]],
    )


def decode(properties: Iterable[tuple[str, str]]) -> Envelope | Bad | None:
    """Return the envelope in the user properties of a message; None if another program has published it."""
    found: dict[str, str] = {}
    ticks: list[Tick] = []
    for name, value in properties:
        if name == "tick":
            tick = tick_of(value)
            if tick is None:
                return Bad("tick cannot be read")
            ticks.append(tick)
        elif name in _ONCE:
            if name in found:
                return Bad(f"{name} is given twice")
            found[name] = value
    if not found and not ticks:
        return None
    if len(ticks) > MAX_TICKS:
        return Bad("too many ticks")
    return _checked(found, tuple(ticks))


def _checked(found: dict[str, str], ticks: tuple[Tick, ...]) -> Envelope | Bad:
    if len(found) < len(_ONCE):
        return Bad(f"{min(_ONCE - found.keys())} is missing")
    numbers = [number_of(found[name]) for name in _NUMBERS]
    boot, seq, held, delay = numbers
    if boot is None or seq is None or held is None or delay is None:
        return Bad(f"{_NUMBERS[numbers.index(None)]} is not a number")
    if held > MAX_HELD_MS or delay > MAX_HELD_MS:
        return Bad("held or delay is too large")
    if not is_valid_id(found["edge"]):
        return Bad("edge is not a name")
    if found["crc"] not in (CHECKED, UNCHECKED):
        return Bad("crc is unknown")
    return Envelope(found["edge"], boot, seq, held / 1000, delay / 1000, found["crc"] == CHECKED, ticks)


def _milliseconds(seconds: float) -> str:
    return str(min(max(ceil(seconds * 1000 - ROUNDING_MS), 0), MAX_HELD_MS))
