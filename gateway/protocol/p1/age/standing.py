"""The steps of a clock: a clock that stands still while values change, and one with another pace than expected."""

from __future__ import annotations

SLOWEST_S = 11.5
"""Longest time between two steps of a clock that moves, in seconds: ten, and jitter."""
HOLD = 2.6
"""Longest gap, in telegrams, that one lost telegram explains. In a longer one, the line may have held telegrams up."""
SHORT_STEP = 0.65
"""Longest step of a clock that is faster than expected, in cadences, and its inverse for one that is slower."""
SHORT_STEPS, LONG_STEPS = 3, 6
"""Numbers of steps in a row that show a faster and a slower clock. Lost telegrams make steps longer and never shorter,
so a slower clock takes more of them."""
REPEATED_STEPS = 3
"""Number of steps in a row that show a clock which is slower than the meter sends: telegrams between them had the
same stamp, and no loss explains that."""
FASTEST_S = 1.0
"""Shortest time in seconds between two telegrams that a meter writes."""

_STAMPS = 0xFFFF
"""Mask of the newest stamps for which several texts are remembered: 16 of them."""
FORGOTTEN = 0.1
"""Fall of the usual number of telegrams between two steps of a clock, for each step: most are lost only for a time."""


class ClockSteps:
    """The last steps of one clock, which show its cadence.

    A meter may move its clock faster than its version says. It may also send each second and move its clock each ten.
    """

    def __init__(self, usual_s: float) -> None:
        """Begin without telegrams; `usual_s` is the cadence of the meter's version."""
        self._usual_s = usual_s
        self._newest: int | None = None
        self._steps: list[int] = []
        self._are_short = False

    def follow(self, clock: int, cadence_s: float, stood_s: float) -> float | None:
        """Return the cadence of a clock that is faster or slower than `cadence_s`, in seconds; else None.

        Args:
            clock: the new stamp.
            cadence_s: the cadence so far.
            stood_s: seconds for which telegrams came with the stamp before.

        """
        step = clock - self._newest if self._newest is not None else 0
        was_repeated = 2 * stood_s >= step
        self._newest = clock
        is_short, is_long = 0 < step <= SHORT_STEP * cadence_s, step * SHORT_STEP >= cadence_s
        is_beyond = is_long and cadence_s >= self._usual_s
        if not (is_short or is_long) or (is_beyond and not (was_repeated and step <= SLOWEST_S)):
            self._steps.clear()
            return None
        if is_short is not self._are_short:
            self._steps.clear()
            self._are_short = is_short
        self._steps.append(step)
        needed = SHORT_STEPS if is_short else REPEATED_STEPS if is_beyond else LONG_STEPS
        if len(self._steps) < needed:
            return None
        cadence = self._cadence(is_beyond)
        self._steps.clear()
        return cadence

    def _cadence(self, is_beyond: bool) -> float | None:
        low, high = min(self._steps), max(self._steps)
        if self._are_short:
            return float(high)
        if is_beyond:
            return float(low) if high * SHORT_STEP <= low else None
        return float(low) if low < SHORT_STEP * self._usual_s else self._usual_s


class SameStamp:
    """The different texts of one stamp, and the earliest moment at which the meter wrote the newest of them.

    If a meter sends each second and moves its clock each ten, new values with the same stamp are newer than that stamp:
    each by at least `FASTEST_S`. The texts are counted, so a line that holds telegrams cannot make them look newer.
    """

    def __init__(self) -> None:
        self._texts: set[int] = set()
        self._measured: float | None = None

    def begin(self, text: int) -> None:
        """Begin with the first telegram of a stamp."""
        self._texts = {text}
        self._measured = None

    def holds(self, text: int) -> bool:
        """Return whether this text came with this stamp."""
        return text in self._texts

    def measured(self, text: int, shown: float, cadence_s: float) -> float:
        """Add a text, and return the earliest moment at which the meter wrote it.

        Args:
            text: its hash.
            shown: the moment at which the meter wrote the telegram that is shown; it has the same stamp.
            cadence_s: seconds between two steps of the clock, which bound the result.

        """
        if self._measured is None:
            self._measured = shown
        if len(self._texts) * FASTEST_S < cadence_s:
            self._texts.add(text)
        return self._measured + FASTEST_S * (len(self._texts) - 1)


class SharedStamps:
    """The habit of a meter to write several texts with one stamp, because it sends faster than its clock moves.

    From such a meter, another text with an old stamp is no proof that the meter writes this stamp a second time: the
    text may have been lost, and comes now by a slower way.
    """

    def __init__(self) -> None:
        self._newest = 0
        """A bit for each of the newest stamps, which is set if it came with several texts."""

    def begin(self) -> None:
        """Begin with the first text of a new stamp."""
        self._newest = self._newest << 1 & _STAMPS

    def note(self) -> None:
        """Note another text of the newest stamp."""
        self._newest |= 1

    @property
    def are_usual(self) -> bool:
        """Return whether two of the newest stamps came with several texts; once may be a clock that was set back."""
        return self._newest.bit_count() > 1


class StandingClock:
    """The detection of a clock that stands still: new values come with the same stamp."""

    def __init__(self, cadence_s: float, needed: int) -> None:
        self.pace_s = cadence_s
        """Seconds between two telegrams; they may come faster than the clock moves."""
        self.set_cadence(cadence_s, needed)
        self._count = self._gaps = 0
        self._usual = 0.0
        """Number of telegrams of one stamp with other values, while the clock moves."""
        self._since = self._last = 0.0
        self.held_s = 0.0
        """Seconds without telegrams since the clock stopped."""
        self.is_standing = False

    def set_cadence(self, cadence_s: float, needed: int) -> None:
        """Expect a clock with this cadence, which `needed` telegrams confirm."""
        self._cadence_s = cadence_s
        self._needed = needed

    def begin(self, arrived: float) -> None:
        """Begin with the first telegram of a stamp."""
        is_filled = self._gaps and 2 * self.stood_s >= self._cadence_s
        self.pace_s = max(FASTEST_S, self.stood_s / self._gaps) if is_filled else self._cadence_s
        self._usual = max(0 if self.is_standing else self._count, self._usual - FORGOTTEN)
        self._count, self._since, self.held_s, self.is_standing = 0, arrived, 0.0, False
        self._last, self._gaps = arrived, 0

    @property
    def stood_s(self) -> float:
        """Return the seconds from the first to the last telegram of this stamp."""
        return self._last - self._since

    def note_copy(self, arrived: float) -> None:
        """Note a copy. It only shows that the line was open."""
        gap = arrived - self._last
        self._last = arrived
        self._gaps += 1
        if gap > HOLD * self.pace_s:
            self.held_s += gap - self.pace_s

    def add(self, arrived: float) -> None:
        """Add a telegram of the same stamp with other values."""
        self.note_copy(arrived)
        self._count += 1
        if self._count >= self._needed + self._usual and self.stood_s - self.held_s > SLOWEST_S:
            self.is_standing = True
