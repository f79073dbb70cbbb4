"""A bound of a telegram's age that needs no common clock.

A gateway that serves meters publishes a counter each second: a tick. The gateway at the meter (the edge) writes the
newest tick that it has seen into each telegram as it is sent. So the telegram was sent after that tick, and its age is
at most the time since then, by the clock of the gateway that published the tick. Whatever held the telegram up on its
way, the bound includes it: brokers that stood still, buffers, slow readers, clocks that are wrong. A message that a
broker had stored has no tick of this run, so it proves nothing.

`boot` is a random number of this run of a gateway: ticks of another run, or of a second gateway with the same name,
are never taken for its own. The counter rises by random steps, so that nobody can publish a tick before this gateway
does: a telegram with it would look newer than it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

TICK_EVERY_S = 1.0
KEPT_TICKS = 64
"""Number of ticks whose moments are kept: an older telegram is not used."""
MAX_TICKS = 16
"""Largest number of serving gateways whose ticks are written into a telegram."""
MAX_TICKS_PER_S = 1000
"""Largest number of ticks of all gateways that an edge reads from a broker within a second."""
MAX_STEP = 2**32
"""Largest number of a step of the counter: it lasts for a hundred years."""
FORGET_AFTER_S = 10.0
"""Time after which an edge no longer sends a tick that was not followed by another: it would prove nothing new."""
LOWER_FOR_S = 2.0
"""Time for which an edge also sends the last tick that came with a lower number than another of its run."""
MAX_NUMBER = 2**63 - 1
_MAX_DIGITS = len(str(MAX_NUMBER))


class Tick(NamedTuple):
    """One count of a serving gateway."""

    gateway: str
    boot: int
    number: int


def number_of(text: str) -> int | None:
    """Return a whole number of decimal digits; None for another text or one that is too large."""
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_DIGITS:
        return None
    number = int(text)
    return number if number <= MAX_NUMBER else None


def encode_tick(tick: Tick) -> bytes:
    """Return the message that announces a tick."""
    return b"%d:%d" % (tick.boot, tick.number)


def decode_tick(gateway: str, payload: bytes) -> Tick | None:
    """Return the tick in a message of a gateway; None for another message."""
    boot, _, count = payload[: 2 * _MAX_DIGITS + 2].decode("latin-1").partition(":")
    return _tick(gateway, boot, count)


def tick_text(tick: Tick) -> str:
    """Return a tick as it is written into a telegram's envelope."""
    return f"{tick.gateway}:{tick.boot}:{tick.number}"


def tick_of(text: str) -> Tick | None:
    """Return the tick in the text of an envelope; None for another text."""
    gateway, _, rest = text.rpartition(":")
    gateway, _, boot = gateway.rpartition(":")
    return _tick(gateway, boot, rest)


def _tick(gateway: str, boot: str, count: str) -> Tick | None:
    boot_number, count_number = number_of(boot), number_of(count)
    if not gateway or boot_number is None or count_number is None:
        return None
    return Tick(gateway, boot_number, count_number)


class Ticks:
    """The ticks that a serving gateway has published in this run, with their moments."""

    def __init__(self, gateway: str, boot: int, step: Callable[[], int]) -> None:
        """Begin to count.

        Args:
            gateway: the name of the gateway.
            boot: a random number of this run.
            step: returns a random number from 1 to `MAX_STEP`, by which the counter rises.

        """
        self._gateway, self._boot, self._step = gateway, boot, step
        self._newest = 0
        self._moments: dict[int, float] = {}
        """The moments of the newest ticks by their numbers, the oldest first."""
        self.forged = 0
        """Number of ticks of this run that came back and that this gateway has not sent."""

    def next(self, moment: float) -> Tick:
        """Return the next tick, to be published now; `moment` is before it is sent."""
        self._newest += self._step()
        self._moments[self._newest] = moment
        if len(self._moments) > KEPT_TICKS:
            del self._moments[next(iter(self._moments))]
        return Tick(self._gateway, self._boot, self._newest)

    def moment_of(self, ticks: Iterable[Tick]) -> float | None:
        """Return the moment after which a telegram with these ticks was sent; None if they prove nothing."""
        newest = None
        for gateway, boot, number in ticks:
            if boot == self._boot and gateway == self._gateway:
                moment = self._moments.get(number)
                if moment is None:
                    self.forged += self._is_forged(number)
                elif newest is None or moment > newest:
                    newest = moment
        return newest

    def is_own(self, ticks: Iterable[Tick]) -> bool:
        """Return whether there is a tick of this run, however old."""
        return any(0 < number <= self._newest for number in self._own(ticks))

    def is_forged(self, ticks: Iterable[Tick]) -> bool:
        """Return whether there is a tick of this run that this gateway has not sent."""
        return any(self._is_forged(number) for number in self._own(ticks))

    def _is_forged(self, number: int) -> bool:
        return number > next(iter(self._moments), 0) and number not in self._moments

    def _own(self, ticks: Iterable[Tick]) -> list[int]:
        """Return the numbers of ticks with the name and the run of this gateway."""
        return [number for gateway, boot, number in ticks if boot == self._boot and gateway == self._gateway]


class SeenTicks:
    """The newest tick of each serving gateway that an edge has seen, whichever broker brought it.

    Each name has a fair share of the places: a run under one name never keeps out another name. So a gateway that
    starts again and again, or that publishes made-up runs under its name, leaves the others their places.

    A tick that somebody else publishes with a very high number does not hide the true ones, which have lower numbers:
    the last one of these is sent as well. Only the gateway knows which of them it has sent.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], tuple[int, float]] = {}
        self._lower: dict[tuple[str, int], tuple[int, float]] = {}
        """The last tick of a run with a lower number than the newest."""
        self._left_out_at = float("-inf")

    def note(self, tick: Tick, moment: float) -> None:
        """Note a tick that comes at this moment."""
        key = tick.gateway, tick.boot
        known = self._seen.get(key)
        if known is None and len(self._seen) >= MAX_TICKS:
            self._forget(moment)
            if len(self._seen) >= MAX_TICKS:
                self._left_out_at = moment
                if not self._makes_room(tick.gateway):
                    return
        if known is None or tick.number > known[0]:
            self._seen[key] = tick.number, moment
        elif tick.number < known[0]:
            self._lower[key] = tick.number, moment

    def newest(self, moment: float) -> tuple[Tick, ...]:
        """Return the ticks to be written into a telegram that is sent at this moment."""
        self._forget(moment)
        newest = [Tick(gateway, boot, number) for (gateway, boot), (number, _) in self._seen.items()]
        if self._lower:
            lower = [(key, number) for key, (number, seen) in self._lower.items() if moment - seen <= LOWER_FOR_S]
            newest = [*newest, *[Tick(gateway, boot, number) for (gateway, boot), number in lower]][:MAX_TICKS]
        return tuple(newest)

    def leaves_out(self, moment: float) -> bool:
        """Return whether there are more gateways than a telegram names; the others cannot prove its age."""
        return moment - self._left_out_at <= FORGET_AFTER_S

    def _makes_room(self, gateway: str) -> bool:
        """Give up the newest run of the name with most of them, if this gateway's name has two fewer."""
        runs = Counter(name for name, _ in self._seen)
        largest = max(runs.values())
        if largest < runs[gateway] + 2:
            return False
        # The first runs of a name stay: among them is the one that ticks for longest.
        given_up = next(key for key in reversed(self._seen) if runs[key[0]] == largest)
        del self._seen[given_up]
        self._lower.pop(given_up, None)
        return True

    def _forget(self, moment: float) -> None:
        old = [key for key, (_, seen) in self._seen.items() if moment - seen > FORGET_AFTER_S]
        for key in old:
            del self._seen[key]
            lower = self._lower.pop(key, None)
            if lower and moment - lower[1] <= FORGET_AFTER_S:
                self._seen[key] = lower
